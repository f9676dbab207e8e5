/** Which operations of a batch may still run after others did not: pure, one step per result. */
import type { OperationResult, Ordering } from "@guardian-sync/protocol";
import type { Operation } from "./operation.ts";
import { blocked, dependencyFailed, type Refusal } from "./refusal.ts";
import { refKey } from "./storage.ts";

export interface BatchState {
  readonly ordering: Ordering;
  /** Global ordering: something stopped the queue; nothing after it runs. */
  readonly hasEnded: boolean;
  readonly stoppedLanes: ReadonlySet<string>;
  readonly heldEntities: ReadonlySet<string>;
  /** Keys that did not take effect. */
  readonly failedKeys: ReadonlySet<string>;
}

export function emptyBatch(ordering: Ordering): BatchState {
  return { ordering, hasEnded: false, stoppedLanes: new Set(), heldEntities: new Set(), failedKeys: new Set() };
}

export const BATCH_ENDED: Refusal = blocked("an earlier operation of this batch did not run; this one was not executed");

/**
 * Why `operation` must not run, or null. A rejected operation holds the later ones of its entity and those that depend on it; a
 * conflict, a retry, a skipped one, and a late copy of what was cancelled stop their lane; with global ordering they end the batch.
 */
export function skipReason(state: BatchState, operation: Operation): Refusal | null {
  if (state.hasEnded) return BATCH_ENDED;
  const failed = operation.dependsOn.find((key) => state.failedKeys.has(key));
  if (failed !== undefined) return dependencyFailed(`the operation ${failed} that this one depends on did not take effect`);
  if (state.stoppedLanes.has(laneOf(operation))) return blocked("an earlier operation of this lane did not run; this one was not executed");
  if (state.heldEntities.has(entityOf(operation))) {
    return blocked(`an earlier operation on ${operation.entityType} ${operation.entityId} did not run; this one was not executed`);
  }
  return null;
}

/** `consumesTurn` false under global ordering means that the number is still free: what follows cannot be in turn. */
export function observe(state: BatchState, operation: Operation, result: OperationResult, consumesTurn: boolean): BatchState {
  const { outcome } = result;
  if (outcome === "applied" || outcome === "noop" || outcome === "applied_before") return state;
  const failedKeys = operation.key === null ? state.failedKeys : new Set(state.failedKeys).add(operation.key);
  // A marker stopped a late copy: what follows in that copy may have been withdrawn since, and must not slip in.
  const isLate = outcome === "cancelled" && !operation.isCancelled;
  const stops = isLate || outcome === "conflict" || outcome === "retry" || outcome === "skipped";
  const hasEnded = state.hasEnded || (state.ordering === "global" && (stops || !consumesTurn));
  // A cancelled operation is settled: its entity goes on without it, only its dependents cannot.
  if (outcome === "cancelled" && !isLate) return { ...state, failedKeys, hasEnded };
  return {
    ...state,
    failedKeys,
    hasEnded,
    stoppedLanes: stops ? new Set(state.stoppedLanes).add(laneOf(operation)) : state.stoppedLanes,
    heldEntities: new Set(state.heldEntities).add(entityOf(operation)),
  };
}

/** A malformed operation: nothing is known of it but that it did not run. */
export function observeMalformed(state: BatchState, key: string): BatchState {
  return { ...state, failedKeys: new Set(state.failedKeys).add(key), hasEnded: state.hasEnded || state.ordering === "global" };
}

function laneOf({ lane, ...operation }: Operation): string {
  // Without a lane of its own an operation is in its entity's. NUL keeps the two kinds of names apart.
  return lane === undefined ? `\u0000${entityOf(operation)}` : lane;
}
function entityOf({ entityType, entityId }: Pick<Operation, "entityType" | "entityId">): string {
  return refKey({ type: entityType, id: entityId });
}
