/**
 * Code that arrives after the page has begun. It is asked for at once, asked for again when it could not be had, and once here it stays.
 * Only what makes another try worth while makes one: each operation that is enqueued wakes the engine, and must not become a request.
 */
import type { EpochMs } from "@guardian-sync/protocol";
import { backoffMs } from "./backoff.ts";

export type LoadingState =
  | { readonly kind: "loading"; readonly failures: number; readonly isWanted: boolean }
  | { readonly kind: "failed"; readonly failures: number; readonly isWanted: boolean; readonly retryAt: EpochMs }
  | { readonly kind: "loaded" }
  | { readonly kind: "closed" };

export type LoadingEvent =
  /** What the app wants of the code, as far as it is here. */
  | { readonly type: "start" | "stop" | "wake" | "suspend" | "close" }
  /** The interface is up; somebody waits for a call; the wait is over. */
  | { readonly type: "online" | "needed" | "due" }
  | { readonly type: "arrived" }
  /** It could not be had, or not in time. `jitter`: a uniform draw in [0, 1). */
  | { readonly type: "refused"; readonly now: EpochMs; readonly jitter: number };

export type LoadingEffect =
  | { readonly type: "load" }
  | { readonly type: "retry_later"; readonly delayMs: number }
  /** Somebody should hear of it: once, until it is here. */
  | { readonly type: "alert" }
  | { readonly type: "begin"; readonly isWanted: boolean };

export interface LoadingStep {
  readonly state: LoadingState;
  readonly effects: readonly LoadingEffect[];
}

/** A file of the app's own site: it is there, or a person has to reload. */
const POLICY = { baseMs: 1000, maxDelayMs: 60_000, maxAttempts: Number.POSITIVE_INFINITY };

export const LOADING_BEGINS: LoadingState = { kind: "loading", failures: 0, isWanted: false };

export function stepLoading(state: LoadingState, event: LoadingEvent): LoadingStep {
  if (state.kind === "loaded" || state.kind === "closed") return stay(event.type === "close" ? { kind: "closed" } : state);
  switch (event.type) {
    case "start":
      return again({ ...state, isWanted: true });
    case "online":
    case "needed":
    case "due":
      return again(state);
    case "stop":
    case "suspend":
      return stay({ ...state, isWanted: false });
    case "wake":
      return stay(state);
    case "arrived":
      return { state: { kind: "loaded" }, effects: [{ type: "begin", isWanted: state.isWanted }] };
    case "refused": {
      // A try that was given up as too slow, and ends after all.
      if (state.kind === "failed") return stay(state);
      const failures = state.failures + 1;
      const delayMs = backoffMs(POLICY, failures, event.jitter);
      const failed = { kind: "failed", failures, isWanted: state.isWanted, retryAt: (event.now + delayMs) as EpochMs } as const;
      return { state: failed, effects: [...(failures === 1 ? [{ type: "alert" } as const] : []), { type: "retry_later", delayMs }] };
    }
    case "close":
      return stay({ kind: "closed" });
    default:
      return event satisfies never;
  }
}

function again(state: Extract<LoadingState, { readonly isWanted: boolean }>): LoadingStep {
  if (state.kind === "loading") return stay(state);
  return { state: { kind: "loading", failures: state.failures, isWanted: state.isWanted }, effects: [{ type: "load" }] };
}

function stay(state: LoadingState): LoadingStep {
  return { state, effects: [] };
}
