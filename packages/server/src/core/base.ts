/** Whether an operation was written against what is there now. */
import { type Base, type CurrentState, formatEtag, formatIso, type JsonObject } from "@guardian-sync/protocol";
import type { Precondition } from "./operation.ts";
import type { Refusal } from "./refusal.ts";
import type { EntityRow, LedgerRow } from "./storage.ts";

export function currentState(row: EntityRow): CurrentState {
  const { version, document: data, deleted, lastOperationId } = row;
  return { version, data, deleted, ...(lastOperationId === null ? {} : { last_operation_id: lastOperationId }) };
}

/**
 * The version that a base stands for: its own, or what the operation with the key `after` left behind. Undefined when that
 * operation is unknown, was refused, or was about another entity: then nothing can be said to follow it.
 */
function baseVersion(base: Base, ledger: ReadonlyMap<string, LedgerRow>, entity: Pick<EntityRow, "type" | "id">): number | undefined {
  if ("version" in base) return base.version;
  const after = ledger.get(base.after);
  if (after === undefined || after.entityType !== entity.type || after.entityId !== entity.id) return undefined;
  return after.outcome === "applied" || after.outcome === "noop" ? (after.version ?? undefined) : undefined;
}

export type ConflictType = "version_mismatch" | "already_exists" | "predecessor_unknown" | "cancelled";

export function conflict(type: ConflictType, row: EntityRow, clientVersion: number | undefined, message: string): Refusal {
  const details: JsonObject = {
    conflict_type: type,
    server_version: row.version,
    client_version: clientVersion ?? null,
    last_modified_by: row.updatedBy,
    last_modified_at: formatIso(row.updatedAt),
  };
  return { status: 409, code: "CONFLICT", message, details, current: currentState(row) };
}

/** Null when the base holds. */
export function judgeBase(base: Base | undefined, row: EntityRow, ledger: ReadonlyMap<string, LedgerRow>): Refusal | null {
  if (base === undefined) return null;
  const version = baseVersion(base, ledger, row);
  if (version === row.version) return null;
  if (version === undefined) {
    return conflict("predecessor_unknown", row, undefined, `the operation that this one follows left no version of ${row.type} ${row.id}`);
  }
  return conflict(
    "version_mismatch",
    row,
    version,
    `${row.type} ${row.id} is at version ${row.version}, not ${version}; merge and send again`,
  );
}

/** Null when `If-Match` holds. */
export function judgePrecondition(precondition: Precondition | undefined, row: EntityRow): Refusal | null {
  if (precondition === undefined || precondition.versions === "*" || precondition.versions.includes(row.version)) return null;
  const etag = formatEtag(row.version);
  return {
    status: 412,
    code: "PRECONDITION_FAILED",
    message: `${row.type} ${row.id} has the ETag ${etag}, not ${precondition.provided}; read it again`,
    details: { current_etag: etag, provided_etag: precondition.provided },
    current: currentState(row),
  };
}

export function versionRequired(row: EntityRow): Refusal {
  return {
    status: 428,
    code: "PRECONDITION_REQUIRED",
    message: `changes to a ${row.type} must say which version they were made against: If-Match, or a base`,
    details: { current_etag: formatEtag(row.version) },
    current: currentState(row),
  };
}
