/** A refusal as data: what the wire's error envelope, a result of a batch and the ledger all say. */
import {
  type CurrentState,
  isStoredStatus,
  type JsonObject,
  type ResultOutcome,
  type WireCode,
  type WireError,
} from "@guardian-sync/protocol";

export interface Refusal {
  readonly status: number;
  readonly code: WireCode;
  /** For a person: what happened, to which thing, what to do. */
  readonly message: string;
  readonly details?: JsonObject;
  /** What is there instead; goes with 409 and 412. */
  readonly current?: CurrentState;
}

/** Ends a request, or one operation of it, with a refusal. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/**
 * Thrown by a named operation's handler to say no. With a status that the ledger stores (400, 403, 404, 410, 422) the verdict is
 * final and replayed; with 409, 412, 429 and the like nothing is stored and the client comes back.
 */
export class OperationRejected extends RequestRefused {}

/** Refusals that never enter the ledger although their status would: they are about the sender or the key, not the operation. */
const NEVER_STORED: ReadonlySet<WireCode> = new Set(["IDEMPOTENCY_MISMATCH", "PRINCIPAL_MISMATCH", "CLOCK_SKEW", "CLIENT_TOO_OLD"]);

/** Whether the same operation would be refused the same way for ever, so that the ledger may answer in its place. */
export function isFinal({ status, code }: Refusal): boolean {
  return isStoredStatus(status) && !NEVER_STORED.has(code);
}

const CONFLICTS: ReadonlySet<WireCode> = new Set(["CONFLICT", "PRECONDITION_FAILED", "PRECONDITION_REQUIRED"]);

/** What a refused operation is called in the result of a batch. */
export function outcomeOf(refusal: Refusal): ResultOutcome {
  if (refusal.status === 424) return "skipped";
  if (CONFLICTS.has(refusal.code)) return "conflict";
  return isFinal(refusal) || (refusal.status >= 400 && refusal.status < 500 && isStoredStatus(refusal.status)) ? "rejected" : "retry";
}

export function wireError({ code, message, details }: Refusal): WireError {
  return details === undefined ? { code, message } : { code, message, details };
}

export function invalid(field: string, constraint: string, message: string, status: 400 | 422 = 422): Refusal {
  return { status, code: "VALIDATION_ERROR", message, details: { field, constraint } };
}

export function notFound(resourceType: string, resourceId: string): Refusal {
  return {
    status: 404,
    code: "RESOURCE_NOT_FOUND",
    message: `there is no ${resourceType} with the id ${resourceId}`,
    details: { resource_type: resourceType, resource_id: resourceId },
  };
}

export function unknownCollection(entityType: string): Refusal {
  return {
    status: 404,
    code: "RESOURCE_NOT_FOUND",
    message: `this server keeps no ${JSON.stringify(entityType)}`,
    details: { resource_type: "collection", resource_id: entityType },
  };
}

export function forbidden(message: string, requiredPermission?: string): Refusal {
  const details = requiredPermission === undefined ? {} : { details: { required_permission: requiredPermission } };
  return { status: 403, code: "FORBIDDEN", message, ...details };
}

export function blocked(message: string): Refusal {
  return { status: 424, code: "BLOCKED", message };
}
export function dependencyFailed(message: string): Refusal {
  return { status: 424, code: "DEPENDENCY_FAILED", message };
}

/** Never with the cause: what went wrong inside is for the log, not for the client. */
export const INTERNAL: Refusal = {
  status: 500,
  code: "INTERNAL_ERROR",
  message: "the server failed to do this; try again later and give the X-Request-Id when you report it",
};
