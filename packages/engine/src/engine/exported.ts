import { type ExportedStatus, formatIso, type PendingOp } from "@guardian-sync/protocol";
import type { Phase } from "../ports/index.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";

/** How a phase is called outside. Parked ones wait for a person like failed ones. */
const STATUSES: Readonly<Record<Phase | "pending", ExportedStatus>> = {
  pending: "pending",
  ready: "pending",
  blocked: "pending",
  folded: "folded_into",
  sealed: "in_flight",
  acked: "in_flight",
  failed: "failed",
  parked: "failed",
  conflict: "conflict",
  cancelled: "cancelled",
  quarantined: "quarantined",
  archived: "archived",
};

export function exportedStatus(operation: QueuedOperation): ExportedStatus {
  return STATUSES[operation.phase];
}

/** An operation as files and other programs see it. Nothing is redacted here. */
export function pendingOpOf(operation: QueuedOperation): PendingOp {
  const { content, detail, row, seq } = operation;
  return {
    id: content.id,
    seq,
    operation_type: content.type,
    version: content.version,
    entity_type: content.entityType,
    entity_id: content.entityId,
    payload: content.payload,
    idempotency_key: currentKey(operation),
    trace_id: content.traceId,
    txn_token: content.txnToken,
    enqueued_at: formatIso(content.createdAt),
    attempt_count: row?.attempts ?? 0,
    next_retry_at: row === null || row.dueAt <= 0 ? null : formatIso(Math.floor(row.dueAt) as typeof content.createdAt),
    backoff_ms: row === null || row.backoffMs <= 0 ? null : row.backoffMs,
    status: exportedStatus(operation),
    last_error: detail.lastError ?? null,
  };
}
