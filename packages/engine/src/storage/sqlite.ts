import { SyncError } from "@guardian-sync/protocol";
import { openTagKey } from "../format/index.ts";
import type { KeyRing, OpenedStore, QueueStore, Random, StoreAdapter } from "../ports/index.ts";
import { FileLock } from "./file-lock.ts";
import { watchFile } from "./file-watch.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { checkEncryption, findKeys, type SqliteEncryption } from "./sqlite-keys.ts";
import { frozenConnection, newIdentity, openForWriting } from "./sqlite-open.ts";
import { type FileIdentity, probeFile } from "./sqlite-probe.ts";
import { SqliteStore } from "./sqlite-store.ts";

export type { Key } from "./key-ring-node.ts";
export type { KeyProvider, SqliteEncryption } from "./sqlite-keys.ts";

export interface SqliteStoreOptions {
  /** The queue file; made when absent, its folder is not. `-wal`, `-shm`, `.lock` and perhaps `.key` live beside it. */
  readonly path: string;
  /** Left out: AES-256-GCM with the key in `<path>.key`, made (mode 0600) when there is none. */
  readonly encryption?: SqliteEncryption;
  /** How long a write waits for another process, blocking this one, before it fails with `STORAGE_UNAVAILABLE`. */
  readonly busyTimeoutMs?: number;
}

const BUSY_TIMEOUT_MS = 5000;

/**
 * A queue in one SQLite file (node:sqlite, WAL, every commit synced). Several processes may open the same file.
 * @throws TypeError for options that make no sense.
 */
export function sqliteStore({ path, encryption, busyTimeoutMs = BUSY_TIMEOUT_MS }: SqliteStoreOptions): StoreAdapter {
  if (typeof path !== "string" || path === "" || path === ":memory:") {
    throw new TypeError(`option path: give the name of a file, got ${JSON.stringify(path)}; for a queue without a file use memoryStore()`);
  }
  if (!Number.isInteger(busyTimeoutMs) || busyTimeoutMs < 0) {
    throw new TypeError(`option busyTimeoutMs: give a whole number >= 0, got ${busyTimeoutMs}`);
  }
  checkEncryption(encryption);
  return {
    description: `sqlite ${path}`,
    open: ({ random }) => open(path, encryption, busyTimeoutMs, random),
  };
}

async function open(path: string, encryption: SqliteEncryption | undefined, busyTimeoutMs: number, random: Random): Promise<OpenedStore> {
  const found = probeFile(path, busyTimeoutMs);
  const { keys, notices } = await findKeys(path, encryption, found);
  // The key is tried before the file is opened for writing: a wrong one changes nothing.
  if (found !== undefined) await tagKeyOf(path, keys, found);
  const { db, identity } = openForWriting(path, busyTimeoutMs, found ?? (await newIdentity(keys, random)));
  try {
    // Again: of two processes that made the file at once, one finds the identity of the other.
    const tagKey = await tagKeyOf(path, keys, identity);
    const store = new SqliteStore(new SqliteConnection(db), path, identity.storeId);
    // Every commit is written to the -wal, which stays while anybody has the file open.
    const watch = (listener: () => void): (() => void) => watchFile(`${path}-wal`, listener);
    const freeze = async (): Promise<QueueStore> => new SqliteStore(frozenConnection(path, busyTimeoutMs), path, identity.storeId);
    return { store, keys, tagKey, fastLock: new FileLock(`${path}.lock`), notices, watch, freeze };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A key ring knows no files: whoever has several must be told which one the key does not fit. */
async function tagKeyOf(path: string, keys: KeyRing, { storeId, tagKey }: FileIdentity): Promise<Uint8Array> {
  try {
    return await openTagKey(keys, storeId, tagKey);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "WRONG_KEY") throw error;
    throw new SyncError("WRONG_KEY", `${path}: ${error.message}`, { cause: error });
  }
}
