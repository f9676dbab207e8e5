import {
  type AnswerFacts,
  type ErrorClass,
  type JsonObject,
  lookUpOutcome,
  MAX_RETRY_AFTER_MS,
  type NextStep,
  type OutcomeRow,
  type SyncErrorCode,
  WIRE_CODES,
  type WireError,
} from "@guardian-sync/protocol";
import { plain, type Redact } from "./last-error.ts";

/** What one answer, or one result in it, means: the outcome table's row with the particulars of this answer. */
export interface Finding {
  readonly step: NextStep;
  /** `null` where nothing is wrong. */
  readonly code: SyncErrorCode | null;
  /** Absent when there was no answer. */
  readonly status?: number;
  readonly errorClass: ErrorClass | "none";
  /** The effect may have happened: the operation stays sealed and keeps its key. */
  readonly mayHaveHappened: boolean;
  /** Charged to the operation. */
  readonly burnsAttempt: boolean;
  readonly countsForBreaker: boolean;
  /** What the server asked for, at most 24 h. */
  readonly retryAfterMs?: number;
  /** Redacted; never a payload. */
  readonly message: string;
  /** As the server sent them: may hold what a user wrote. */
  readonly details?: JsonObject;
  /** OUT_OF_ORDER: the operation number that the server waits for. */
  readonly expected?: number;
}

export interface AnswerDetail {
  readonly error?: WireError | undefined;
  /** Used when the answer has no message of its own. */
  readonly note?: string;
  /** The route's own rows, before the table. */
  readonly overrides?: readonly OutcomeRow[] | undefined;
  readonly redact: Redact;
}

/** Decides by status and code; the message is carried along for people. */
export function findingOf(facts: AnswerFacts, { error, note = "", overrides, redact }: AnswerDetail): Finding {
  const row = lookUpOutcome(facts, overrides);
  const retryAfterMs = (facts.kind === "http" ? facts.retryAfterMs : undefined) ?? retryAfterOf(error?.details);
  const expected = error?.details?.expected;
  return {
    step: row.next,
    code: codeOf(row, error?.code),
    ...(facts.kind === "network" ? {} : { status: facts.status }),
    errorClass: row.errorClass,
    mayHaveHappened: row.mayHaveHappened,
    burnsAttempt: row.burnsAttempt,
    countsForBreaker: row.countsForBreaker,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    message: plain(error?.message || note, redact),
    ...(error?.details === undefined ? {} : { details: error.details }),
    ...(Number.isSafeInteger(expected) && (expected as number) >= 1 ? { expected: expected as number } : {}),
  };
}

/** The server's own code when it is one of ours; where the answer itself is not to be believed, neither is its code. */
function codeOf(row: OutcomeRow, code: string | undefined): SyncErrorCode | null {
  const believed = row.code !== null && row.code !== "MALFORMED_RESPONSE" && row.code !== "LOGIN_REQUIRED";
  return believed && (WIRE_CODES as readonly (string | undefined)[]).includes(code) ? (code as SyncErrorCode) : row.code;
}

/** A result in a batch has no header of its own. */
function retryAfterOf(details: JsonObject | undefined): number | undefined {
  const seconds = details?.retry_after_seconds;
  return typeof seconds === "number" && seconds >= 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : undefined;
}
