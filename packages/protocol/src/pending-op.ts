import { anyText, count, isoTime, name, objectOf, oneOf, ordinal, orNull, uuid, uuidV4 } from "./checks.ts";
import { inspectPayload } from "./inspect-json.ts";
import type { Json } from "./json.ts";
import { MAX_LAST_ERROR_CHARS } from "./limits.ts";
import { border, type Check, type Parsed, refuse } from "./parsed.ts";

/**
 * How a queued operation is called outside the engine. `in_flight` is what the engine calls sealed or acked; what is `folded_into` an
 * earlier one of its entity ends with that.
 */
export const EXPORTED_STATUSES = [
  "pending",
  "in_flight",
  "folded_into",
  "failed",
  "conflict",
  "cancelled",
  "quarantined",
  "archived",
] as const;
export type ExportedStatus = (typeof EXPORTED_STATUSES)[number];

/** One queued operation in the form in which files and other programs see it. Times are ISO 8601 in UTC. */
export interface PendingOp {
  readonly id: string;
  /** Position in its queue: strictly increasing, never used twice. */
  readonly seq: number;
  /** `CREATE`, `UPDATE`, `DELETE` or the name of a declared operation, as it was in `version` of its definition. */
  readonly operation_type: string;
  readonly version: number;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly payload: Json;
  readonly idempotency_key: string;
  readonly trace_id: string;
  readonly txn_token: string;
  readonly enqueued_at: string;
  /** Tries that counted: outages do not. */
  readonly attempt_count: number;
  readonly next_retry_at: string | null;
  readonly backoff_ms: number | null;
  readonly status: ExportedStatus;
  /** Redacted; begins with code and HTTP status. */
  readonly last_error: string | null;
}

const lastError: Check<string> = (value, path) => {
  const text = anyText(value, path);
  if (!text.ok || text.value.length <= MAX_LAST_ERROR_CHARS) return text;
  return refuse(path, `must have at most ${MAX_LAST_ERROR_CHARS} characters`);
};

const pendingOp: Check<PendingOp> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    id: members.need("id", uuid),
    seq: members.need("seq", ordinal),
    operation_type: members.need("operation_type", name),
    version: members.need("version", ordinal),
    entity_type: members.need("entity_type", name),
    entity_id: members.need("entity_id", name),
    payload: members.need("payload", inspectPayload),
    idempotency_key: members.need("idempotency_key", uuidV4),
    trace_id: members.need("trace_id", uuid),
    txn_token: members.need("txn_token", name),
    enqueued_at: members.need("enqueued_at", isoTime),
    attempt_count: members.need("attempt_count", count),
    next_retry_at: members.need("next_retry_at", orNull(isoTime)),
    backoff_ms: members.need("backoff_ms", orNull(count)),
    status: members.need("status", oneOf(EXPORTED_STATUSES)),
    last_error: members.need("last_error", orNull(lastError)),
  }),
);

/** Reads one queued operation. Every member must be there; `null` says that there is no retry planned, no error. */
export function parsePendingOp(value: unknown, path = ""): Parsed<PendingOp> {
  return border(value, path, pendingOp);
}
