/// <reference lib="dom" />
import type { FastLock } from "../ports/index.ts";

/** Null where the browser has no Web Locks (an insecure page, an old browser): then only the lease decides. */
export function webLock(name: string): WebLock | null {
  const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
  return locks === undefined ? null : new WebLock(locks, name);
}

/** A Web Lock: free the moment its page or worker dies, busy while it is merely frozen. */
class WebLock implements FastLock {
  readonly #locks: LockManager;
  readonly #name: string;
  #held: { readonly release: () => void; readonly over: Promise<unknown> } | undefined;
  #attempt: Promise<boolean> | undefined;

  constructor(locks: LockManager, name: string) {
    this.#locks = locks;
    this.#name = name;
  }

  /** False as well when the browser refuses locks to this page: then only the lease decides. */
  async tryAcquire(): Promise<boolean> {
    this.#attempt ??= this.#request({ ifAvailable: true });
    try {
      return await this.#attempt;
    } finally {
      if (this.#held === undefined) this.#attempt = undefined;
    }
  }

  /** Resolves when the lock is free for others. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#lose();
    held?.release();
    await held?.over.catch(() => undefined);
  }

  #request(options: LockOptions): Promise<boolean> {
    return new Promise((resolve) => {
      const over = this.#locks.request(this.#name, options, (lock) => {
        if (lock === null) return resolve(false);
        // Held until this promise ends.
        return new Promise<void>((release) => {
          this.#held = { release, over };
          resolve(true);
        });
      });
      // Rejected when somebody steals the lock, or at once when this page may have none.
      over.catch(() => {
        if (this.#held?.over === over) this.#lose();
        resolve(false);
      });
    });
  }

  #lose(): void {
    this.#held = undefined;
    this.#attempt = undefined;
  }
}
