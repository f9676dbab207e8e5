/** What the engine needs from the world besides a store and a network. All are arguments; simulation brings its own. */
import type { EpochMs } from "@guardian-sync/protocol";

/** Milliseconds of a clock that never goes back and that no person sets. For intervals. */
export type MonotonicMs = number & { readonly __monotonic: true };
export type MaybePromise<T> = T | Promise<T>;

export interface Clock {
  /** Wall clock: schedules and displays. */
  now(): EpochMs;
  /** Intervals, leases, time-outs. */
  monotonic(): MonotonicMs;
  /**
   * Runs `task` once after at least `delayMs` (clamped below 2^31). Returns its cancellation. With `keepAlive` a process that has
   * nothing else to do waits for it.
   */
  schedule(delayMs: number, task: () => void, options?: { readonly keepAlive?: boolean }): () => void;
  /** Runs `task` after everything that is ready now has run: the moment at which callers of one turn have all enqueued. */
  defer(task: () => void): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  bytes(length: number): Uint8Array;
  /** A UUID v4, where the platform makes one faster than we do of `bytes`. */
  uuid?(): string;
}

export interface Hash {
  /** SHA-256 of the UTF-8 bytes of `text`, lowercase hex. */
  sha256Hex(text: string): MaybePromise<string>;
}

/** Hints that the network came or went. They wake the engine; they never prove anything. */
export interface Connectivity {
  online(): boolean;
  subscribe(listener: (online: boolean) => void): () => void;
}

/**
 * What happens to the page that the engine lives in. After `frozen` and `leaving` no code may run for long, or ever again; who runs
 * after `resumed` was away. A page that is `hidden` goes on, more slowly.
 */
export type PageLifeEvent = "hidden" | "visible" | "frozen" | "resumed" | "leaving";
export interface PageLife {
  subscribe(listener: (event: PageLifeEvent) => void): () => void;
}

/** Encrypts and authenticates records. One key ring per store. */
export interface KeyRing {
  /** Identifies the key that `encrypt` uses now, 8 bytes; all zero for `encryption: 'none'`. */
  readonly currentKeyId: Uint8Array;
  /**
   * Returns a complete envelope: version, algorithm, key id, nonce, ciphertext, tag (see `format/envelope.ts`).
   * `aad` is authenticated, not stored: the same bytes must be given to `decrypt`.
   */
  encrypt(plain: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array>;
  /** @throws SyncError `WRONG_KEY` for an unknown key id, `UNREADABLE` when the bytes do not authenticate. */
  decrypt(envelope: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array>;
}

/**
 * An operating-system lock beside the store: free the moment its holder dies, busy while the holder is merely stopped.
 * A Web Lock in browsers, an exclusively held sidecar file in Node.
 */
export interface FastLock {
  /** At once; never waits for the lock. */
  tryAcquire(): Promise<boolean>;
  release(): Promise<void>;
}
