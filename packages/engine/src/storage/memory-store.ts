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
import { addCounts } from "./counts.ts";
import { applyCommit, createAccount } from "./memory-commit.ts";
import { entityKey, laneKey, type MemoryConnection, type MemoryDisk } from "./memory-disk.ts";
import { checkCommit, checkFence, checkSegments, closedStore } from "./refusals.ts";

/** The layout of the files that the other stores write: rows mean the same here. */
const MEMORY_FORMAT_VERSION = 1;

/** The queue in memory, as exact as on a disk. Every call has done its work when it returns; the promise is only the shape. */
export class MemoryStore implements QueueStore {
  readonly storeId: string;
  readonly formatVersion: number = MEMORY_FORMAT_VERSION;
  readonly #disk: MemoryDisk;
  readonly #connection: MemoryConnection = { ownWrites: 0 };
  #isClosed = false;

  constructor(disk: MemoryDisk, storeId: string) {
    this.#disk = disk;
    this.storeId = storeId;
  }

  append(segments: readonly NewSegment[]): Promise<readonly Seq[]> {
    return this.#write((disk) => {
      checkSegments(segments);
      return segments.map((segment) => {
        const seqFrom = disk.nextSeq as Seq;
        const { account, count } = segment;
        const row = disk.accounts.get(account) ?? createAccount(disk, account, seqFrom);
        disk.accounts.set(account, { ...row, counts: addCounts(row.counts, { enqueued: count, pending: count }) });
        disk.segments.set(seqFrom, { ...segment, seqFrom, live: count, entityTags: [...segment.entityTags], body: segment.body.slice() });
        disk.nextSeq += count;
        return seqFrom;
      });
    });
  }

  commit(change: StoreCommit): Promise<CommitResult> {
    return this.#write((disk) => {
      checkCommit(change);
      checkFence(change.fence, disk.lock);
      const revision = disk.accounts.get(change.account)?.revision ?? 0;
      if (revision !== change.expectRevision) return { ok: false, revision };
      return { ok: true, revision: applyCommit(disk, change) };
    });
  }

  readAccount(account: AccountTag): Promise<AccountRow | undefined> {
    return this.#read((disk) => disk.accounts.get(account));
  }
  listAccounts(): Promise<readonly AccountRow[]> {
    return this.#read((disk) => [...disk.accounts.values()]);
  }

  readSegments(account: AccountTag, from: Seq, limit: number): Promise<readonly SegmentRow[]> {
    return this.#read((disk) =>
      take(
        disk.segments.from(disk.segments.atOrBefore(from)?.seqFrom ?? from),
        limit,
        (row) => row.account === account && row.seqFrom + row.count > from,
      ),
    );
  }
  findSegments(account: AccountTag, id: string): Promise<readonly SegmentRow[]> {
    return this.#read((disk) =>
      take(disk.segments.from(0), Number.POSITIVE_INFINITY, (row) => row.account === account && row.idMin <= id && id <= row.idMax),
    );
  }
  readStates(query: StatesQuery): Promise<readonly StateRow[]> {
    const { account, phases, blockedBy, entityTag, seqs, after = 0, upTo = Number.POSITIVE_INFINITY, limit } = query;
    return this.#read((disk) => {
      const wanted = seqs === undefined ? undefined : new Set<number>(seqs);
      const matches = (row: StateRow): boolean =>
        row.account === account &&
        row.seq <= upTo &&
        (phases === undefined || phases.includes(row.phase)) &&
        (blockedBy === undefined || row.blockedBy === blockedBy) &&
        (entityTag === undefined || row.entityTag === entityTag) &&
        (wanted === undefined || wanted.has(row.seq));
      return take(disk.states.from(after + 1), limit, matches);
    });
  }
  readPacks(packIds: readonly string[]): Promise<readonly PackRow[]> {
    return this.#read((disk) => present(packIds.map((packId) => disk.packs.get(packId))));
  }
  readLanes(account: AccountTag, lanes?: readonly (EntityTag | "")[]): Promise<readonly LaneRow[]> {
    return this.#read((disk) =>
      lanes === undefined
        ? take(disk.lanes.values(), Number.POSITIVE_INFINITY, (row) => row.account === account)
        : present(lanes.map((lane) => disk.lanes.get(laneKey(account, lane)))),
    );
  }
  readEntities(account: AccountTag, entityTags: readonly EntityTag[]): Promise<readonly EntityRow[]> {
    return this.#read((disk) => present(entityTags.map((tag) => disk.entities.get(entityKey(account, tag)))));
  }
  listEntities(account: AccountTag, after: EntityTag | "", limit: number): Promise<readonly EntityRow[]> {
    return this.#read((disk) =>
      Array.from(disk.entities.values())
        .filter((row) => row.account === account && row.entityTag > after)
        .sort((a, b) => (a.entityTag < b.entityTag ? -1 : 1))
        .slice(0, limit),
    );
  }
  readReceipts(account: AccountTag, where: { readonly seqs: SeqRange } | { readonly id: string }): Promise<readonly ReceiptRow[]> {
    return this.#read((disk) =>
      take(disk.receipts.from(0), Number.POSITIVE_INFINITY, (row) => {
        if (row.account !== account) return false;
        return "id" in where
          ? row.idMin <= where.id && where.id <= row.idMax
          : row.seqMin <= where.seqs.to && where.seqs.from <= row.seqMax;
      }),
    );
  }
  readMeta(key: string): Promise<Uint8Array | undefined> {
    return this.#read((disk) => disk.meta.get(key));
  }
  purgeReceipts(before: number, limit: number): Promise<number> {
    return this.#write((disk) => disk.purgeReceipts(before, limit));
  }

  readLock(): Promise<LockRow | undefined> {
    return this.#read((disk) => disk.lock);
  }
  writeLock(expected: { readonly fence: Fence; readonly beats: number } | null, next: LockRow): Promise<boolean> {
    return this.#write((disk) => {
      const { lock } = disk;
      const holds =
        expected === null ? lock === undefined : lock !== undefined && lock.fence === expected.fence && lock.beats === expected.beats;
      if (holds) disk.lock = { ...next };
      return holds;
    });
  }

  dataVersion(): Promise<number> {
    return this.#read((disk) => disk.dataVersion(this.#connection));
  }
  checkIntegrity(): Promise<IntegrityReport> {
    return this.#read(() => ({ ok: true, problems: [] }));
  }
  compact(): Promise<void> {
    return this.#read(() => undefined);
  }
  sizeBytes(): Promise<number> {
    return this.#read((disk) => disk.sizeBytes());
  }
  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  #read<T>(effect: (disk: MemoryDisk) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedStore("memory"));
    try {
      return Promise.resolve(effect(this.#disk));
    } catch (error) {
      return Promise.reject(error);
    }
  }
  #write<T>(effect: (disk: MemoryDisk) => T): Promise<T> {
    return this.#read((disk) => disk.transaction(this.#connection, () => effect(disk)));
  }
}

function take<T>(rows: Iterable<T>, limit: number, matches: (row: T) => boolean): T[] {
  const taken: T[] = [];
  if (limit <= 0) return taken;
  for (const row of rows) {
    if (!matches(row)) continue;
    taken.push(row);
    if (taken.length >= limit) break;
  }
  return taken;
}

function present<T>(rows: readonly (T | undefined)[]): T[] {
  return rows.filter((row) => row !== undefined);
}
