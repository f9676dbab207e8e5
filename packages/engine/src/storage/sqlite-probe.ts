import { accessSync, constants, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SyncError } from "@guardian-sync/protocol";
import { utf8Decode } from "../format/index.ts";
import { asSyncError, isCannotOpen, readOnlyStorage } from "./sqlite-errors.ts";
import { APPLICATION_ID, FORMAT_VERSION } from "./sqlite-migrations.ts";

/** What tells whether a queue file is ours to open, and with which key. */
export interface FileIdentity {
  readonly storeId: string;
  /** The encrypted key of all tags. */
  readonly tagKey: Uint8Array;
}

/**
 * Looks at the file without being able to write it, so that a file which is refused stays as it is, to the byte.
 * Undefined: there is no queue yet. @throws SyncError
 */
export function probeFile(path: string, timeout: number): FileIdentity | undefined {
  const folder = dirname(resolve(path));
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new SyncError(
      "STORAGE_UNAVAILABLE",
      `The queue file ${path} cannot be made: the folder ${folder} does not exist. Create it first.`,
    );
  }
  const file = statSync(path, { throwIfNoEntry: false });
  if (file?.isDirectory() === true)
    throw new SyncError("STORAGE_UNAVAILABLE", `${path} is a folder. Give the queue file a name in it, such as ${join(path, "queue.db")}.`);
  if ((file?.size ?? 0) === 0) return undefined;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout });
    return readIdentity(db, path);
  } catch (error) {
    throw asOpenError(error, path);
  } finally {
    if (db?.isOpen === true) db.close();
  }
}

/** Who the file says that it is; undefined when nothing is in it. @throws SyncError when it is not ours to open. */
export function readIdentity(db: DatabaseSync, path: string): FileIdentity | undefined {
  const version = pragma(db, "user_version");
  const application = pragma(db, "application_id");
  if (version === 0 && application === 0 && db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined) return undefined;
  if (application !== APPLICATION_ID) {
    throw new SyncError(
      "STORAGE_CORRUPT",
      `${path} is a database of another program, not a queue file. Nothing was changed: give the queue a path of its own.`,
    );
  }
  if (version > FORMAT_VERSION) {
    throw new SyncError(
      "STORE_NEWER",
      `The queue file ${path} has format ${version}; this version of guardian-sync reads up to ${FORMAT_VERSION}. Nothing was changed: update guardian-sync, and what is queued will be sent.`,
    );
  }
  const storeId = meta(db, "store_id");
  const tagKey = meta(db, "tag_key");
  if (storeId === undefined || tagKey === undefined) {
    throw new SyncError(
      "STORAGE_CORRUPT",
      `The queue file ${path} has lost its identity. Nothing was changed: keep the file, and restore a backup.`,
    );
  }
  return { storeId: utf8Decode(storeId), tagKey };
}

/** An error met while opening, by what the folder allows. */
export function asOpenError(error: unknown, path: string): unknown {
  if (isCannotOpen(error)) {
    try {
      accessSync(dirname(resolve(path)), constants.W_OK);
    } catch {
      return readOnlyStorage(path, error);
    }
  }
  return asSyncError(error, path);
}

function pragma(db: DatabaseSync, name: "user_version" | "application_id"): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}
function meta(db: DatabaseSync, key: string): Uint8Array | undefined {
  return db.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.value as Uint8Array | undefined;
}
