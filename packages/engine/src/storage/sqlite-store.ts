import { statSync } from "node:fs";
import type {
  AccountRow,
  AccountTag,
  CommitResult,
  EntityRow,
  EntityTag,
  Fence,
  IntegrityReport,
  LaneRow,
  LockRow,
  NewSegment,
  PackRow,
  QueueStore,
  ReceiptRow,
  SegmentRow,
  Seq,
  SeqRange,
  StateRow,
  StatesQuery,
  StoreCommit,
} from "../ports/index.ts";
import { checkCommit, checkSegments, closedStore } from "./refusals.ts";
import { listAccounts, readAccount } from "./sqlite-accounts.ts";
import { appendSegments } from "./sqlite-append.ts";
import { applyCommit } from "./sqlite-commit.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { asSyncError } from "./sqlite-errors.ts";
import { findSegments } from "./sqlite-find.ts";
import { FORMAT_VERSION } from "./sqlite-migrations.ts";
import { purgeReceipts, readReceipts } from "./sqlite-receipts.ts";
import { listEntities, putLock, readEntities, readLanes, readLock, readPacks } from "./sqlite-rows.ts";
import { readSegments } from "./sqlite-segments.ts";
import { readStates } from "./sqlite-states.ts";
import { dataVersionOf, QueueTails } from "./sqlite-tails.ts";

/** Pages that one transaction gives back: others may write in between. */
const COMPACT_PAGES = 2000;
const MAX_PROBLEMS = 100;

/** The queue in one SQLite file. Every call has done its work, and synced it, when it returns; the promise is only the shape. */
export class SqliteStore implements QueueStore {
  readonly storeId: string;
  readonly formatVersion: number = FORMAT_VERSION;
  readonly #db: SqliteConnection;
  readonly #path: string;
  readonly #tails: QueueTails;
  readonly #accountNos = new Map<AccountTag, number>();
  #isClosed = false;

  constructor(db: SqliteConnection, path: string, storeId: string) {
    this.#db = db;
    this.#path = path;
    this.storeId = storeId;
    this.#tails = new QueueTails(db, path);
    db.onRollback = (): void => this.#tails.forget();
  }

  append(segments: readonly NewSegment[]): Promise<readonly Seq[]> {
    return this.#write((db) => {
      checkSegments(segments);
      return appendSegments(db, this.#tails, segments, this.#path);
    });
  }
  commit(change: StoreCommit): Promise<CommitResult> {
    return this.#write((db) => {
      checkCommit(change);
      return applyCommit(db, this.#tails, change);
    });
  }

  readAccount(account: AccountTag): Promise<AccountRow | undefined> {
    return this.#call((db) => readAccount(db, account));
  }
  listAccounts(): Promise<readonly AccountRow[]> {
    return this.#call(listAccounts);
  }
  readSegments(account: AccountTag, from: Seq, limit: number): Promise<readonly SegmentRow[]> {
    return this.#ofAccount(account, (db, accountNo) => readSegments(db, accountNo, account, from, limit));
  }
  findSegments(account: AccountTag, id: string): Promise<readonly SegmentRow[]> {
    return this.#ofAccount(account, (db, accountNo) => db.snapshot(() => findSegments(db, accountNo, account, id)));
  }
  readStates(query: StatesQuery): Promise<readonly StateRow[]> {
    return this.#ofAccount(query.account, (db, accountNo) => readStates(db, accountNo, query));
  }
  readPacks(packIds: readonly string[]): Promise<readonly PackRow[]> {
    return this.#call((db) => readPacks(db, packIds));
  }
  readLanes(account: AccountTag, lanes?: readonly (EntityTag | "")[]): Promise<readonly LaneRow[]> {
    return this.#ofAccount(account, (db, accountNo) => readLanes(db, accountNo, account, lanes));
  }
  readEntities(account: AccountTag, entityTags: readonly EntityTag[]): Promise<readonly EntityRow[]> {
    return this.#ofAccount(account, (db, accountNo) => readEntities(db, accountNo, account, entityTags));
  }
  listEntities(account: AccountTag, after: EntityTag | "", limit: number): Promise<readonly EntityRow[]> {
    return this.#ofAccount(account, (db, accountNo) => listEntities(db, accountNo, account, after, limit));
  }
  readReceipts(account: AccountTag, where: { readonly seqs: SeqRange } | { readonly id: string }): Promise<readonly ReceiptRow[]> {
    return this.#ofAccount(account, (db, accountNo) => readReceipts(db, accountNo, account, where));
  }
  readMeta(key: string): Promise<Uint8Array | undefined> {
    return this.#call((db) => db.get<{ value: Uint8Array }>("SELECT value FROM meta WHERE key = ?", key)?.value);
  }
  purgeReceipts(before: number, limit: number): Promise<number> {
    return this.#write((db) => purgeReceipts(db, before, limit));
  }

  readLock(): Promise<LockRow | undefined> {
    return this.#call(readLock);
  }
  writeLock(expected: { readonly fence: Fence; readonly beats: number } | null, next: LockRow, relaxed = false): Promise<boolean> {
    const compareAndSet = (db: SqliteConnection): boolean =>
      db.transaction(() => {
        const lock = readLock(db);
        const holds = expected === null ? lock === undefined : lock?.fence === expected.fence && lock.beats === expected.beats;
        if (holds) putLock(db, next);
        return holds;
      });
    return this.#call((db) => (relaxed ? db.withoutSync(() => compareAndSet(db)) : compareAndSet(db)));
  }

  dataVersion(): Promise<number> {
    return this.#call(dataVersionOf);
  }
  checkIntegrity(): Promise<IntegrityReport> {
    return this.#call((db) => {
      const lines = db.all<{ integrity_check: string }>(`PRAGMA integrity_check(${MAX_PROBLEMS})`).map((row) => row.integrity_check);
      const problems = lines.filter((line) => line !== "ok");
      return { ok: problems.length === 0, problems };
    }).catch((error: unknown) => ({ ok: false, problems: [error instanceof Error ? error.message : String(error)] }));
  }
  compact(): Promise<void> {
    return this.#call((db) => {
      for (let free = freePages(db), before = free + 1; free > 0 && free < before; before = free, free = freePages(db)) {
        db.exec(`PRAGMA incremental_vacuum(${COMPACT_PAGES})`);
      }
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    });
  }
  sizeBytes(): Promise<number> {
    return this.#call(() => fileSize(this.#path) + fileSize(`${this.#path}-wal`));
  }
  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    const closed = this.#call((db) => db.close());
    this.#isClosed = true;
    return closed;
  }

  /** Reads of an account that has no row find nothing. */
  #ofAccount<T>(account: AccountTag, effect: (db: SqliteConnection, accountNo: number) => readonly T[]): Promise<readonly T[]> {
    return this.#call((db) => {
      const accountNo = this.#accountNo(account);
      return accountNo === undefined ? [] : effect(db, accountNo);
    });
  }
  /** Never changes, and no account goes. */
  #accountNo(account: AccountTag): number | undefined {
    const known = this.#accountNos.get(account);
    if (known !== undefined) return known;
    const found = this.#db.get<{ account_no: number }>("SELECT account_no FROM accounts WHERE account = ?", account)?.account_no;
    if (found !== undefined) this.#accountNos.set(account, found);
    return found;
  }

  #write<T>(effect: (db: SqliteConnection) => T): Promise<T> {
    return this.#call((db) => db.transaction(() => effect(db)));
  }
  #call<T>(effect: (db: SqliteConnection) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedStore(`sqlite ${this.#path}`));
    try {
      return Promise.resolve(effect(this.#db));
    } catch (error) {
      return Promise.reject(asSyncError(error, this.#path));
    }
  }
}

function freePages(db: SqliteConnection): number {
  return db.get<{ freelist_count: number }>("PRAGMA freelist_count")?.freelist_count ?? 0;
}
function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
