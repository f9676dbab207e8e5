import { type SyncErrorCode, SyncError } from "@guardian-sync/protocol";
import type { ProcessGate, QueueStore, SeededRandom } from "guardian-sync/testing";

type Args<K extends keyof QueueStore> = QueueStore[K] extends (...args: infer A) => unknown ? A : never;
type Result<K extends keyof QueueStore> = QueueStore[K] extends (...args: never[]) => Promise<infer R> ? R : never;
export type NewSegments = Args<"append">[0];
export type Change = Args<"commit">[0];
export type LockRow = Args<"writeLock">[1];
export type Seqs = Result<"append">;

/** Hears of every change at the moment at which it is on the disk, before its author does. */
interface StoreTap {
  /** At most `limit` rows are asked for. */
  read(call: string, limit: number): void;
  appended(segments: NewSegments, seqs: Seqs): void;
  committed(change: Change, result: Result<"commit">): void;
  lockWritten(next: LockRow): void;
  /** Storage failed on purpose; nothing was written. */
  refused(call: string, code: SyncErrorCode): void;
}

export interface GatedStoreOptions {
  readonly gate: ProcessGate;
  readonly random: SeededRandom;
  readonly tap: StoreTap;
  /** Whether the next write finds the disk full or away. */
  readonly writeFault: () => SyncErrorCode | null;
}

/** A store behind a process's gate: every call is an event, and a place to die. */
export class GatedStore implements QueueStore {
  readonly #inner: QueueStore;
  readonly #options: GatedStoreOptions;

  constructor(inner: QueueStore, options: GatedStoreOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  get storeId(): string {
    return this.#inner.storeId;
  }
  get formatVersion(): number {
    return this.#inner.formatVersion;
  }

  append(segments: NewSegments): Promise<Seqs> {
    return this.#write("append", async () => {
      const seqs = await this.#inner.append(segments);
      this.#options.tap.appended(segments, seqs);
      return seqs;
    });
  }
  commit(change: Change): Promise<Result<"commit">> {
    return this.#write("commit", async () => {
      const result = await this.#inner.commit(change);
      this.#options.tap.committed(change, result);
      return result;
    });
  }
  writeLock(...args: Args<"writeLock">): Promise<boolean> {
    return this.#write("writeLock", async () => {
      const isWritten = await this.#inner.writeLock(...args);
      if (isWritten) this.#options.tap.lockWritten(args[1]);
      return isWritten;
    });
  }
  purgeReceipts(...args: Args<"purgeReceipts">): Promise<number> {
    return this.#write("purgeReceipts", () => this.#inner.purgeReceipts(...args));
  }
  compact(): Promise<void> {
    return this.#write("compact", () => this.#inner.compact());
  }

  readAccount(...args: Args<"readAccount">): Promise<Result<"readAccount">> {
    return this.#read("readAccount", () => this.#inner.readAccount(...args));
  }
  listAccounts(): Promise<Result<"listAccounts">> {
    return this.#read("listAccounts", () => this.#inner.listAccounts());
  }
  readSegments(...args: Args<"readSegments">): Promise<Result<"readSegments">> {
    this.#options.tap.read("readSegments", args[2]);
    return this.#read("readSegments", () => this.#inner.readSegments(...args));
  }
  findSegments(...args: Args<"findSegments">): Promise<Result<"findSegments">> {
    return this.#read("findSegments", () => this.#inner.findSegments(...args));
  }
  readStates(...args: Args<"readStates">): Promise<Result<"readStates">> {
    this.#options.tap.read("readStates", args[0].limit);
    return this.#read("readStates", () => this.#inner.readStates(...args));
  }
  readPacks(...args: Args<"readPacks">): Promise<Result<"readPacks">> {
    return this.#read("readPacks", () => this.#inner.readPacks(...args));
  }
  readLanes(...args: Args<"readLanes">): Promise<Result<"readLanes">> {
    return this.#read("readLanes", () => this.#inner.readLanes(...args));
  }
  readEntities(...args: Args<"readEntities">): Promise<Result<"readEntities">> {
    return this.#read("readEntities", () => this.#inner.readEntities(...args));
  }
  listEntities(...args: Args<"listEntities">): Promise<Result<"listEntities">> {
    return this.#read("listEntities", () => this.#inner.listEntities(...args));
  }
  readReceipts(...args: Args<"readReceipts">): Promise<Result<"readReceipts">> {
    return this.#read("readReceipts", () => this.#inner.readReceipts(...args));
  }
  readMeta(...args: Args<"readMeta">): Promise<Result<"readMeta">> {
    return this.#read("readMeta", () => this.#inner.readMeta(...args));
  }
  readLock(): Promise<Result<"readLock">> {
    return this.#read("readLock", () => this.#inner.readLock());
  }
  dataVersion(): Promise<number> {
    return this.#read("dataVersion", () => this.#inner.dataVersion());
  }
  checkIntegrity(): Promise<Result<"checkIntegrity">> {
    return this.#read("checkIntegrity", () => this.#inner.checkIntegrity());
  }
  sizeBytes(): Promise<number> {
    return this.#read("sizeBytes", () => this.#inner.sizeBytes());
  }
  close(): Promise<void> {
    return this.#read("close", () => this.#inner.close());
  }

  #read<T>(name: string, effect: () => Promise<T>): Promise<T> {
    return this.#options.gate.call(`store.${name}`, 0, 0, effect);
  }

  #write<T>(name: string, effect: () => Promise<T>): Promise<T> {
    const { gate, random, tap, writeFault } = this.#options;
    const delayMs = random.chance(0.02) ? random.between(50, 2000) : random.between(0.1, 4);
    const backMs = random.chance(0.1) ? random.between(0, 5) : 0;
    return gate.call(`store.${name}`, delayMs, backMs, () => {
      const code = writeFault();
      if (code === null) return effect();
      tap.refused(name, code);
      return Promise.reject(new SyncError(code, `simulated ${code}`, { retryable: true }));
    });
  }
}
