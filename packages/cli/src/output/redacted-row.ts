import type { PendingOp } from "@guardian-sync/protocol";
import { redactPayload, redactPii } from "@guardian-sync/telemetry";

/** The columns of an export, in their order. Programs of others read them: added to at the end, never changed. */
export const EXPORT_COLUMNS = [
  "id",
  "operation_type",
  "entity_type",
  "entity_id",
  "enqueued_at",
  "attempt_count",
  "next_retry_at",
  "backoff_ms",
  "status",
  "idempotency_key",
  "trace_id",
  "last_error",
] as const;

export type ExportRow = Pick<PendingOp, (typeof EXPORT_COLUMNS)[number]> & { readonly payload?: unknown };

/** One operation as it may leave the machine: personal data and secrets taken out, the payload only when asked for. */
export function redactedRow(operation: PendingOp, { includePayload }: { readonly includePayload: boolean }): ExportRow {
  const { id, operation_type, entity_type, entity_id, enqueued_at, attempt_count, next_retry_at, backoff_ms, status } = operation;
  return {
    id,
    operation_type: redactPii(operation_type),
    entity_type: redactPii(entity_type),
    entity_id: redactPii(entity_id),
    enqueued_at,
    attempt_count,
    next_retry_at,
    backoff_ms,
    status,
    idempotency_key: operation.idempotency_key,
    trace_id: operation.trace_id,
    last_error: operation.last_error === null ? null : redactPii(operation.last_error),
    ...(includePayload ? { payload: redactPayload(operation.payload) } : {}),
  };
}
