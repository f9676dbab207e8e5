import type { EpochMs } from "@guardian-sync/protocol";
import type { BreakerOptions } from "./breaker-options.ts";

/**
 * Circuit breaker, one per origin. Closed: all goes. Open: nothing goes until the cooldown is over. Half-open: one probe
 * is under way, and its end decides. Counted are 5xx and failures of the network (the outcome table says which).
 * Times are wall-clock, because the state outlives the process; a clock set back never lengthens a cooldown.
 */
export type BreakerState =
  /** Moments of the latest failures, at most `failureThreshold` of them. */
  | { readonly kind: "closed"; readonly failures: readonly number[] }
  | { readonly kind: "open"; readonly openedAt: number }
  | { readonly kind: "half_open"; readonly probeStartedAt: number };

export interface BreakerEvent {
  /** `tick`: time passed (after a sleep, a clock change). `reset`: an operator closes it. */
  readonly type: "success" | "failure" | "probe_started" | "tick" | "reset";
  readonly now: EpochMs;
}

export const CLOSED_BREAKER: BreakerState = { kind: "closed", failures: [] };

export function stepBreaker(state: BreakerState, { type, now }: BreakerEvent, options: BreakerOptions): BreakerState {
  if (type === "reset") return CLOSED_BREAKER;
  if (state.kind === "half_open") {
    if (type === "success") return CLOSED_BREAKER;
    if (type === "failure") return { kind: "open", openedAt: now };
    return type === "probe_started" || now < state.probeStartedAt ? { kind: "half_open", probeStartedAt: now } : state;
  }
  if (state.kind === "open") {
    if (type === "probe_started") return { kind: "half_open", probeStartedAt: now };
    // Late answers of requests that were under way when it opened decide nothing.
    return now < state.openedAt ? { kind: "open", openedAt: now } : state;
  }
  if (type === "success" || type === "probe_started") return state;
  // A moment that lies ahead was written before the clock was set back.
  const failures = state.failures.filter((at) => at <= now && now - at < options.windowMs);
  if (type === "failure") failures.push(now);
  if (failures.length >= options.failureThreshold) return { kind: "open", openedAt: now };
  return failures.length === 0 ? CLOSED_BREAKER : { kind: "closed", failures };
}

export type BreakerAnswer = { readonly allowed: true; readonly probe: boolean } | { readonly allowed: false; readonly retryInMs: number };

/** Whether a request may start. With `probe`, report `probe_started` before it does, and send nothing beside it. */
export function breakerAllows(state: BreakerState, now: EpochMs, options: BreakerOptions): BreakerAnswer {
  if (state.kind === "closed") return { allowed: true, probe: false };
  const retryInMs = cooldownRemainingMs(state, now, options);
  return retryInMs === 0 ? { allowed: true, probe: true } : { allowed: false, retryInMs };
}

/**
 * 0 when closed, and when a probe may go. A probe that has not ended after a whole cooldown is given up: its process
 * was frozen, or lost.
 */
export function cooldownRemainingMs(state: BreakerState, now: EpochMs, options: BreakerOptions): number {
  if (state.kind === "closed") return 0;
  const since = state.kind === "open" ? state.openedAt : state.probeStartedAt;
  return Math.min(options.cooldownMs, Math.max(0, since + options.cooldownMs - now));
}

/** For the store. */
export function serialiseBreaker(state: BreakerState): string {
  return JSON.stringify(state);
}

/** What the store kept; anything unreadable is a closed breaker. A probe that a crash interrupted is as if never started. */
export function parseBreaker(text: string | undefined, options: BreakerOptions): BreakerState {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "null");
  } catch {
    return CLOSED_BREAKER;
  }
  const { kind, failures, openedAt, probeStartedAt } = (value ?? {}) as { readonly [name: string]: unknown };
  if (kind === "open" && isMoment(openedAt)) return { kind, openedAt };
  if (kind === "half_open" && isMoment(probeStartedAt)) return { kind: "open", openedAt: probeStartedAt - options.cooldownMs };
  if (kind !== "closed" || !Array.isArray(failures)) return CLOSED_BREAKER;
  return { kind, failures: failures.filter(isMoment).slice(-options.failureThreshold) };
}

function isMoment(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
