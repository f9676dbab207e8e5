/**
 * The durable queue as a port: few tables of small rows, every call one atomic transaction, a resolved promise means "on disk".
 * A store decides nothing. It keeps rows, allocates `seq`, keeps counts, and refuses a change whose fence or revision is old.
 * What the rows mean is written in docs/reference/formats.md; who may move an operation where, in core/lifecycle.ts.
 */
declare const brand: unique symbol;

/** Position in the queue: assigned by the store, strictly increasing, never reused. The only thing that orders. */
export type Seq = number & { readonly [brand]: "Seq" };
/** Grows with every acquisition of the processing lock. */
export type Fence = number & { readonly [brand]: "Fence" };
/** Keyed hash of (space, principal), 16 hex digits: the partition that a row belongs to. */
export type AccountTag = string & { readonly [brand]: "AccountTag" };
/** Keyed hash of (account, entity type, entity id), 16 hex digits. */
export type EntityTag = string & { readonly [brand]: "EntityTag" };

/**
 * Where an operation stands when it has a state row. No row: `pending` when its seq is at or beyond the head of its
 * account's global lane, else settled.
 */
export const PHASES = [
  "ready",
  "blocked",
  "sealed",
  "acked",
  "failed",
  "parked",
  "conflict",
  "cancelled",
  "quarantined",
  "folded",
  "archived",
] as const;
export type Phase = (typeof PHASES)[number];

/** Kept, never scanned. `enqueued` = the sum of all the others, always (law Q1). */
export const COUNTERS = [
  "enqueued",
  "pending", // ready, blocked, or without a row
  "sealed", // sealed
  "succeeded", // incl. acked, folded, annihilated, superseded
  "failed", // failed
  "parked", // parked (counted with failed in the law)
  "archived", // archived (counted with failed in the law)
  "conflict",
  "cancelled",
  "quarantined",
] as const;
export type Counter = (typeof COUNTERS)[number];
export type Counts = Readonly<Record<Counter, number>>;

/** Immutable content of `count` operations of one account, packed and encrypted in one piece. Content of seq = seqFrom + index. */
export interface SegmentRow {
  readonly segmentId: string; // UUID
  readonly account: AccountTag;
  readonly seqFrom: Seq;
  readonly count: number;
  /** Operations of the segment that have not settled. The store drops the row when it reaches 0. */
  readonly live: number;
  readonly idMin: string;
  readonly idMax: string;
  /** One tag an operation, in order. */
  readonly entityTags: readonly EntityTag[];
  readonly body: Uint8Array;
}
export type NewSegment = Omit<SegmentRow, "seqFrom" | "live">;

/** Mutable state of one operation, small, written only when it changes. */
export interface StateRow {
  readonly seq: Seq;
  readonly account: AccountTag;
  readonly phase: Phase;
  readonly entityTag: EntityTag;
  /** The operation that this one waits for; 0 = none. */
  readonly blockedBy: Seq | 0;
  /** Epoch ms before which no try is made; 0 = now. */
  readonly dueAt: number;
  readonly attempts: number;
  readonly backoffMs: number;
  /** Server time (local + offset) of the first seal since the last definite "not applied"; 0 = never sent. */
  readonly firstSendAt: number;
  /** Number under global ordering; 0 = none. */
  readonly opNumber: number;
  /** Where the sealed bytes are; null = not sealed. */
  readonly packId: string | null;
  readonly packIndex: number;
  /** Epoch ms of the last change of phase. */
  readonly changedAt: number;
  /** Encrypted JSON `StateDetail`: key if not the first, history, superseded keys, last error. */
  readonly detail: Uint8Array | null;
}

/** Sealed bytes of the operations of one request, packed and encrypted in one piece. Dropped by the store when `live` reaches 0. */
export interface PackRow {
  readonly packId: string; // UUID
  readonly live: number;
  readonly body: Uint8Array;
}

/**
 * One row per lane with pending work. The lane "" is the account's global lane: `head` is the first seq that nobody has taken; under
 * entity ordering later ones may have been, and have rows. Other lanes are entity tags: `blockedBy` names the operation that holds
 * the entity back.
 */
export interface LaneRow {
  readonly account: AccountTag;
  readonly lane: EntityTag | "";
  readonly head: Seq;
  readonly dueAt: number;
  /** Failures in a row of whole requests: the exponent of the lane's backoff. */
  readonly failures: number;
  readonly blockedBy: Seq | 0;
}

/** Last own result per entity, and (with pull) its snapshot. */
export interface EntityRow {
  readonly account: AccountTag;
  readonly entityTag: EntityTag;
  readonly version: number;
  /** The own operation that produced `version`. */
  readonly lastSeq: Seq;
  /** The versions from this one up to `version` followed each other by own operations alone. */
  readonly chainFrom: number;
  readonly body: Uint8Array | null;
}

/** Verdicts of operations that settled together: success records (24 h) and receipts (30 days) in one. */
export interface ReceiptRow {
  readonly account: AccountTag;
  /** Smallest and largest seq and id inside: look-ups read only rows whose range contains what they look for. */
  readonly seqMin: Seq;
  readonly seqMax: Seq;
  readonly idMin: string;
  readonly idMax: string;
  readonly settledAt: number;
  /** Encrypted JSON array of `Receipt`. */
  readonly body: Uint8Array;
}

export interface AccountRow {
  readonly account: AccountTag;
  /** From 1. Grows with every `commit` that touches the account: the guard of compare-and-set. Appends do not change it. */
  readonly revision: number;
  readonly counts: Counts;
  /** Encrypted JSON `AccountDetail`: space, principal, client id, op number, handshake, clock offset. */
  readonly detail: Uint8Array | null;
}

export interface LockRow {
  readonly owner: string;
  readonly fence: Fence;
  readonly leaseId: string;
  /** Epoch ms, for display only. */
  readonly acquiredAt: number;
  readonly heartbeatAt: number;
  /** Grows with every heartbeat: staleness is this number unchanged for `staleMs` of the observer's monotonic clock. */
  readonly beats: number;
  /** Whether the owner also holds the fast lock: only then does getting that lock prove the owner dead. */
  readonly holdsFastLock: boolean;
  /** The lock was given back; the row stays for its fence. */
  readonly released: boolean;
}

export interface SeqRange {
  readonly from: Seq;
  /** Inclusive. */
  readonly to: Seq;
}

/** One atomic change. Everything in it happens, or nothing. Order of application: as the fields stand here. */
export interface StoreCommit {
  readonly account: AccountTag;
  /** Refused with `STALE_LOCK` unless it is the lock row's fence and lease, and the row is not released. */
  readonly fence?: { readonly fence: Fence; readonly leaseId: string };
  /** Refused with `{ ok: false }` unless it is the account's revision. 0 = there is no row yet: the commit creates it, and its global lane. */
  readonly expectRevision: number;
  readonly putAccountDetail?: Uint8Array;
  readonly putStates?: readonly StateRow[];
  readonly dropStates?: readonly Seq[];
  readonly putPacks?: readonly PackRow[];
  readonly releasePacks?: readonly { readonly packId: string; readonly count: number }[];
  /** Content no longer needed: `live` of the segments that contain these falls; a segment at 0 goes. */
  readonly settleContent?: readonly SeqRange[];
  readonly putLanes?: readonly LaneRow[];
  readonly dropLanes?: readonly (EntityTag | "")[];
  readonly putEntities?: readonly EntityRow[];
  readonly dropEntities?: readonly EntityTag[];
  readonly putReceipts?: readonly ReceiptRow[];
  readonly putMeta?: readonly { readonly key: string; readonly value: Uint8Array | null }[];
  readonly count?: Partial<Record<Counter, number>>;
}

export type CommitResult = { readonly ok: true; readonly revision: number } | { readonly ok: false; readonly revision: number };

export interface StatesQuery {
  readonly account: AccountTag;
  readonly phases?: readonly Phase[];
  readonly blockedBy?: Seq;
  readonly entityTag?: EntityTag;
  readonly seqs?: readonly Seq[];
  /** Rows with a greater seq, in order of seq. */
  readonly after?: Seq | 0;
  readonly upTo?: Seq;
  readonly limit: number;
}

export interface IntegrityReport {
  readonly ok: boolean;
  /** What the storage engine itself says; empty when ok. No content. */
  readonly problems: readonly string[];
}

export interface QueueStore {
  /** Identity of the queue file, made with it. */
  readonly storeId: string;
  /** Format version of the file (see docs/reference/formats.md). */
  readonly formatVersion: number;

  /**
   * Appends segments in order, all or none; assigns contiguous seqs; adds to `enqueued` and `pending` of the account
   * (creating the account row and its global lane). Rejects with `STORAGE_FULL`, `STORAGE_READ_ONLY`,
   * `STORAGE_UNAVAILABLE`, `STORAGE_CORRUPT` and leaves the queue as it was.
   */
  append(segments: readonly NewSegment[]): Promise<readonly Seq[]>;
  /** Rejects with `STALE_LOCK` (see `fence`) or a storage code; then nothing changed. */
  commit(change: StoreCommit): Promise<CommitResult>;

  readAccount(account: AccountTag): Promise<AccountRow | undefined>;
  listAccounts(): Promise<readonly AccountRow[]>;
  /** Segments that contain a seq >= `from`, in order, until `limit` segments. */
  readSegments(account: AccountTag, from: Seq, limit: number): Promise<readonly SegmentRow[]>;
  /** Segments whose id range contains `id` (ids are nearly ordered by seq, so few). */
  findSegments(account: AccountTag, id: string): Promise<readonly SegmentRow[]>;
  readStates(query: StatesQuery): Promise<readonly StateRow[]>;
  readPacks(packIds: readonly string[]): Promise<readonly PackRow[]>;
  readLanes(account: AccountTag, lanes?: readonly (EntityTag | "")[]): Promise<readonly LaneRow[]>;
  readEntities(account: AccountTag, entityTags: readonly EntityTag[]): Promise<readonly EntityRow[]>;
  /** In order of their tags, from the first one behind `after`, as many as asked for. */
  listEntities(account: AccountTag, after: EntityTag | "", limit: number): Promise<readonly EntityRow[]>;
  readReceipts(account: AccountTag, where: { readonly seqs: SeqRange } | { readonly id: string }): Promise<readonly ReceiptRow[]>;
  readMeta(key: string): Promise<Uint8Array | undefined>;
  /** Drops receipts settled before `before` (epoch ms), at most `limit` rows. Returns how many went. */
  purgeReceipts(before: number, limit: number): Promise<number>;

  readLock(): Promise<LockRow | undefined>;
  /** Compare-and-set on (fence, beats); `null` = there is no row. `relaxed` heartbeats may be lost by a power cut, never half written. */
  writeLock(expected: { readonly fence: Fence; readonly beats: number } | null, next: LockRow, relaxed?: boolean): Promise<boolean>;

  /** A number that changes when another connection wrote to the file. */
  dataVersion(): Promise<number>;
  checkIntegrity(): Promise<IntegrityReport>;
  /** Gives space back to the file system. */
  compact(): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface StoreNotice {
  readonly code: "KEY_FILE_CREATED" | "UNENCRYPTED" | "REPAIRED";
  readonly message: string;
}
