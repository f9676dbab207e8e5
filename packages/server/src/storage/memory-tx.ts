/** One transaction on the memory storage's disk. */
import type { EpochMs } from "@guardian-sync/protocol";
import {
  type ChangeRow,
  type ClientRow,
  type EntityRef,
  type EntityRow,
  type LedgerRow,
  type Page,
  refKey,
  type Scope,
  type SpaceRow,
  StorageError,
  type WriteTx,
} from "../core/storage.ts";

/** All rows of one space. */
export interface SpaceData {
  row: SpaceRow;
  /** By `refKey`. */
  readonly entities: Map<string, EntityRow>;
  /** In order of seq. */
  readonly changes: ChangeRow[];
  /** By principal and key. */
  readonly ledger: Map<string, LedgerRow>;
  readonly clients: Map<string, ClientRow>;
}

/** Writes go to the disk at once and leave a note how to undo them; commit throws the notes away. */
export class MemoryTx implements WriteTx {
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
