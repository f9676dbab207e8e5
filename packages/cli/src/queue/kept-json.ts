import type { KeptOperation } from "guardian-sync/operator";
import { redactPayload, redactPii } from "@guardian-sync/telemetry";

/** A kept operation for machines: snake_case, redacted, the payload only when asked for. */
export function keptJson(
  operation: KeptOperation,
  { includePayload = false }: { readonly includePayload?: boolean | undefined } = {},
): object {
  return {
    id: operation.id,
    operation_type: redactPii(operation.type),
    entity_type: redactPii(operation.entityType),
    entity_id: redactPii(operation.entityId),
    state: operation.state,
    code: operation.code,
    attempt_count: operation.attempts,
    last_error: operation.lastError === null ? null : redactPii(operation.lastError),
    enqueued_at: operation.enqueuedAt,
    changed_at: operation.changedAt,
    idempotency_key: operation.key,
    trace_id: operation.traceId,
    // Names of fields are the app's; what a person gave as a reason may name somebody.
    overtaken: typeof operation.overtaken === "object" ? (operation.overtaken?.map(redactPii) ?? null) : operation.overtaken,
    history: operation.history.map(({ at, event, key }) => ({
      at: new Date(at).toISOString(),
      event: redactPii(event),
      ...(key === undefined ? {} : { idempotency_key: key }),
    })),
    ...(includePayload ? { payload: redactPayload(operation.payload) } : {}),
  };
}
