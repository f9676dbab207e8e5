/**
 * The storage port in memory, for simulation and tests. Transactions run one after the other; nothing here waits for anything but
 * its own queue and hooks, so that equal inputs give equal runs.
 *
 * The durable state is a `MemoryDisk`, apart from the process that uses it: kill the storage, open another one on the same disk,
 * and what was committed is there and nothing else.
 */
import type { EpochMs } from "@guardian-sync/protocol";
import {
  type ChangeRow,
  type ClientRow,
  type EntityRef,
  type EntityRow,
  type LedgerRow,
  type Page,
  type ReadTx,
  refKey,
  type Scope,
  type SpaceRow,
  type Storage,
  StorageError,
  type WriteTx,
} from "../core/storage.ts";

interface SpaceData {
  row: SpaceRow;
  /** By `refKey`. */
  readonly entities: Map<string, EntityRow>;
  /** In order of seq. */
  readonly changes: ChangeRow[];
  /** By principal and key. */
  readonly ledger: Map<string, LedgerRow>;
  readonly clients: Map<string, ClientRow>;
}

/** The durable state at one moment. Opaque; give it back to `restore`. */
export interface MemorySnapshot {
  readonly spaces: ReadonlyMap<string, SpaceData>;
}

/** What survives a crash. */
export class MemoryDisk {
  #spaces = new Map<string, SpaceData>();

  snapshot(): MemorySnapshot {
    return { spaces: copy(this.#spaces) };
  }
  /** Puts the disk back to an earlier moment, as restoring a backup does. No storage may be open on it. */
  restore(snapshot: MemorySnapshot): void {
    this.#spaces = copy(snapshot.spaces);
  }
  /** For the storage only. */
  get spaces(): Map<string, SpaceData> {
    return this.#spaces;
  }
}

export interface CommitInfo {
  /** Counts the commits of this storage that wrote something, from 1. */
  readonly number: number;
}
/** Called around every commit that writes. A hook that throws is a crash at that point: the storage is dead from then on. */
export interface CommitHooks {
  /** A crash here: nothing of the transaction stays. */
  readonly beforeCommit?: (commit: CommitInfo) => void | Promise<void>;
  /** A crash here: the transaction stays, and nobody was told. */
  readonly afterCommit?: (commit: CommitInfo) => void | Promise<void>;
}

export interface MemoryStorageOptions {
  readonly disk?: MemoryDisk;
  readonly hooks?: CommitHooks;
}

export interface MemoryStorage extends Storage {
  readonly disk: MemoryDisk;
  /** Pulls the plug: an open transaction vanishes at once, every later call rejects. The disk can be opened again. */
  kill(): void;
}

export function memoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  return new Memory(options.disk ?? new MemoryDisk(), options.hooks ?? {});
}

class Memory implements MemoryStorage {
  readonly disk: MemoryDisk;
  readonly #hooks: CommitHooks;
  #queue: Promise<unknown> = Promise.resolve();
  #open: MemoryTx | null = null;
  #ended: "closed" | "killed" | null = null;
  #commits = 0;

  constructor(disk: MemoryDisk, hooks: CommitHooks) {
    this.disk = disk;
    this.#hooks = hooks;
  }

  read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const tx = new MemoryTx(this.disk.spaces);
      try {
        return await work(tx);
      } finally {
        tx.rollback();
      }
    });
  }

  write<T>(work: (tx: WriteTx) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const tx = new MemoryTx(this.disk.spaces);
      this.#open = tx;
      try {
        const value = await work(tx);
        this.#refuseDead();
        if (tx.wrote) await this.#commit(tx);
        return value;
      } finally {
        tx.rollback();
        this.#open = null;
      }
    });
  }

  kill(): void {
    this.#ended = "killed";
    this.#open?.rollback();
  }

  async close(): Promise<void> {
    const running = this.#queue;
    this.#ended ??= "closed";
    await running;
  }

  async #commit(tx: MemoryTx): Promise<void> {
    const info = { number: ++this.#commits };
    try {
      await this.#hooks.beforeCommit?.(info);
      this.#refuseDead();
      tx.commit();
      await this.#hooks.afterCommit?.(info);
    } catch (error) {
      this.kill();
      throw error;
    }
    this.#refuseDead();
  }

  #inTurn<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#ended !== null) return Promise.reject(ended(this.#ended));
    const turn = this.#queue.then(() => {
      this.#refuseDead();
      return perform();
    });
    this.#queue = turn.then(ignore, ignore);
    return turn;
  }

  #refuseDead(): void {
    if (this.#ended === "killed") throw ended("killed");
  }
}

/** Writes go to the disk at once and leave a note how to undo them; commit throws the notes away. */
class MemoryTx implements WriteTx {
  readonly sql = null;
  readonly #spaces: Map<string, SpaceData>;
  #undo: (() => void)[] = [];
  #isOpen = true;

  constructor(spaces: Map<string, SpaceData>) {
    this.#spaces = spaces;
  }

  get wrote(): boolean {
    return this.#undo.length > 0;
  }
  commit(): void {
    this.#undo = [];
    this.#isOpen = false;
  }
  rollback(): void {
    this.#undoTo(0);
    this.#isOpen = false;
  }

  async space(id: string): Promise<SpaceRow | null> {
    return this.#find(id)?.row ?? null;
  }
  async spaces({ after, limit }: Page<string>): Promise<readonly string[]> {
    this.#check();
    return [...this.#spaces.keys()]
      .filter((id) => id > after)
      .toSorted()
      .slice(0, limit);
  }
  async entity(space: string, ref: EntityRef): Promise<EntityRow | null> {
    return this.#find(space)?.entities.get(refKey(ref)) ?? null;
  }
  async entitiesOfType(space: string, type: string, { after, limit }: Page<string>): Promise<readonly EntityRow[]> {
    return this.#live(space, (row) => row.type === type && row.id > after, limit);
  }
  async entities(space: string, { after, limit }: Page<EntityRef | null>): Promise<readonly EntityRow[]> {
    const from = after === null ? "" : refKey(after);
    return this.#live(space, (_, key) => key > from, limit);
  }
  async changes(space: string, { after, limit }: Page<number>): Promise<readonly ChangeRow[]> {
    const changes = this.#find(space)?.changes ?? [];
    const start = firstAbove(changes, after);
    return changes.slice(start, start + limit);
  }
  async ledger(scope: Scope, keys: readonly string[]): Promise<ReadonlyMap<string, LedgerRow>> {
    const rows = this.#find(scope.space)?.ledger;
    const found = new Map<string, LedgerRow>();
    for (const key of keys) {
      const row = rows?.get(ledgerKey(scope, key));
      if (row !== undefined) found.set(key, row);
    }
    return found;
  }
  async client(space: string, id: string): Promise<ClientRow | null> {
    return this.#find(space)?.clients.get(id) ?? null;
  }
  async countLedger(before: EpochMs): Promise<{ ledgerRows: number; staleRows: number }> {
    this.#check();
    let ledgerRows = 0;
    let staleRows = 0;
    for (const { ledger } of this.#spaces.values()) {
      ledgerRows += ledger.size;
      for (const row of ledger.values()) if (row.at < before) staleRows++;
    }
    return { ledgerRows, staleRows };
  }

  async createSpace(row: SpaceRow): Promise<void> {
    if (this.#find(row.id) !== null) return;
    const data = { row, entities: new Map(), changes: [], ledger: new Map(), clients: new Map() };
    this.#put(this.#spaces, row.id, data);
  }
  /** Transactions run one after the other, so nobody else can hold a key. */
  claimKeys(scope: Scope, keys: readonly string[]): Promise<ReadonlyMap<string, LedgerRow>> {
    return this.ledger(scope, keys);
  }
  async putLedger(scope: Scope, rows: readonly LedgerRow[]): Promise<void> {
    const { ledger } = this.#get(scope.space);
    for (const row of rows) this.#put(ledger, ledgerKey(scope, row.key), row);
  }
  async releaseKeys(): Promise<void> {
    this.#check();
  }
  lockClient(space: string, id: string): Promise<ClientRow | null> {
    return this.client(space, id);
  }
  async putClient(space: string, row: ClientRow): Promise<void> {
    this.#put(this.#get(space).clients, row.id, row);
  }
  async lockEntities(space: string, refs: readonly EntityRef[]): Promise<ReadonlyMap<string, EntityRow>> {
    const rows = this.#find(space)?.entities;
    const found = new Map<string, EntityRow>();
    for (const ref of refs) {
      const row = rows?.get(refKey(ref));
      if (row !== undefined) found.set(refKey(ref), row);
    }
    return found;
  }
  async putEntities(space: string, rows: readonly EntityRow[]): Promise<void> {
    const { entities } = this.#get(space);
    for (const row of rows) this.#put(entities, refKey(row), row);
  }
  async dropEntities(space: string, refs: readonly EntityRef[]): Promise<void> {
    const { entities } = this.#get(space);
    for (const ref of refs) this.#delete(entities, refKey(ref));
  }
  async advanceHead(space: string, count: number): Promise<number> {
    const { row } = this.#get(space);
    this.#setSpace(space, { ...row, headSeq: row.headSeq + count });
    return row.headSeq + 1;
  }
  async appendChanges(space: string, rows: readonly ChangeRow[]): Promise<void> {
    const { changes } = this.#get(space);
    const length = changes.length;
    changes.push(...rows);
    this.#undo.push(() => changes.splice(length));
  }
  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    this.#check();
    const mark = this.#undo.length;
    try {
      return await work();
    } catch (error) {
      this.#undoTo(mark);
      throw error;
    }
  }

  async expireResponses(space: string, before: EpochMs, limit: number): Promise<number> {
    const { ledger } = this.#get(space);
    const old = [...ledger].filter(([, row]) => row.response !== null && row.at < before).slice(0, limit);
    for (const [key, row] of old) this.#put(ledger, key, { ...row, response: null });
    return old.length;
  }
  async expireLedger(space: string, before: EpochMs, limit: number): Promise<number> {
    return this.#expire(this.#get(space).ledger, (row) => row.at < before, limit);
  }
  async expireChanges(space: string, before: EpochMs, limit: number): Promise<number> {
    const { changes, row } = this.#get(space);
    let count = 0;
    while (count < limit && count < changes.length && (changes[count] as ChangeRow).at < before) count++;
    if (count === 0) return 0;
    while (changes[count]?.txn === changes[count - 1]?.txn) count++;
    const gone = changes.splice(0, count);
    this.#undo.push(() => changes.unshift(...gone));
    this.#setSpace(space, { ...row, floorSeq: (gone.at(-1) as ChangeRow).seq });
    return count;
  }
  async expireTombstones(space: string, before: EpochMs, limit: number): Promise<number> {
    const { entities, row: spaceRow } = this.#get(space);
    return this.#expire(entities, (row) => row.deleted && row.updatedAt < before && row.seq <= spaceRow.floorSeq, limit);
  }
  async expireClients(space: string, before: EpochMs, limit: number): Promise<number> {
    return this.#expire(this.#get(space).clients, (row) => row.lastSeenAt < before, limit);
  }
  async renewSpace(space: string, generation: string, knownSince: EpochMs): Promise<void> {
    this.#setSpace(space, { ...this.#get(space).row, generation, knownSince });
  }

  #expire<Row>(rows: Map<string, Row>, isOld: (row: Row) => boolean, limit: number): number {
    const old = [...rows].filter(([, row]) => isOld(row)).slice(0, limit);
    for (const [key] of old) this.#delete(rows, key);
    return old.length;
  }
  #live(space: string, wanted: (row: EntityRow, key: string) => boolean, limit: number): readonly EntityRow[] {
    const rows: [string, EntityRow][] = [];
    for (const [key, row] of this.#find(space)?.entities ?? []) if (!row.deleted && wanted(row, key)) rows.push([key, row]);
    rows.sort(([a], [b]) => (a < b ? -1 : 1));
    return rows.slice(0, limit).map(([, row]) => row);
  }
  #setSpace(id: string, row: SpaceRow): void {
    const data = this.#get(id);
    const before = data.row;
    data.row = row;
    this.#undo.push(() => {
      data.row = before;
    });
  }
  #put<Row>(rows: Map<string, Row>, key: string, row: Row): void {
    this.#check();
    const before = rows.get(key);
    rows.set(key, row);
    this.#undo.push(() => (before === undefined ? rows.delete(key) : rows.set(key, before)));
  }
  #delete<Row>(rows: Map<string, Row>, key: string): void {
    this.#check();
    const before = rows.get(key);
    if (before === undefined) return;
    rows.delete(key);
    this.#undo.push(() => rows.set(key, before));
  }
  #undoTo(mark: number): void {
    while (this.#undo.length > mark) this.#undo.pop()?.();
  }
  #find(id: string): SpaceData | null {
    this.#check();
    return this.#spaces.get(id) ?? null;
  }
  #get(id: string): SpaceData {
    const data = this.#find(id);
    if (data === null) throw new TypeError(`space ${JSON.stringify(id)} does not exist; create it first`);
    return data;
  }
  #check(): void {
    if (!this.#isOpen) throw new StorageError("STORAGE_UNAVAILABLE", "this transaction has ended; do not use it after its work returned");
  }
}

function copy(spaces: ReadonlyMap<string, SpaceData>): Map<string, SpaceData> {
  const result = new Map<string, SpaceData>();
  for (const [id, { row, entities, changes, ledger, clients }] of spaces) {
    result.set(id, { row, entities: new Map(entities), changes: [...changes], ledger: new Map(ledger), clients: new Map(clients) });
  }
  return result;
}

function ledgerKey({ principal }: Scope, key: string): string {
  return `${principal}\u0000${key}`;
}

/** Index of the first change whose seq is above `seq`. */
function firstAbove(changes: readonly ChangeRow[], seq: number): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((changes[middle] as ChangeRow).seq > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}

function ended(how: "closed" | "killed"): StorageError {
  return new StorageError("STORAGE_UNAVAILABLE", `the memory storage was ${how}`);
}

function ignore(): void {}
