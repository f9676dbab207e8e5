import type { SyncErrorCode } from "./codes.ts";
import type { ErrorClass } from "./error-class.ts";
import type { NextStep, OutcomeMatcher, OutcomeRow, StatusRange } from "./outcome.ts";

type Effect = Omit<OutcomeRow, "name" | "when">;
type HttpMatcher = Extract<OutcomeMatcher, { kind: "http" }>;
type ResultMatcher = Extract<OutcomeMatcher, { kind: "result" }>;
type NetworkMatcher = Extract<OutcomeMatcher, { kind: "network" }>;

const http = (statuses: readonly StatusRange[], more: Omit<HttpMatcher, "kind" | "statuses"> = {}): HttpMatcher => ({
  kind: "http",
  statuses,
  ...more,
});
const coded = (status: number, ...codes: readonly SyncErrorCode[]): HttpMatcher => http([status], { codes });
const result = (outcomes: ResultMatcher["outcomes"], statuses?: readonly StatusRange[]): ResultMatcher =>
  statuses === undefined ? { kind: "result", outcomes } : { kind: "result", outcomes, statuses };
const network = (...failures: NetworkMatcher["failures"]): NetworkMatcher => ({ kind: "network", failures });

/** A definite answer: it did not happen, it costs no attempt, and the origin is well. */
const verdict = (next: NextStep, errorClass: ErrorClass | "none", code: SyncErrorCode | null): Effect => ({
  errorClass,
  next,
  mayHaveHappened: false,
  burnsAttempt: false,
  countsForBreaker: false,
  code,
});
/** The effect may have happened. */
const unsure = (next: NextStep, errorClass: ErrorClass | "none", code: SyncErrorCode | null): Effect => ({
  ...verdict(next, errorClass, code),
  mayHaveHappened: true,
});
/** An answer that is no verdict and is charged to the operation. */
const charged = (errorClass: ErrorClass, code: SyncErrorCode): Effect => ({ ...unsure("retry", errorClass, code), burnsAttempt: true });
const counted = (effect: Effect): Effect => ({ ...effect, countsForBreaker: true });

const FINE = verdict("succeed", "none", null);
/** Somebody else answered: a captive portal, a proxy, a deploy in progress. */
const PORTAL = unsure("wait", "NetworkException", "LOGIN_REQUIRED");
const MALFORMED = charged("MalformedResponse", "MALFORMED_RESPONSE");
const ODD_REDIRECT = charged("RequestRejected", "REQUEST_REJECTED");
const SERVER_FAULT = counted(charged("ServerException", "INTERNAL_ERROR"));
const UNAVAILABLE = counted(charged("ServiceUnavailableException", "SERVICE_UNAVAILABLE"));

/** For a status outside 100–599: not HTTP, so nothing is known. */
export const FALLBACK_ROW: OutcomeRow = { name: "unknown_status", when: { kind: "http" }, ...MALFORMED };

/** The statuses that leave an operation to be tried again; with any other a `retry` contradicts itself, and is believed. */
const RETRYABLE: readonly number[] = [401, 408, 409, 412, 413, 425, 426, 428, 429];
const NOT_RETRYABLE: readonly StatusRange[] = [
  [0, 399],
  ...Array.from({ length: 100 }, (_, i) => 400 + i).filter((status) => !RETRYABLE.includes(status)),
];

/** A `rejected` or `retry` result that no row here takes means what its status and code mean on the REST face. */
const RESULT_ROWS: readonly OutcomeRow[] = [
  { name: "result_applied", when: result(["applied", "noop", "applied_before"]), ...FINE },
  { name: "result_cancelled", when: result(["cancelled"]), ...verdict("cancel", "none", "CANCELLED") },
  { name: "result_skipped", when: result(["skipped"]), ...verdict("unseal", "none", "DEPENDENCY_FAILED") },
  { name: "result_conflict_gone", when: result(["conflict"], [404, 410]), ...verdict("gone", "Gone", "GONE") },
  {
    name: "result_precondition",
    when: result(["conflict"], [412, 428]),
    ...verdict("reconcile", "PreconditionFailedException", "PRECONDITION_FAILED"),
  },
  { name: "result_conflict", when: result(["conflict"]), ...verdict("reconcile", "ConflictException", "CONFLICT") },
  {
    name: "result_rejected_oddly",
    when: result(
      ["rejected"],
      [
        [0, 399],
        [500, 999],
      ],
    ),
    ...verdict("fail", "RequestRejected", "REQUEST_REJECTED"),
  },
  { name: "result_retry_oddly", when: result(["retry"], NOT_RETRYABLE), ...charged("ServerException", "INTERNAL_ERROR") },
];

/** Answers of which the status is not to be believed, or not the point. */
const TRANSPORT_ROWS: readonly OutcomeRow[] = [
  { name: "cross_origin_redirect", when: { kind: "http", redirect: "cross_origin" }, ...PORTAL },
  { name: "interim", when: http([[100, 199]]), ...verdict("ignore", "none", null) },
  { name: "portal_status", when: http([203, 206, 207, 226, 304, 407, 511]), ...PORTAL },
  { name: "redirect_followed", when: http([307, 308], { redirect: "same_origin" }), ...unsure("follow", "none", null) },
  // Before `html`: servers put an HTML page into their redirects.
  { name: "redirect_refused", when: http([[300, 399]], { redirect: "same_origin" }), ...ODD_REDIRECT },
  // Up to 499 only: a gateway's HTML page on a 502 is a server fault, and the breaker must see it.
  { name: "html", when: http([[200, 499]], { bodies: ["html"] }), ...PORTAL },
];

const SUCCESS_ROWS: readonly OutcomeRow[] = [
  { name: "success_with_error", when: http([[200, 299]], { codes: "any" }), ...MALFORMED },
  { name: "success", when: http([200, 201, 204, 205], { bodies: ["ours", "empty"] }), ...FINE },
  { name: "accepted", when: http([202]), ...unsure("confirm", "none", "NOT_CONFIRMED") },
  { name: "success_malformed", when: http([[200, 299]]), ...MALFORMED },
  { name: "redirect_unknown", when: http([[300, 399]]), ...ODD_REDIRECT },
];

const CLIENT_ROWS: readonly OutcomeRow[] = [
  // A 4xx is a verdict only in a body that an API writes. HTML went before; this takes the rest away.
  { name: "refusal_unreadable", when: http([[400, 499]], { bodies: ["other"] }), ...MALFORMED },
  // The first correction is free; `burnsAttempt` holds for the times after it.
  { name: "clock_skew", when: coded(400, "CLOCK_SKEW"), ...verdict("correct_clock", "none", "CLOCK_SKEW"), burnsAttempt: true },
  { name: "idempotency_mismatch", when: coded(422, "IDEMPOTENCY_MISMATCH"), ...verdict("mismatch", "none", "IDEMPOTENCY_MISMATCH") },
  { name: "media_type", when: http([415]), ...verdict("fail", "ValidationException", "UNSUPPORTED_MEDIA_TYPE") },
  { name: "validation", when: http([400, 422]), ...verdict("fail", "ValidationException", "VALIDATION_ERROR") },
  { name: "unauthorized", when: http([401, 419, 440]), ...verdict("authenticate", "UnauthorizedException", "UNAUTHORIZED") },
  {
    name: "principal_mismatch",
    when: coded(403, "PRINCIPAL_MISMATCH"),
    ...verdict("pause", "PermissionDeniedException", "PRINCIPAL_MISMATCH"),
  },
  { name: "forbidden", when: http([403]), ...verdict("fail", "PermissionDeniedException", "FORBIDDEN") },
  { name: "not_found", when: http([404]), ...verdict("gone", "ResourceNotFoundException", "RESOURCE_NOT_FOUND") },
  { name: "too_early", when: http([408, 425]), ...charged("TimeoutException", "TIMEOUT") },
  { name: "concurrent_request", when: coded(409, "CONCURRENT_REQUEST"), ...unsure("concurrent", "none", "CONCURRENT_REQUEST") },
  { name: "out_of_order", when: coded(409, "OUT_OF_ORDER"), ...verdict("rewind", "none", "OUT_OF_ORDER") },
  { name: "stale_fence", when: coded(409, "STALE_FENCE", "CLIENT_FORKED"), ...unsure("lock_lost", "none", "STALE_FENCE") },
  { name: "conflict", when: http([409]), ...verdict("reconcile", "ConflictException", "CONFLICT") },
  { name: "precondition_failed", when: http([412]), ...verdict("reconcile", "PreconditionFailedException", "PRECONDITION_FAILED") },
  { name: "precondition_required", when: http([428]), ...verdict("reconcile", "PreconditionFailedException", "PRECONDITION_REQUIRED") },
  { name: "gone", when: http([410]), ...verdict("gone", "Gone", "GONE") },
  { name: "too_large", when: http([413]), ...verdict("split", "PayloadTooLarge", "PAYLOAD_TOO_LARGE") },
  // Only with our codes: a plain REST backend's 424 would be unsealed and sent for ever.
  { name: "not_executed", when: coded(424, "BLOCKED", "DEPENDENCY_FAILED"), ...verdict("unseal", "none", "DEPENDENCY_FAILED") },
  { name: "client_too_old", when: http([426]), ...verdict("pause", "ClientVersionException", "CLIENT_TOO_OLD") },
  { name: "rate_limited", when: http([429]), ...verdict("rate_limit", "RateLimitException", "RATE_LIMITED") },
  { name: "rejected", when: http([[400, 499]]), ...verdict("fail", "RequestRejected", "REQUEST_REJECTED") },
];

const SERVER_ROWS: readonly OutcomeRow[] = [
  { name: "unavailable_until", when: http([503], { retryAfter: true }), ...UNAVAILABLE, next: "wait", burnsAttempt: false },
  { name: "unavailable", when: http([503]), ...UNAVAILABLE },
  { name: "gateway_timeout", when: http([504]), ...counted(charged("TimeoutException", "TIMEOUT")) },
  { name: "server_fault", when: http([[500, 599]]), ...SERVER_FAULT },
];

const NETWORK_ROWS: readonly OutcomeRow[] = [
  { name: "offline", when: network("offline", "unreachable"), ...verdict("wait", "NetworkException", "OFFLINE") },
  { name: "dns_failed", when: network("dns_failed"), ...counted(verdict("wait", "NetworkException", "DNS_FAILED")) },
  {
    name: "connection_refused",
    when: network("connection_refused"),
    ...counted(verdict("wait", "NetworkException", "CONNECTION_REFUSED")),
  },
  { name: "timeout", when: network("timeout"), ...counted(unsure("retry", "NetworkException", "TIMEOUT")) },
  { name: "reset", when: network("reset"), ...counted(unsure("retry", "NetworkException", "CONNECTION_RESET")) },
  // The client itself hung up (stop, freeze): that says nothing about the origin.
  { name: "abort", when: network("abort"), ...unsure("retry", "NetworkException", "CONNECTION_RESET") },
  { name: "tls_failed", when: network("tls_failed"), ...counted(unsure("tls", "NetworkException", "TLS_FAILED")) },
  { name: "pin_mismatch", when: network("pin_mismatch"), ...counted(unsure("tls", "NetworkException", "PIN_MISMATCH")) },
  { name: "cors_suspected", when: network("cors_suspected"), ...unsure("pause", "NetworkException", "CORS_SUSPECTED") },
  { name: "login_required", when: network("login_required"), ...PORTAL },
];

/** What every answer means to a client. The first match counts: a row relies on what the rows above it took away. */
export const OUTCOME_TABLE: readonly OutcomeRow[] = [
  ...RESULT_ROWS,
  ...TRANSPORT_ROWS,
  ...SUCCESS_ROWS,
  ...CLIENT_ROWS,
  ...SERVER_ROWS,
  ...NETWORK_ROWS,
];
