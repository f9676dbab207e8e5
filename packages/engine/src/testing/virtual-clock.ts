import type { EpochMs } from "@guardian-sync/protocol";
import type { Clock, MonotonicMs } from "../ports/index.ts";

const MAX_DELAY_MS = 2 ** 31 - 1;
/** Turns of the event loop are dear, so many immediates are kept waiting; each still gets its own round of microtasks. */
const IMMEDIATES = 16;

interface Entry {
  readonly atMs: number;
  readonly order: number;
  /** null: cancelled. */
  task: (() => void) | null;
}

/**
 * Virtual time: tasks in the order of their moment, then of their insertion. Each runs in a real macrotask of its own, so that
 * everything that promises set off has come to rest before the next one. Nothing waits for real time.
 */
export class Timeline {
  readonly #heap: Entry[] = [];
  #nowMs = 0;
  #inserted = 0;
  #waiting = 0;
  #outside = 0;

  /** Milliseconds since the timeline began. Never goes back. */
  get nowMs(): number {
    return this.#nowMs;
  }
  /** Tasks that wait, cancelled ones not counted. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `task` after `delayMs`; tasks of one moment run in the order of these calls. Returns its cancellation. */
  after(delayMs: number, task: () => void): () => void {
    if (!(delayMs >= 0)) throw new RangeError(`delayMs must be >= 0, got ${delayMs}`);
    const entry: Entry = { atMs: this.#nowMs + delayMs, order: this.#inserted++, task };
    this.#push(entry);
    this.#waiting += 1;
    return () => {
      if (entry.task === null) return;
      entry.task = null;
      this.#waiting -= 1;
    };
  }

  /** Time stands still until `work`, which takes real time, has settled. Resolves and rejects as it does. */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#outside += 1;
    try {
      return await work;
    } finally {
      this.#outside -= 1;
    }
  }

  /** Moves time on by `durationMs` and runs what falls due on the way. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.run({ untilMs: endMs });
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /**
   * Runs tasks until none waits, the next one lies beyond `untilMs`, or `stop` says so (asked before each task, after everything
   * that the last one set off). Rejects with what a task throws.
   */
  run(limits: { readonly untilMs?: number; readonly stop?: () => boolean } = {}): Promise<void> {
    const { untilMs = Number.POSITIVE_INFINITY, stop } = limits;
    return new Promise((resolve, reject) => {
      let hasEnded = false;
      const step = (): void => {
        if (hasEnded) return;
        if (this.#outside > 0) {
          setImmediate(step);
          return;
        }
        try {
          const isOver = stop?.() === true;
          const task = isOver ? undefined : this.#take(untilMs);
          if (task === undefined) {
            hasEnded = true;
            resolve();
            return;
          }
          task();
        } catch (error) {
          hasEnded = true;
          reject(error);
          return;
        }
        setImmediate(step);
      };
      for (let i = 0; i < IMMEDIATES; i++) setImmediate(step);
    });
  }

  /** Takes the next task and moves time to it. */
  #take(untilMs: number): (() => void) | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return undefined;
      if (first.task !== null && first.atMs > untilMs) return undefined;
      this.#pop();
      if (first.task === null) continue;
      this.#nowMs = first.atMs;
      this.#waiting -= 1;
      const { task } = first;
      first.task = null;
      return task;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[i] = heap[parent] as Entry;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * A clock on a timeline. Its wall time can be set, as people and time servers do; its monotonic time cannot. Several clocks may
 * share one timeline: the devices of one world.
 */
export class VirtualClock implements Clock {
  readonly timeline: Timeline;
  #wallOffsetMs: number;

  constructor(options: { readonly timeline?: Timeline; readonly startMs?: EpochMs | number } = {}) {
    this.timeline = options.timeline ?? new Timeline();
    this.#wallOffsetMs = (options.startMs ?? Date.UTC(2026, 0, 1)) - this.timeline.nowMs;
  }

  now(): EpochMs {
    return Math.floor(this.timeline.nowMs + this.#wallOffsetMs) as EpochMs;
  }
  monotonic(): MonotonicMs {
    return this.timeline.nowMs as MonotonicMs;
  }
  schedule(delayMs: number, task: () => void): () => void {
    return this.timeline.after(Math.min(Math.max(delayMs, 0), MAX_DELAY_MS), task);
  }
  defer(task: () => void): void {
    this.timeline.after(0, task);
  }

  /** Sets the wall clock forward or back. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
  /** Moves time on and runs what falls due on the way. */
  advance(durationMs: number): Promise<void> {
    return this.timeline.advance(durationMs);
  }
}
