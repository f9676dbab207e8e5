/** Time that stands until it is moved. */
import type { EpochMs } from "@guardian-sync/protocol";
import type { Timer } from "../ports.ts";

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
}

export class ManualTimer implements Timer {
  #nowMs: number;
  #order = 0;
  #entries: Entry[] = [];

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }
  now(): EpochMs {
    return this.#nowMs as EpochMs;
  }
  get waiting(): number {
    return this.#entries.length;
  }
  schedule(delayMs: number, fn: () => void): () => void {
    const entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fn };
    this.#entries.push(entry);
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }
  /** Moves time on and calls what falls due, in order. */
  advance(byMs: number): void {
    const end = this.#nowMs + byMs;
    for (;;) {
      const [next] = this.#entries.filter(({ atMs }) => atMs <= end).toSorted((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (next === undefined) break;
      this.#entries = this.#entries.filter((entry) => entry !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fn();
    }
    this.#nowMs = end;
  }
}
