import type { Clock, QueueStore, SeededRandom, Transport } from "guardian-sync/testing";
import type { Exchange, HttpRequest } from "guardian-sync/testing";
import type { LockRow } from "../gated-store.ts";

/** What a mutant may know of the process whose ports it spoils. */
export interface MutantSurroundings {
  /** Counts the processes that ever ran on this device: one that starts again is a new one. */
  readonly generation: number;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** Survives the process, like a disk. */
  readonly memory: MutantMemory;
  readonly currentLock: () => LockRow | null;
  /** The next seq that the disk will give. */
  readonly nextSeq: () => number;
}

/** Shared by all processes of one device. */
export interface MutantMemory {
  /** Key → the generation that sent it first. */
  readonly firstSentBy: Map<string, number>;
  /** Key → the one that travels in its place. */
  readonly replaced: Map<string, string>;
  /** Entity → the key of its CREATE, and those of which it was sent more than once. */
  readonly triedCreates: Map<string, string>;
  readonly doubtful: Set<string>;
  promisedSeq: number;
  /** Of entities, as they were read last. */
  readonly bodies: Map<string, Uint8Array>;
}
export function newMemory(): MutantMemory {
  return { firstSentBy: new Map(), replaced: new Map(), triedCreates: new Map(), doubtful: new Set(), promisedSeq: 0, bodies: new Map() };
}

/** A deliberately wrong engine, made by spoiling what it stands on. The oracle must find it out. */
export interface Mutant {
  readonly name: string;
  /** What it does wrong, for the report. */
  readonly wrong: string;
  readonly store?: (inner: QueueStore, around: MutantSurroundings) => QueueStore;
  readonly transport?: (inner: Transport, around: MutantSurroundings) => Transport;
}

/** A store that does everything as the other one, but for `changes`. */
export function storeLike(inner: QueueStore, changes: Partial<QueueStore>): QueueStore {
  return new Proxy(inner, {
    get: (target, name) => {
      const changed: unknown = Reflect.get(changes, name);
      if (changed !== undefined) return changed;
      const own: unknown = Reflect.get(target, name);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

export function transportLike(inner: Transport, exchange: (request: HttpRequest) => Promise<Exchange>): Transport {
  return { exchange, close: () => inner.close() };
}
