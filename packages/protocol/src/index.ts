export {
  ALLOWED_HEADERS,
  EXPOSED_HEADERS,
  HEADERS,
  JSON_CONTENT_TYPE,
  MERGE_PATCH_CONTENT_TYPE,
  PROBLEM_CONTENT_TYPE,
  requestHeadersOf,
} from "./headers.ts";
export type { HeaderName } from "./headers.ts";
export { canonicalJson } from "./canonical.ts";
export { LOCAL_CODES, WIRE_CODES } from "./codes.ts";
export type { LocalCode, SyncErrorCode, WireCode } from "./codes.ts";
export { IDEMPOTENCY_INSTRUMENTS, SYNC_INSTRUMENTS } from "./dotted-metrics.ts";
export { ERROR_CLASSES, ERROR_CLASS_LABELS, errorClassLabel } from "./error-class.ts";
export type { ErrorClass, ErrorClassLabel } from "./error-class.ts";
export { formatEtag, parseEtag, parseIfMatch } from "./etag.ts";
export type { IfMatch } from "./etag.ts";
export {
  ADMIN_ACTIONS,
  ATTEMPT_RESULTS,
  attemptResult,
  BREAKER_STATES,
  FAMILY_METRICS,
  OPERATION_STATES,
  SETTLED_OUTCOMES,
} from "./family-metrics.ts";
export type { AdminAction, AttemptResult, BreakerState, OperationState, SettledOutcome } from "./family-metrics.ts";
export { fingerprint, fingerprintText } from "./fingerprint.ts";
export type { FingerprintInput, Sha256Hex } from "./fingerprint.ts";
export { parseIdempotencyKey } from "./idempotency-key.ts";
export { isUuid, isUuidV4, uuidV4, uuidV4Of, uuidV7Maker } from "./ids.ts";
export type { ClientId, EpochMs, IdempotencyKey, OperationId, RandomBytes, TraceId } from "./ids.ts";
export { inspectDocument, inspectJson, inspectPayload, jsonDepth } from "./inspect-json.ts";
export type { JsonLimits } from "./inspect-json.ts";
export { formatIso, parseIso } from "./iso.ts";
export { isJsonObject } from "./json.ts";
export type { Json, JsonObject } from "./json.ts";
export { isStoredStatus, LEDGER_OUTCOMES } from "./ledger.ts";
export { factsOfHandshake, LEVELS, levelOf } from "./levels.ts";
export type { CapabilityFacts, CapabilityLevel, HandshakeFacts, LevelDescription } from "./levels.ts";
export {
  CONCURRENT_RETRY_MS,
  CORS_MAX_AGE_S,
  GZIP_ABOVE_BYTES,
  LEDGER_WINDOW_MS,
  MAX_BATCH_OPERATIONS,
  MAX_BODY_BYTES,
  MAX_CLOCK_SKEW_MS,
  MAX_DOCUMENT_BYTES,
  MAX_DOCUMENT_DEPTH,
  MAX_LAST_ERROR_CHARS,
  MAX_NAME_CHARS,
  MAX_PAGE_ITEMS,
  MAX_PAYLOAD_BYTES,
  MAX_PAYLOAD_DEPTH,
  MAX_PULL_WAIT_MS,
  MAX_RETRY_AFTER_MS,
  REPLAY_WINDOW_MS,
  SOCKET_HELLO_TIMEOUT_MS,
  SOCKET_PING_MS,
} from "./limits.ts";
export { lookUpOutcome } from "./look-up-outcome.ts";
export { MANDATED_METRICS, PROCESSING_TIME_EDGES_MS } from "./mandated-metrics.ts";
export { PROTOCOL_VERSION, RESULT_OUTCOMES } from "./messages.ts";
export type {
  Base,
  Change,
  ChangeKind,
  ChangesPage,
  CurrentState,
  HandshakeRequest,
  HandshakeResponse,
  OperationResult,
  OpsRequest,
  OpsResponse,
  Ordering,
  RequestEnvelope,
  RequestMeta,
  ResponseEnvelope,
  ResponseMeta,
  ResultOutcome,
  SealedOperation,
  SnapshotPage,
  SnapshotRow,
  Verdict,
  WireError,
  WireOperation,
} from "./messages.ts";
export { MAX_OPERATION_TYPE_LABELS, MAX_SERIES, OTHER_LABEL, prometheusName } from "./metric-definition.ts";
export type { LabelValues, MetricDefinition } from "./metric-definition.ts";
export { BODY_KINDS, NETWORK_FAILURES, NEXT_STEPS } from "./outcome.ts";
export type { AnswerFacts, BodyKind, NetworkFailure, NextStep, OutcomeMatcher, OutcomeRow, StatusRange } from "./outcome.ts";
export { FALLBACK_ROW, OUTCOME_TABLE } from "./outcome-table.ts";
export { readBody } from "./parse-body.ts";
export type { BodyFacts } from "./parse-body.ts";
export { parseRequestEnvelope, parseResponseEnvelope } from "./parse-envelope.ts";
export type { Echo } from "./parse-envelope.ts";
export { parseProblem, problemOf } from "./parse-error.ts";
export type { ProblemDocument } from "./parse-error.ts";
export { parseChangesPage, parseSnapshotPage } from "./parse-feed.ts";
export { parseHandshakeRequest, parseHandshakeResponse } from "./parse-handshake.ts";
export { parseOperation } from "./parse-operation.ts";
export { parseOpsRequest } from "./parse-ops-request.ts";
export type { ParsedOperation, ParsedOpsRequest } from "./parse-ops-request.ts";
export { parseOpsResponse } from "./parse-ops-response.ts";
export { parseOperationResult } from "./parse-result.ts";
export { parseVerdict } from "./parse-verdict.ts";
export type { Check, Parsed, Refused } from "./parsed.ts";
export { cancelPath, SOCKET_CLOSE_CODES, SOCKET_SUBPROTOCOL, SYNC_PATHS, verdictPath } from "./paths.ts";
export type { SocketCloseCode } from "./paths.ts";
export { EXPORTED_STATUSES, parsePendingOp } from "./pending-op.ts";
export type { ExportedStatus, PendingOp } from "./pending-op.ts";
export { formatHttpDate, parseHttpDate, parseRetryAfter } from "./retry-after.ts";
export { SyncError } from "./sync-error.ts";
export type { SyncErrorFacts } from "./sync-error.ts";
export { utf8SizeBytes } from "./utf8-size.ts";
