/** Takes changes back, last one first. */
export class UndoLog {
  #steps: (() => void)[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }
  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }
  forget(): void {
    this.#steps = [];
  }
  rollBack(): void {
    for (const step of this.#steps.reverse()) step();
    this.#steps = [];
  }
}

/** Rows by key. A change can be taken back until the transaction around it has ended. */
export class MemoryTable<K, V> {
  readonly #undo: UndoLog;
  #rows = new Map<K, V>();

  constructor(undo: UndoLog) {
    this.#undo = undo;
  }

  get(key: K): V | undefined {
    return this.#rows.get(key);
  }
  values(): IterableIterator<V> {
    return this.#rows.values();
  }
  set(key: K, value: V): void {
    const before = this.#rows.get(key);
    this.#undo.add(before === undefined ? () => this.#rows.delete(key) : () => this.#rows.set(key, before));
    this.#rows.set(key, value);
  }
  delete(key: K): void {
    const before = this.#rows.get(key);
    if (before === undefined) return;
    this.#undo.add(() => this.#rows.set(key, before));
    this.#rows.delete(key);
  }
  /** Rows are never changed in place, so they may be shared. */
  copyFrom(other: MemoryTable<K, V>): void {
    this.#rows = new Map(other.#rows);
  }
}

/** Rows in the order of a number. */
export class OrderedTable<V> {
  readonly #undo: UndoLog;
  #rows = new Map<number, V>();
  #order: number[] = [];

  constructor(undo: UndoLog) {
    this.#undo = undo;
  }

  get(key: number): V | undefined {
    return this.#rows.get(key);
  }
  *entries(): Generator<[number, V]> {
    for (const key of this.#order) yield [key, this.#rows.get(key) as V];
  }
  /** Rows with a key >= `from`, in order. */
  *from(from: number): Generator<V> {
    for (let i = this.#position(from); i < this.#order.length; i++) yield this.#rows.get(this.#order[i] as number) as V;
  }
  /** The row with the greatest key <= `key`. */
  atOrBefore(key: number): V | undefined {
    const found = this.#order[this.#position(key + 1) - 1];
    return found === undefined ? undefined : this.#rows.get(found);
  }
  set(key: number, value: V): void {
    const before = this.#rows.get(key);
    this.#undo.add(before === undefined ? () => this.#remove(key) : () => this.#rows.set(key, before));
    this.#put(key, value);
  }
  delete(key: number): void {
    const before = this.#rows.get(key);
    if (before === undefined) return;
    this.#undo.add(() => this.#put(key, before));
    this.#remove(key);
  }
  copyFrom(other: OrderedTable<V>): void {
    this.#rows = new Map(other.#rows);
    this.#order = [...other.#order];
  }

  #put(key: number, value: V): void {
    if (!this.#rows.has(key)) {
      if (this.#order.length === 0 || (this.#order.at(-1) as number) < key) this.#order.push(key);
      else this.#order.splice(this.#position(key), 0, key);
    }
    this.#rows.set(key, value);
  }
  #remove(key: number): void {
    this.#rows.delete(key);
    this.#order.splice(this.#position(key), 1);
  }
  /** Of the first key >= `key`. */
  #position(key: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
