import { type EpochMs, MAX_RETRY_AFTER_MS } from "@guardian-sync/protocol";
import type { MonotonicMs } from "../ports/index.ts";
import type { RateLimitOptions } from "./rate-limit-options.ts";

/** Token bucket over requests (not operations): refills evenly, holds at most `burst`. Never persisted. */
export interface BucketState {
  readonly tokens: number;
  readonly at: MonotonicMs;
}

export function fullBucket(options: RateLimitOptions, now: MonotonicMs): BucketState {
  return { tokens: options.burst, at: now };
}

/** `waitMs` 0: a token was taken, send. Else nothing was taken: ask again after so many ms. */
export function takeToken(
  state: BucketState,
  now: MonotonicMs,
  options: RateLimitOptions,
): { readonly state: BucketState; readonly waitMs: number } {
  const elapsedMs = Math.max(0, now - state.at);
  const tokens = Math.min(options.burst, state.tokens + (elapsedMs * options.requestsPerSecond) / 1000);
  if (tokens >= 1) return { state: { tokens: tokens - 1, at: now }, waitMs: 0 };
  return { state: { tokens, at: now }, waitMs: Math.max(1, Math.ceil(((1 - tokens) * 1000) / options.requestsPerSecond - 1e-6)) };
}

/** A moment (persisted) before which nothing goes to the origin, whatever goes online and whoever taps. 0 = none. */
export interface OriginHold {
  readonly until: number;
}
export const NO_HOLD: OriginHold = { until: 0 };

/** Holds for `delayMs` (see `retryDelayMs`); a later end that was promised before stays. */
export function holdOrigin(hold: OriginHold, now: EpochMs, delayMs: number): OriginHold {
  const until = now + Math.min(delayMs, MAX_RETRY_AFTER_MS);
  return until > hold.until || holdRemainingMs(hold, now) === 0 ? { until } : hold;
}

/** An end further away than any server can ask for was written before the clock was set back: it holds no longer. */
export function holdRemainingMs(hold: OriginHold, now: EpochMs): number {
  const remainingMs = hold.until - now;
  return remainingMs <= 0 || remainingMs > MAX_RETRY_AFTER_MS ? 0 : remainingMs;
}

/**
 * The hold that `X-Rate-Limit-Remaining: 0` with a `X-Rate-Limit-Reset` (Unix seconds, read against the answer's `Date`)
 * asks for: waiting is cheaper than a 429. `undefined`: nothing to hold, or not readable.
 */
export function announcedWaitMs(remaining: string | undefined, reset: string | undefined, serverNow: EpochMs): number | undefined {
  if (remaining === undefined || !/^0+$/.test(remaining.trim()) || !/^\d{1,12}$/.test(reset?.trim() ?? "")) return undefined;
  const waitMs = Number(reset) * 1000 - serverNow;
  return waitMs > 0 && waitMs <= MAX_RETRY_AFTER_MS ? waitMs : undefined;
}
