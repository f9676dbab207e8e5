/** Wakes long polls when their space has changed. Only a hint: whoever is woken reads again. */

export type WakeReason = "changed" | "timeout" | "ended";

interface Schedule {
  schedule(delayMs: number, fn: () => void): () => void;
}

export class FeedSignal {
  readonly #timer: Schedule;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Counts signals per space while somebody may wait, so that one between a read and its wait is not missed. */
  readonly #signals = new Map<string, number>();
  #hasEnded = false;

  constructor(timer: Schedule) {
    this.#timer = timer;
  }

  /** Take it before reading; `wait` then returns at once if a signal came since. */
  ticket(space: string): number {
    return this.#signals.get(space) ?? 0;
  }

  notify(space: string): void {
    this.#signals.set(space, this.ticket(space) + 1);
    const waiting = this.#waiting.get(space);
    this.#waiting.delete(space);
    for (const wake of waiting ?? []) wake();
  }

  get waiting(): number {
    let count = 0;
    for (const waiting of this.#waiting.values()) count += waiting.size;
    return count;
  }

  wait(space: string, ticket: number, waitMs: number, signal?: AbortSignal): Promise<WakeReason> {
    if (this.#hasEnded || signal?.aborted === true) return Promise.resolve("ended");
    if (this.ticket(space) !== ticket) return Promise.resolve("changed");
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(space) ?? new Set();
      this.#waiting.set(space, waiting);
      const leave = (reason: WakeReason): void => {
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(space) === waiting) this.#waiting.delete(space);
        cancel();
        signal?.removeEventListener("abort", abort);
        resolve(reason);
      };
      const wake = (): void => leave(this.#hasEnded ? "ended" : "changed");
      const abort = (): void => leave("ended");
      const cancel = this.#timer.schedule(waitMs, () => leave("timeout"));
      waiting.add(wake);
      signal?.addEventListener("abort", abort);
    });
  }

  /** Sends everybody home, and whoever comes later. */
  end(): void {
    this.#hasEnded = true;
    for (const waiting of this.#waiting.values()) for (const wake of waiting) wake();
  }
}
