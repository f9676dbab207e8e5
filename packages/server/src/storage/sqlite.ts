/** The storage port on node:sqlite: one file, WAL, every commit synced, concurrent transactions sharing commits. */
import { DatabaseSync } from "node:sqlite";
import { type ReadTx, type Storage, StorageError, type StorageErrorCode, type StorageHost, type WriteTx } from "../core/storage.ts";
import { migrate, refuseOldSqlite } from "./sqlite-schema.ts";
import { SqliteConnection, SqliteTx } from "./sqlite-tx.ts";

/** Transactions in one commit. More only delays the first of them: the cost of the sync is shared well before. */
const MAX_GROUP = 1000;

export interface SqliteStorageOptions {
  /** The database file; made when absent. Two more files, `-wal` and `-shm`, live beside it. */
  readonly path: string;
}

/**
 * Opens or creates the database.
 * @throws StorageError if SQLite is too old, the file is not a database, or a newer server has made it.
 */
export function sqliteStorage(options: SqliteStorageOptions): Storage {
  const { path } = options;
  if (typeof path !== "string" || path === "" || path === ":memory:") {
    // A second connection reads beside the writer; a database in memory has only one.
    throw new TypeError(`path must name a file, got ${JSON.stringify(path)}; for a storage without a file use memoryStorage()`);
  }
  return new Sqlite(path);
}

interface Member {
  /** Runs in its own savepoint and keeps its value or error to itself until told. The error, if it is the database's. */
  readonly run: (tx: SqliteTx) => Promise<StorageError | null>;
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;
}

class Sqlite implements Storage {
  readonly #writer: SqliteConnection;
  readonly #reader: SqliteConnection;
  #waiting: Member[] = [];
  #flushing: Promise<void> | null = null;
  #reads: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #nextTurn: () => Promise<void> = () => Promise.resolve();

  constructor(path: string) {
    const db = opened(path, {});
    try {
      refuseOldSqlite(String(db.prepare("SELECT sqlite_version() AS v").get()?.v));
      db.exec("PRAGMA busy_timeout = 5000");
      db.exec("PRAGMA journal_mode = WAL");
      // FULL: the WAL is synced at every commit. NORMAL would lose acknowledged operations with the power.
      db.exec("PRAGMA synchronous = FULL");
      // macOS answers fsync before the drive has written; elsewhere this changes nothing.
      db.exec("PRAGMA fullfsync = ON");
      // 16 MB of WAL instead of 4: random keys touch the same pages again, and a checkpoint then writes each of them once.
      db.exec("PRAGMA wal_autocheckpoint = 4000");
      migrate(db);
      this.#writer = new SqliteConnection(db);
      this.#reader = new SqliteConnection(opened(path, { readOnly: true }));
    } catch (error) {
      db.close();
      throw asStorageError(error);
    }
  }

  attach(host: StorageHost): void {
    this.#nextTurn = () => host.nextTurn();
  }

  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closed());
    // One after the other: transactions on one connection do not nest. What a read awaits is only its own statements.
    const turn = this.#reads.then(() => this.#read(work));
    this.#reads = turn.then(ignore, ignore);
    return turn;
  }

  write<T>(work: (tx: WriteTx) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      let settle: () => void = ignore;
      this.#waiting.push({
        run: async (tx) => {
          try {
            const value = await tx.savepoint(() => work(tx));
            settle = () => resolve(value);
            return null;
          } catch (thrown) {
            const error = asStorageError(thrown);
            settle = () => reject(error);
            return error instanceof StorageError ? error : null;
          }
        },
        settle: () => settle(),
        fail: (error) => reject(asStorageError(error)),
      });
      this.#flushing ??= this.#flush();
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#flushing;
    await this.#reads;
    this.#reader.db.close();
    this.#writer.db.close();
  }

  async #read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    const { db } = this.#reader;
    const tx = new SqliteTx(this.#reader);
    try {
      db.exec("BEGIN");
      return await work(tx);
    } catch (error) {
      throw asStorageError(error);
    } finally {
      tx.end();
      if (db.isTransaction) db.exec("ROLLBACK");
    }
  }

  /**
   * Group commit. No timer lingers for companions: while one group commits, the next one gathers, because the commit holds up the
   * event loop and the turn after it takes in every request that came meanwhile.
   */
  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#nextTurn();
      const group = this.#waiting.splice(0, MAX_GROUP);
      try {
        await this.#commit(group);
        for (const member of group) member.settle();
      } catch (error) {
        // Also those whose own work was done: nothing of the group is certain, so nobody is answered with success.
        for (const member of group) member.fail(error);
      }
    }
    this.#flushing = null;
  }

  async #commit(group: readonly Member[]): Promise<void> {
    const { db } = this.#writer;
    db.exec("BEGIN IMMEDIATE");
    try {
      for (const member of group) {
        const tx = new SqliteTx(this.#writer);
        const error = await member.run(tx);
        tx.end();
        // A full disk or an I/O error makes SQLite give up the whole transaction, and with it what the others wrote.
        if (!db.isTransaction) throw error ?? new StorageError("STORAGE_UNAVAILABLE", "SQLite gave up the transaction");
      }
      db.exec("COMMIT");
    } finally {
      if (db.isTransaction) db.exec("ROLLBACK");
    }
  }
}

function opened(path: string, options: { readonly readOnly?: boolean }): DatabaseSync {
  try {
    return new DatabaseSync(path, options);
  } catch (error) {
    throw asStorageError(error);
  }
}

/** SQLite's primary result codes that are the database's fault. https://sqlite.org/rescode.html */
const CODES: ReadonlyMap<number, StorageErrorCode> = new Map([
  [5, "STORAGE_UNAVAILABLE"], // BUSY
  [6, "STORAGE_UNAVAILABLE"], // LOCKED
  [7, "STORAGE_UNAVAILABLE"], // NOMEM
  [8, "STORAGE_READ_ONLY"],
  [10, "STORAGE_UNAVAILABLE"], // IOERR
  [11, "STORAGE_CORRUPT"],
  [13, "STORAGE_FULL"],
  [14, "STORAGE_UNAVAILABLE"], // CANTOPEN
  [26, "STORAGE_CORRUPT"], // NOTADB
]);

/** Faults of the database as StorageError; everything else (a constraint, a mistake in SQL, the work's own error) as it is. */
function asStorageError(error: unknown): unknown {
  const errcode = error instanceof Error && "errcode" in error ? Number(error.errcode) : Number.NaN;
  const code = CODES.get(errcode & 0xff);
  return code === undefined ? error : new StorageError(code, `SQLite: ${(error as Error).message}`, { cause: error });
}

function closed(): StorageError {
  return new StorageError("STORAGE_UNAVAILABLE", "the SQLite storage was closed");
}

function ignore(): void {}
