import type { SyncErrorCode } from "./codes.ts";
import type { ErrorClass } from "./error-class.ts";
import type { ResultOutcome } from "./messages.ts";

/** How a request failed without an answer that could be read. */
export const NETWORK_FAILURES = [
  "offline",
  "dns_failed",
  "connection_refused",
  "unreachable",
  "timeout",
  "reset",
  "abort",
  "tls_failed",
  "pin_mismatch",
  "cors_suspected",
  "login_required",
] as const;
export type NetworkFailure = (typeof NETWORK_FAILURES)[number];

/**
 * What the body of an answer was: our envelope (or, on a backend without it, a document valid for the route),
 * problem+json, other JSON (a wrong echo of the trace id makes it this), nothing, HTML, anything else. A caller that
 * needs data reports an empty body as `other`; an error shape that its route declares, as `json`.
 */
export const BODY_KINDS = ["ours", "problem", "json", "empty", "html", "other"] as const;
export type BodyKind = (typeof BODY_KINDS)[number];

/** What the client does next. */
export const NEXT_STEPS = [
  /** It took effect. */
  "succeed",
  /** Accepted, not done: poll `Location` or the ledger. */
  "confirm",
  /** An interim answer: wait for the final one. */
  "ignore",
  /** Repeat at the new address of the same origin, same method and body. */
  "follow",
  /** Again by policy. */
  "retry",
  /** The surroundings are at fault: wait until they change; the operation is not. */
  "wait",
  /** A definite no: move to failed, roll back. */
  "fail",
  /** The server holds the cancel marker of this key: settle as cancelled. */
  "cancel",
  /** Someone else wrote: merge, then try again or ask. */
  "reconcile",
  /** Not there. DELETE: success. UPDATE: conflict. CREATE: failed on 404. A pull starts over. */
  "gone",
  /** Refresh the token once, shared, and retry at once; again: pause. */
  "authenticate",
  /** Stop sending and say why. */
  "pause",
  /** The first request with this key is still running: same key again after `CONCURRENT_RETRY_MS`. */
  "concurrent",
  /** Send again from the number in `details.expected`. */
  "rewind",
  /** Another processor has this queue, or a copy of it: check the lock before anything else. */
  "lock_lost",
  /** Halve the batch; a single operation fails. */
  "split",
  /** The key was used with other content: fail, and log an engine fault. */
  "mismatch",
  /** Not executed by this request: open the seal. */
  "unseal",
  /** Set the clock offset from the answer, once per operation, and repeat; again: retry. */
  "correct_clock",
  /** Wait for Retry-After, else by backoff, with the whole origin. */
  "rate_limit",
  /** One retry, then pause with a security event. */
  "tls",
] as const;
export type NextStep = (typeof NEXT_STEPS)[number];

/** What is known about one answer, one result in a batch, or one failure on the way. */
export type AnswerFacts =
  | {
      readonly kind: "http";
      readonly status: number;
      /** The code of the error in the body. On a 2xx it makes the answer malformed. */
      readonly code?: string;
      readonly body: BodyKind;
      /** Present when the answer had a readable Retry-After (`parseRetryAfter`), even of 0. */
      readonly retryAfterMs?: number;
      readonly crossOriginRedirect?: boolean;
      readonly sameOriginRedirect?: boolean;
    }
  | { readonly kind: "result"; readonly outcome: ResultOutcome; readonly status: number; readonly code?: string }
  | { readonly kind: "network"; readonly failure: NetworkFailure };

/** One status, or all from the first to the last. */
export type StatusRange = number | readonly [first: number, last: number];

/** All members present must hold. */
export type OutcomeMatcher =
  | {
      readonly kind: "http";
      readonly statuses?: readonly StatusRange[];
      /** `"any"`: the answer carries some error code. */
      readonly codes?: readonly string[] | "any";
      readonly bodies?: readonly BodyKind[];
      readonly retryAfter?: true;
      readonly redirect?: "same_origin" | "cross_origin";
    }
  | { readonly kind: "result"; readonly outcomes: readonly ResultOutcome[]; readonly statuses?: readonly StatusRange[] }
  | { readonly kind: "network"; readonly failures: readonly NetworkFailure[] };

export interface OutcomeRow {
  /** Names the row in logs, tests and documentation. */
  readonly name: string;
  readonly when: OutcomeMatcher;
  readonly errorClass: ErrorClass | "none";
  readonly next: NextStep;
  /** The effect may have happened: the operation stays sealed and keeps its key. */
  readonly mayHaveHappened: boolean;
  /** Counts against `maxAttempts` when the operation was alone in its request. */
  readonly burnsAttempt: boolean;
  readonly countsForBreaker: boolean;
  /** Used when the answer carries none; `null` where nothing is wrong. */
  readonly code: SyncErrorCode | null;
}
