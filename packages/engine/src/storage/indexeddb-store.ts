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
import { listAccounts, readAccount } from "./indexeddb-accounts.ts";
import { Appender } from "./indexeddb-append.ts";
import { applyCommit, storesOf } from "./indexeddb-commit.ts";
import type { IdbConnection } from "./indexeddb-connection.ts";
import { checkIntegrity } from "./indexeddb-integrity.ts";
import { FORMAT_VERSION, STORES, type StoreName } from "./indexeddb-layout.ts";
import { purgeReceipts, readReceipts } from "./indexeddb-receipts.ts";
import { answer } from "./indexeddb-requests.ts";
import { listEntities, putLock, readEntities, readLanes, readLock, readPacks } from "./indexeddb-rows.ts";
import { findSegments, readSegments } from "./indexeddb-segments.ts";
import { estimatedBytes } from "./indexeddb-size.ts";
import { readStates } from "./indexeddb-states.ts";
import { checkCommit, checkSegments } from "./refusals.ts";

const ACCOUNT_STORES: readonly StoreName[] = ["accounts", "account_tails", "account_details", "segments"];

/** The queue in one IndexedDB database. Every call is one transaction; a write resolves when that has completed, strictly. */
export class IndexedDbStore implements QueueStore {
  readonly storeId: string;
  readonly formatVersion: number = FORMAT_VERSION;
  readonly #db: IdbConnection;
  readonly #appender: Appender;

  constructor(db: IdbConnection, storeId: string) {
    this.#db = db;
    this.#appender = new Appender(db);
    this.storeId = storeId;
  }

  async append(segments: readonly NewSegment[]): Promise<readonly Seq[]> {
    checkSegments(segments);
    if (segments.length === 0) return this.#db.ifOpen([]);
    return this.#appender.append(segments);
  }
  async commit(change: StoreCommit): Promise<CommitResult> {
    checkCommit(change);
    return this.#db.write(storesOf(change), (tx) => applyCommit(tx, change));
  }

  readAccount(account: AccountTag): Promise<AccountRow | undefined> {
    return this.#db.read(ACCOUNT_STORES, (tx) => readAccount(tx, account));
  }
  listAccounts(): Promise<readonly AccountRow[]> {
    return this.#db.read(ACCOUNT_STORES, listAccounts);
  }
  readSegments(account: AccountTag, from: Seq, limit: number): Promise<readonly SegmentRow[]> {
    return this.#db.read(["segments", "segment_lives"], (tx) => readSegments(tx, account, from, limit));
  }
  findSegments(account: AccountTag, id: string): Promise<readonly SegmentRow[]> {
    return this.#db.read(["segments", "segment_lives"], (tx) => findSegments(tx, account, id));
  }
  readStates(query: StatesQuery): Promise<readonly StateRow[]> {
    if (query.seqs?.length === 0) return this.#db.ifOpen([]);
    return this.#db.read(["states"], (tx) => readStates(tx, query));
  }
  readPacks(packIds: readonly string[]): Promise<readonly PackRow[]> {
    if (packIds.length === 0) return this.#db.ifOpen([]);
    return this.#db.read(["packs", "pack_lives"], (tx) => readPacks(tx, packIds));
  }
  readLanes(account: AccountTag, lanes?: readonly (EntityTag | "")[]): Promise<readonly LaneRow[]> {
    return this.#db.read(["lanes"], (tx) => readLanes(tx, account, lanes));
  }
  readEntities(account: AccountTag, entityTags: readonly EntityTag[]): Promise<readonly EntityRow[]> {
    return this.#db.read(["entities"], (tx) => readEntities(tx, account, entityTags));
  }
  listEntities(account: AccountTag, after: EntityTag | "", limit: number): Promise<readonly EntityRow[]> {
    return this.#db.read(["entities"], (tx) => listEntities(tx, account, after, limit));
  }
  readReceipts(account: AccountTag, where: { readonly seqs: SeqRange } | { readonly id: string }): Promise<readonly ReceiptRow[]> {
    return this.#db.read(["receipts"], (tx) => readReceipts(tx, account, where));
  }
  readMeta(key: string): Promise<Uint8Array | undefined> {
    return this.#db.read(["meta"], (tx) => answer(tx.objectStore("meta").get(key)));
  }
  purgeReceipts(before: number, limit: number): Promise<number> {
    return this.#db.write(["receipts"], async (tx) => {
      const result = await purgeReceipts(tx, before, limit);
      return { result, isChanged: result > 0 };
    });
  }

  readLock(): Promise<LockRow | undefined> {
    return this.#db.read(["processing_lock"], readLock);
  }
  writeLock(expected: { readonly fence: Fence; readonly beats: number } | null, next: LockRow, relaxed = false): Promise<boolean> {
    const compareAndSet = async (tx: IDBTransaction): Promise<{ result: boolean; isChanged: boolean }> => {
      const lock = await readLock(tx);
      const holds = expected === null ? lock === undefined : lock?.fence === expected.fence && lock.beats === expected.beats;
      if (holds) putLock(tx, next);
      return { result: holds, isChanged: holds };
    };
    return this.#db.write(["processing_lock"], compareAndSet, { relaxed });
  }

  dataVersion(): Promise<number> {
    return this.#db.dataVersion();
  }
  async checkIntegrity(): Promise<IntegrityReport> {
    try {
      return await this.#db.read(STORES, checkIntegrity);
    } catch (error) {
      return { ok: false, problems: [error instanceof Error ? error.message : String(error)] };
    }
  }
  /** Browsers give space back by themselves. */
  compact(): Promise<void> {
    return this.#db.ifOpen(undefined);
  }
  async sizeBytes(): Promise<number> {
    return this.#db.ifOpen(await estimatedBytes());
  }
  close(): Promise<void> {
    this.#db.close();
    return Promise.resolve();
  }
}
