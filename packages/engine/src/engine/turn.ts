import type { Closed } from "./gate.ts";

/** Why nothing goes out now, for `status()` and for people. `untilMs`: epoch ms, null = until something happens. */
export interface Standstill {
  readonly state: "stopped" | "idle" | "waiting" | "paused";
  readonly reason: string;
  readonly untilMs: number | null;
  readonly work: boolean;
}
/** What one look at the queue came to. */
export type Turn = { readonly kind: "again" } | ({ readonly kind: "rest" } & Standstill & { readonly delayMs: number | null });

export function waitingFor(closed: Closed): Turn & { readonly kind: "rest" } {
  return { kind: "rest", state: "waiting", work: true, ...closed };
}

export function waiting(reason: string, delayMs: number, now: number): Turn {
  return { kind: "rest", state: "waiting", reason, untilMs: now + delayMs, work: true, delayMs };
}
