/** Token buckets: each name may make `limit` requests per window, in a burst or spread; tokens come back continuously. */
import type { EpochMs } from "@guardian-sync/protocol";

export interface RateLimit {
  readonly limit: number;
  readonly windowMs: number;
}

export interface RateVerdict {
  readonly isAllowed: boolean;
  readonly limit: number;
  readonly windowMs: number;
  readonly remaining: number;
  /** When the bucket is full again. */
  readonly resetAt: EpochMs;
  /** 0 when allowed. */
  readonly retryAfterMs: number;
}

interface Bucket {
  tokens: number;
  at: EpochMs;
}

/** So many names are remembered before full buckets are thrown out: a full one says the same as none. */
const SWEEP_ABOVE = 10_000;
/** Looking through all of them is dear, and somebody with many addresses could ask for it with every request. */
const SWEEP_EVERY_MS = 5000;
/** Beyond it the longest unused are forgotten, full or not. */
const MOST = 200_000;

export class RateLimiter {
  readonly #rate: RateLimit;
  /** The longest unused first. */
  readonly #buckets = new Map<string, Bucket>();
  #sweptAt = 0;

  constructor(rate: RateLimit) {
    this.#rate = rate;
  }

  /** Takes a token of `name`, or says when there will be one. */
  take(name: string, now: EpochMs): RateVerdict {
    const { limit, windowMs } = this.#rate;
    const tokens = this.#refilled(name, now);
    const isAllowed = tokens >= 1;
    const left = isAllowed ? tokens - 1 : tokens;
    this.#buckets.delete(name);
    this.#buckets.set(name, { tokens: left, at: now });
    this.#sweep(now);
    const perToken = windowMs / limit;
    return { ...this.#verdict(left, now), isAllowed, retryAfterMs: isAllowed ? 0 : Math.ceil((1 - left) * perToken) };
  }

  /** What `take` would find, taking nothing. */
  look(name: string, now: EpochMs): RateVerdict {
    return this.#verdict(this.#refilled(name, now), now);
  }

  #verdict(tokens: number, now: EpochMs): RateVerdict {
    const { limit, windowMs } = this.#rate;
    const resetAt = (now + Math.ceil(((limit - tokens) * windowMs) / limit)) as EpochMs;
    return { isAllowed: true, limit, windowMs, remaining: Math.floor(tokens), resetAt, retryAfterMs: 0 };
  }

  #refilled(name: string, now: EpochMs): number {
    const { limit, windowMs } = this.#rate;
    const bucket = this.#buckets.get(name);
    // A clock that went back gives nothing and takes nothing.
    return bucket === undefined ? limit : Math.min(limit, bucket.tokens + (Math.max(0, now - bucket.at) * limit) / windowMs);
  }

  #sweep(now: EpochMs): void {
    if (this.#buckets.size > SWEEP_ABOVE && Math.abs(now - this.#sweptAt) >= SWEEP_EVERY_MS) {
      this.#sweptAt = now;
      for (const name of this.#buckets.keys()) if (this.#refilled(name, now) >= this.#rate.limit) this.#buckets.delete(name);
    }
    if (this.#buckets.size <= MOST) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
