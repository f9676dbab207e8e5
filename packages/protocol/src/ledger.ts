import type { ResultOutcome } from "./messages.ts";

/** The outcomes that the ledger remembers. Under global ordering exactly these consume an `op_number`. */
export const LEDGER_OUTCOMES: readonly ResultOutcome[] = ["applied", "noop", "rejected", "cancelled"];

const NEVER_STORED: readonly number[] = [401, 408, 409, 412, 424, 425, 428, 429];

/**
 * Whether an answer with this status may be stored and replayed for its key: what was applied, and refusals that would
 * be the same next time. Not what passes (401, 408, 425, 429, 5xx), nor what the client resolves by asking again (409,
 * 412, 424, 428). Refusals of a whole envelope (CLOCK_SKEW, 426, a body too large) come before the ledger and are never
 * stored, whatever their status.
 */
export function isStoredStatus(status: number): boolean {
  return status >= 200 && status < 500 && !(status >= 300 && status < 400) && status !== 202 && !NEVER_STORED.includes(status);
}
