import { DatabaseSync } from "node:sqlite";
import { SyncError, uuidV4 } from "@guardian-sync/protocol";
import { sealTagKey, TAG_KEY_BYTES, utf8Encode } from "../format/index.ts";
import type { KeyRing, MaybePromise, Random } from "../ports/index.ts";
import { asOpenError, type FileIdentity, readIdentity } from "./sqlite-probe.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { APPLICATION_ID, MIGRATIONS } from "./sqlite-migrations.ts";

/** Before it, a checkpoint that met a write could corrupt a database in WAL mode (https://www.sqlite.org/wal.html#walreset). */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** After a burst the -wal file is cut back to this. */
const WAL_BYTES_KEPT = 4 * 1024 * 1024;

/** Opens the file for writing, brings it to this version's format, and gives a new one its identity. @throws SyncError */
export function openForWriting(
  path: string,
  timeout: number,
  identity: FileIdentity,
): { readonly db: DatabaseSync; readonly identity: FileIdentity } {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout });
    refuseOldSqlite(db);
    configure(db, path);
    return { db, identity: migrate(db, path, identity) };
  } catch (error) {
    if (db?.isOpen === true) db.close();
    throw asOpenError(error, path);
  }
}

/** One moment of the file, for reading. While it is open, the -wal cannot start over. @throws SyncError */
export function frozenConnection(path: string, timeout: number): SqliteConnection {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout, readOnly: true });
    db.exec("BEGIN");
    // The moment is that of the first read.
    db.prepare("SELECT count(*) FROM meta").get();
    return new SqliteConnection(db);
  } catch (error) {
    if (db?.isOpen === true) db.close();
    throw asOpenError(error, path);
  }
}

/** An identity for a file that has none yet. */
export function newIdentity(keys: KeyRing, random: Random): MaybePromise<FileIdentity> {
  const storeId = uuidV4((length) => random.bytes(length));
  const tagKey = sealTagKey(keys, storeId, random.bytes(TAG_KEY_BYTES));
  return tagKey instanceof Promise ? tagKey.then((sealed) => ({ storeId, tagKey: sealed })) : { storeId, tagKey };
}

function refuseOldSqlite(db: DatabaseSync): void {
  const version = String(db.prepare("SELECT sqlite_version() AS version").get()?.version);
  const parts = version.split(".").map(Number);
  for (const [i, oldest] of OLDEST_SQLITE.entries()) {
    const part = parts[i] ?? 0;
    if (part > oldest) return;
    if (part < oldest) {
      throw new SyncError(
        "STORAGE_UNAVAILABLE",
        `SQLite ${version} may corrupt databases under concurrent checkpoints; ${OLDEST_SQLITE.join(".")} is needed. Update Node.js.`,
      );
    }
  }
}

function configure(db: DatabaseSync, path: string): void {
  // Has an effect on a new file only: lets `compact` give pages back without rewriting everything.
  db.exec("PRAGMA page_size = 4096");
  db.exec("PRAGMA auto_vacuum = INCREMENTAL");
  const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode;
  if (mode !== "wal") {
    throw new SyncError(
      "STORAGE_UNAVAILABLE",
      `The queue file ${path} is on a file system without shared memory (SQLite answered journal mode ${String(mode)}). Put it on a local disk.`,
    );
  }
  // The WAL is synced at every commit. NORMAL would lose acknowledged operations with the power.
  db.exec("PRAGMA synchronous = FULL");
  // macOS answers fsync before the drive has written; elsewhere this changes nothing.
  db.exec("PRAGMA fullfsync = ON");
  db.exec("PRAGMA temp_store = MEMORY");
  // A log that was written before and starts over grows no file, so its sync is a third cheaper: it starts over early. Measured: 250 pages
  // 161 µs a commit, 1000 183, 2000 224; a segment of 1000 operations costs the same with each.
  db.exec("PRAGMA wal_autocheckpoint = 250");
  db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
}

function migrate(db: DatabaseSync, path: string, fresh: FileIdentity): FileIdentity {
  db.exec("BEGIN IMMEDIATE");
  try {
    // Again, under the lock: another process may have made or migrated the file since it was probed.
    const found = readIdentity(db, path);
    const version = Number(db.prepare("PRAGMA user_version").get()?.user_version);
    for (const migration of MIGRATIONS) if (migration.to > version) db.exec(`${migration.sql}; PRAGMA user_version = ${migration.to}`);
    if (found === undefined) {
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      const put = db.prepare("INSERT INTO meta VALUES (?, ?)");
      put.run("store_id", utf8Encode(fresh.storeId));
      put.run("tag_key", fresh.tagKey);
    }
    db.exec("COMMIT");
    return found ?? fresh;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
