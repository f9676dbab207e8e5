import { formatIso } from "@guardian-sync/protocol";
import type { Overtaken } from "../core/overtaken.ts";
import type { HistoryEntry } from "../format/index.ts";
import type { QueuedOperation } from "../queue/records.ts";

/** An operation that waits for a person. Its payload is the app's own; it is never logged. */
export interface KeptOperation {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  /** As it was queued: the document, or the patch; of a declared operation `{ input, patch }`. */
  readonly payload: unknown;
  readonly key: string;
  readonly traceId: string;
  readonly state: "failed" | "parked" | "archived" | "conflict" | "quarantined";
  readonly attempts: number;
  readonly code: string | null;
  readonly lastError: string | null;
  readonly enqueuedAt: string;
  readonly changedAt: string;
  /** What became of it so far, and by whose reason; the oldest first, at most 20. */
  readonly history: readonly HistoryEntry[];
  /** Top-level fields that later edits of the entity have set since: a retry leaves them out. `everything`: of all of it. */
  readonly overtaken: Overtaken | null;
}
/** Which of them; together they narrow. */
export interface KeptFilter {
  readonly type?: string;
  readonly entityType?: string;
  readonly entityId?: string;
  readonly code?: string;
  /** Stands where it does for at least this long. */
  readonly olderThanMs?: number;
}
export function keptOf(operation: QueuedOperation): KeptOperation {
  const { content, detail, row, seq } = operation;
  return {
    seq,
    id: content.id,
    type: content.type,
    entityType: content.entityType,
    entityId: content.entityId,
    payload: content.payload,
    key: detail.key ?? content.key,
    traceId: content.traceId,
    state: operation.phase as KeptOperation["state"],
    attempts: row?.attempts ?? 0,
    code: detail.code ?? null,
    lastError: detail.lastError ?? null,
    enqueuedAt: formatIso(content.createdAt),
    changedAt: formatIso((row?.changedAt ?? content.createdAt) as typeof content.createdAt),
    history: detail.history ?? [],
    overtaken: detail.overtaken ?? null,
  };
}

export function isMeant(
  { content, detail, row }: QueuedOperation,
  { type, entityType, entityId, code, olderThanMs }: KeptFilter,
  now: number,
): boolean {
  const isOld = olderThanMs === undefined || (row?.changedAt ?? 0) <= now - olderThanMs;
  return (
    isOld &&
    (type === undefined || content.type === type) &&
    (entityType === undefined || content.entityType === entityType) &&
    (entityId === undefined || content.entityId === entityId) &&
    (code === undefined || detail.code === code)
  );
}
