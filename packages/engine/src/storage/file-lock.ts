import { DatabaseSync } from "node:sqlite";
import type { FastLock } from "../ports/index.ts";

/**
 * A lock of the operating system on `<path>.lock`, taken the way SQLite takes one: free the moment its holder dies, however it
 * dies, and busy while the holder is merely stopped. The file stays empty; only the lock on it counts. A rollback journal,
 * not WAL, because only there does an exclusive transaction keep everybody else out.
 */
export class FileLock implements FastLock {
  readonly #path: string;
  #held: DatabaseSync | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** False as well when the file system cannot lock: then only the lease decides. */
  tryAcquire(): Promise<boolean> {
    this.#held ??= acquire(this.#path);
    return Promise.resolve(this.#held !== undefined);
  }

  release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    // Closing rolls the transaction back and lets the lock go.
    held?.close();
    return Promise.resolve();
  }
}

function acquire(path: string): DatabaseSync | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    // Nothing is ever written, so there is nothing to keep a journal file for.
    db.exec("PRAGMA journal_mode = MEMORY");
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch {
    if (db?.isOpen === true) db.close();
    return undefined;
  }
}
