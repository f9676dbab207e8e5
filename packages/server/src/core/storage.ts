/**
 * The storage port: what the server needs from a database. Every row and every key begins with the space, so that one space
 * never reads another's and a cluster can shard by it. Rows are immutable values; a write replaces a row.
 *
 * Methods take sets, not single rows: on a database behind a network each call is one round trip.
 */
import type { ChangeKind, EpochMs, JsonObject, OperationResult } from "@guardian-sync/protocol";

/** Whose ledger: idempotency keys of one principal say nothing to another. */
export interface Scope {
  readonly space: string;
  readonly principal: string;
}

export interface EntityRef {
  readonly type: string;
  readonly id: string;
}

export interface SpaceRow {
  readonly id: string;
  /** Changes when history was lost or rewritten (a restored backup); cursors of an older one are refused. */
  readonly generation: string;
  readonly headSeq: number;
  /** Changes at and below it are no longer kept. */
  readonly floorSeq: number;
  /** Since when the ledger is complete: nothing is known about keys sent earlier. */
  readonly knownSince: EpochMs;
}

export interface EntityRow extends EntityRef {
  readonly version: number;
  readonly seq: number;
  readonly deleted: boolean;
  /** As served, server-owned fields included; null for a tombstone. */
  readonly document: JsonObject | null;
  readonly lastOperationId: string | null;
  readonly updatedAt: EpochMs;
  readonly updatedBy: string;
}

export interface ChangeRow {
  readonly seq: number;
  /** The first seq of the transaction that made it. */
  readonly txn: number;
  readonly kind: ChangeKind;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly document: JsonObject | null;
  readonly clientId: string | null;
  readonly operationId: string | null;
  readonly at: EpochMs;
}

export type StoredOutcome = "applied" | "noop" | "rejected" | "cancelled";

export interface LedgerRow {
  readonly key: string;
  /** Null on the marker of a key that was cancelled before anything under it arrived: it matches every copy. */
  readonly fingerprint: string | null;
  readonly outcome: StoredOutcome;
  readonly status: number;
  readonly code: string | null;
  readonly entityType: string | null;
  readonly entityId: string | null;
  /** The entity's version after the operation. */
  readonly version: number | null;
  readonly commitSeq: number | null;
  /** The answer to replay, while the replay window lasts. */
  readonly response: OperationResult | null;
  readonly at: EpochMs;
}

export interface ClientRow {
  readonly id: string;
  readonly principal: string;
  /** The last `op_number` consumed; 0 before the first. */
  readonly lastOpNumber: number;
  readonly fence: number;
  readonly lease: string | null;
  readonly acknowledgedSeq: number;
  readonly lastSeenAt: EpochMs;
}

/** SQL on the team's own tables, inside the server's transaction. Parameters are bound, never spliced. */
export interface TeamSql {
  run(sql: string, parameters?: readonly SqlValue[]): Promise<{ readonly changes: number }>;
  get(sql: string, parameters?: readonly SqlValue[]): Promise<SqlRow | undefined>;
  all(sql: string, parameters?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
}
export type SqlValue = null | number | bigint | string | Uint8Array;
export interface SqlRow {
  readonly [column: string]: SqlValue;
}

export interface Page<After> {
  readonly after: After;
  readonly limit: number;
}

/** One consistent view of committed data. */
export interface ReadTx {
  space(id: string): Promise<SpaceRow | null>;
  /** Space ids in order. */
  spaces(page: Page<string>): Promise<readonly string[]>;
  /** Tombstones included. */
  entity(space: string, ref: EntityRef): Promise<EntityRow | null>;
  /** Live entities of one type, by id. */
  entitiesOfType(space: string, type: string, page: Page<string>): Promise<readonly EntityRow[]>;
  /** Live entities of all types, by (type, id); `after` null starts. */
  entities(space: string, page: Page<EntityRef | null>): Promise<readonly EntityRow[]>;
  /** Changes with a seq above `after`, in order. */
  changes(space: string, page: Page<number>): Promise<readonly ChangeRow[]>;
  ledger(scope: Scope, keys: readonly string[]): Promise<ReadonlyMap<string, LedgerRow>>;
  client(space: string, id: string): Promise<ClientRow | null>;
  /** Rows of the ledger over all spaces, and those of them older than `before`. Reads an index from end to end: not for every request. */
  countLedger(before: EpochMs): Promise<{ readonly ledgerRows: number; readonly staleRows: number }>;
  readonly sql: TeamSql | null;
}

/**
 * One write transaction. Locks are taken in the order of the methods here (keys, client, entities, head) and callers pass sorted
 * sets, so that two transactions never wait for each other in a circle.
 */
export interface WriteTx extends ReadTx {
  /** Inserts the space unless it exists. */
  createSpace(row: SpaceRow): Promise<void>;
  /**
   * Takes the ledger's keys: waits for a transaction that holds one of them, then returns the rows that exist. Until this
   * transaction ends no other one can decide any of these keys. `keys` are sorted and distinct.
   */
  claimKeys(scope: Scope, keys: readonly string[]): Promise<ReadonlyMap<string, LedgerRow>>;
  /** Writes the outcome of claimed keys. */
  putLedger(scope: Scope, rows: readonly LedgerRow[]): Promise<void>;
  /** Gives back claimed keys that got no outcome: they are unknown again. */
  releaseKeys(scope: Scope, keys: readonly string[]): Promise<void>;
  lockClient(space: string, id: string): Promise<ClientRow | null>;
  putClient(space: string, row: ClientRow): Promise<void>;
  /** Locks the entities, absent ones too, and returns those that exist by `refKey`. `refs` are sorted and distinct. */
  lockEntities(space: string, refs: readonly EntityRef[]): Promise<ReadonlyMap<string, EntityRow>>;
  putEntities(space: string, rows: readonly EntityRow[]): Promise<void>;
  /** Forgets the entities, without a tombstone. */
  dropEntities(space: string, refs: readonly EntityRef[]): Promise<void>;
  /** Takes the next `count` seqs and returns the first. The last lock taken: it serialises the space until commit. */
  advanceHead(space: string, count: number): Promise<number>;
  appendChanges(space: string, rows: readonly ChangeRow[]): Promise<void>;
  /** Runs `work`; if it throws, what it wrote is undone and the error passed on. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;

  // Upkeep: each removes at most `limit` rows older than `before` and returns how many.
  expireResponses(space: string, before: EpochMs, limit: number): Promise<number>;
  expireLedger(space: string, before: EpochMs, limit: number): Promise<number>;
  /** From the oldest on, up to the first that is young enough, whole transactions only; raises the floor. */
  expireChanges(space: string, before: EpochMs, limit: number): Promise<number>;
  /** Only tombstones whose change has left the feed. */
  expireTombstones(space: string, before: EpochMs, limit: number): Promise<number>;
  expireClients(space: string, before: EpochMs, limit: number): Promise<number>;
  /** After a restore: a new generation, and nothing is known about the time before `knownSince`. */
  renewSpace(space: string, generation: string, knownSince: EpochMs): Promise<void>;
}

/** What a storage may borrow from its host. */
export interface StorageHost {
  /** Resolves after the event loop has taken in what is waiting, so that a group commit meets its companions. */
  nextTurn(): Promise<void>;
}

export interface Storage {
  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T>;
  /**
   * Runs `work` in one transaction. Resolved means on disk; rejected means that nothing of it stays, except when the commit itself
   * failed without an answer. What `work` throws is passed on.
   */
  write<T>(work: (tx: WriteTx) => Promise<T>): Promise<T>;
  attach?(host: StorageHost): void;
  /** Waits for running transactions; later ones reject. */
  close(): Promise<void>;
}

export type StorageErrorCode = "STORAGE_FULL" | "STORAGE_READ_ONLY" | "STORAGE_UNAVAILABLE" | "STORAGE_CORRUPT" | "STORE_NEWER";

/** The database failed, not the operation: nothing was decided, the caller may try again. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One string for a reference; NUL cannot occur in a type. Sorts by type, then id. */
export function refKey(ref: EntityRef): string {
  return `${ref.type}\u0000${ref.id}`;
}

/** Sorted by (type, id), without repetitions: the order in which every transaction locks. */
export function sortedRefs(refs: Iterable<EntityRef>): readonly EntityRef[] {
  const byKey = new Map<string, EntityRef>();
  for (const ref of refs) byKey.set(refKey(ref), ref);
  return [...byKey.keys()].toSorted().map((key) => byKey.get(key) as EntityRef);
}
