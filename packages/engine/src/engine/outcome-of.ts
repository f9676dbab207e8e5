import type { Receipt } from "../format/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { OperationState, OperationStatus, Settled, VerdictKind } from "./operation.ts";

const VERDICTS: Readonly<Record<Receipt["outcome"], VerdictKind>> = {
  applied: "applied",
  noop: "applied",
  applied_before: "applied",
  superseded: "superseded",
  cancelled: "cancelled",
  expired: "expired",
  rejected: "rejected",
  failed: "failed",
};

/** The verdict that a receipt records. */
export function settledByReceipt(receipt: Pick<Receipt, "outcome" | "code" | "status" | "version" | "serverId">): Settled {
  const { code, status, version, serverId } = receipt;
  return {
    verdict: VERDICTS[receipt.outcome],
    ...(code === undefined ? {} : { code }),
    ...(status === undefined ? {} : { status }),
    ...(version === undefined ? {} : { version }),
    ...(serverId === undefined ? {} : { serverId }),
  };
}

/** The verdict of an operation that is still kept; null while it waits. */
function settledInQueue(operation: QueuedOperation): Settled | null {
  const { code, status, lastError } = operation.detail;
  const why = {
    ...(code === undefined ? {} : { code }),
    ...(status === undefined ? {} : { status }),
    ...(lastError === undefined ? {} : { message: lastError }),
  };
  switch (operation.phase) {
    case "failed":
    case "archived":
      return { verdict: operation.detail.rejected === true ? "rejected" : "failed", ...why };
    case "parked":
    case "quarantined":
      return { verdict: "failed", ...why };
    case "conflict":
      return { verdict: "conflict", ...why };
    case "acked": {
      const version = operation.detail.acked?.version;
      return { verdict: "applied", ...(version === undefined ? {} : { version }) };
    }
    case "pending":
    case "ready":
    case "blocked":
    case "sealed":
    case "folded":
    case "cancelled":
      return null;
    default:
      return operation.phase satisfies never;
  }
}

export function statusInQueue(operation: QueuedOperation): OperationStatus {
  const { row, phase, detail } = operation;
  const state: OperationState = phase === "ready" ? "pending" : phase;
  return {
    state,
    attempts: row?.attempts ?? 0,
    nextAttemptAt: row !== null && row.dueAt > 0 ? row.dueAt : null,
    lastError: detail.lastError ?? null,
    settled: settledInQueue(operation),
  };
}

export function statusByReceipt(receipt: Receipt): OperationStatus {
  const settled = settledByReceipt(receipt);
  const state: OperationState = settled.verdict === "expired" ? "cancelled" : settled.verdict === "rejected" ? "failed" : settled.verdict;
  return { state, attempts: 0, nextAttemptAt: null, lastError: null, settled };
}
