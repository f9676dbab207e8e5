/**
 * The storage port in memory, for simulation and tests. Transactions run one after the other; nothing here waits for anything but
 * its own queue and hooks, so that equal inputs give equal runs.
 *
 * The durable state is a `MemoryDisk`, apart from the process that uses it: kill the storage, open another one on the same disk,
 * and what was committed is there and nothing else.
 */
import { type ReadTx, type Storage, StorageError, type WriteTx } from "../core/storage.ts";
import { MemoryTx, type SpaceData } from "./memory-tx.ts";

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

function copy(spaces: ReadonlyMap<string, SpaceData>): Map<string, SpaceData> {
  const result = new Map<string, SpaceData>();
  for (const [id, { row, entities, changes, ledger, clients }] of spaces) {
    result.set(id, { row, entities: new Map(entities), changes: [...changes], ledger: new Map(ledger), clients: new Map(clients) });
  }
  return result;
}

function ended(how: "closed" | "killed"): StorageError {
  return new StorageError("STORAGE_UNAVAILABLE", `the memory storage was ${how}`);
}

function ignore(): void {}
