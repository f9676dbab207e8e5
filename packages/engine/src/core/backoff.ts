import { MAX_RETRY_AFTER_MS } from "@guardian-sync/protocol";

export interface BackoffPolicy {
  readonly baseMs: number;
  readonly maxDelayMs: number;
  /** Charged tries after which a definite end is sought. */
  readonly maxAttempts: number;
}

export type PresetName = "standard" | "aggressive" | "conservative" | "background";
export const PRESETS: Readonly<Record<PresetName, BackoffPolicy>> = {
  standard: { baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 5 },
  aggressive: { baseMs: 500, maxDelayMs: 10_000, maxAttempts: 5 },
  conservative: { baseMs: 2000, maxDelayMs: 30_000, maxAttempts: 5 },
  background: { baseMs: 2000, maxDelayMs: 60_000, maxAttempts: 7 },
};

/** Retry-After names one moment for all clients: each comes up to this much later. */
const SPREAD_MS = 5000;

/**
 * Wait before retry `attempt` (1 = first), whole ms: min(maxDelay, base · 2^(attempt−1) · j), j uniform in [0.5, 1.5).
 * `jitter` is a uniform draw in [0, 1).
 * @throws RangeError if `attempt` is not a positive integer or `jitter` not in [0, 1].
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, jitter: number): number {
  if (!Number.isInteger(attempt) || attempt < 1) throw new RangeError(`attempt must be a whole number >= 1, got ${attempt}`);
  if (!(jitter >= 0 && jitter <= 1)) throw new RangeError(`jitter must be in [0, 1], got ${jitter}`);
  return Math.min(policy.maxDelayMs, Math.floor(policy.baseMs * 2 ** (attempt - 1) * (0.5 + jitter)));
}

export interface RetryDelayInput {
  readonly policy: BackoffPolicy;
  /** From 1. */
  readonly attempt: number;
  /** What the server asked for (`parseRetryAfter`). */
  readonly retryAfterMs?: number | undefined;
  /** Uniform draws in [0, 1). */
  readonly draws: { readonly jitter: number; readonly spread: number };
}

/** Backoff; with Retry-After the longer of the two plus U(0, 5 s). Never beyond 24 h. */
export function retryDelayMs({ policy, attempt, retryAfterMs, draws }: RetryDelayInput): number {
  const formulaMs = backoffMs(policy, attempt, draws.jitter);
  const delayMs = retryAfterMs === undefined ? formulaMs : Math.max(formulaMs, retryAfterMs) + Math.floor(draws.spread * SPREAD_MS);
  return Math.min(delayMs, MAX_RETRY_AFTER_MS);
}

/** A time that lies further ahead than anything waits was written down before the clock was set back: it has come. Epoch ms; 0 = now. */
export function dueTime(dueAt: number, now: number, longestMs: number): number {
  return dueAt - now > longestMs ? 0 : dueAt;
}
