import { SyncError } from "@guardian-sync/protocol";
import type { AccountTag } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import { type QueuedOperation, wasSent } from "../queue/records.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { finishReleases, release } from "./releasing.ts";
import { resend } from "./resend.ts";

/**
 * Takes an operation back. true: it will certainly not take effect. false: it already did, or a copy of it may be under way; then
 * only the server's cancel marker can stop it, and the operation goes out once more in its place to get one.
 */
export async function cancelOperation(context: EngineContext, account: AccountTag, id: string, reason: string): Promise<boolean> {
  let cancelled: QueuedOperation | undefined;
  let isUnfinished = false;
  await context.queue.change(account, undefined, async (view, change) => {
    cancelled = undefined;
    isUnfinished = false;
    const found = await view.byId(id);
    if (found === undefined) throw new SyncError("NOT_FOUND", `No operation ${id} is known here; its receipt may have expired.`);
    if (!("operation" in found)) return;
    const { operation } = found;
    if (operation.phase === "conflict" || operation.phase === "parked") isUnfinished = !(await release(view, change, operation));
    if (await takeBack(context, view, change, operation, reason)) cancelled = operation;
  });
  if (isUnfinished) await finishReleases(context, account);
  if (cancelled === undefined) return false;
  tellCancelled(context, cancelled);
  return true;
}

export function tellCancelled(context: EngineContext, cancelled: QueuedOperation): void {
  context.events.emit({ type: "cancelled", operation: factsOf(cancelled) });
  context.events.emit({ type: "rolledback", operation: factsOf(cancelled) });
  const settled = { verdict: "cancelled" as const, code: "CANCELLED" };
  context.watchers.tell(cancelled.content.id, { state: "cancelled", attempts: 0, nextAttemptAt: null, lastError: null, settled });
}

/** Whether it has ended. */
export async function takeBack(
  context: EngineContext,
  view: AccountView,
  change: ChangeSet,
  operation: QueuedOperation,
  reason: string,
): Promise<boolean> {
  const history = [...(operation.detail.history ?? []), { at: nowOf(context), event: `cancel: ${reason}`.slice(0, 100) }].slice(-20);
  const wanted = { detail: { ...operation.detail, cancelWanted: true, history } };
  switch (operation.phase) {
    case "sealed":
      change.touch(operation, wanted);
      return false;
    case "ready":
    case "blocked":
    case "pending":
      if (operation.row !== null && wasSent(operation)) {
        change.touch(operation, wanted);
        return false;
      }
      break;
    case "parked":
      if (operation.row?.packId) {
        await resend(view, change, operation, { ...wanted, firstSendAt: nowOf(context) });
        return false;
      }
      break;
    case "conflict":
      break;
    case "failed":
    case "archived":
    case "quarantined":
    case "acked":
    case "folded":
    case "cancelled":
      return false;
    default:
      return operation.phase satisfies never;
  }
  change.move(operation, "cancel_requested", { receipt: { outcome: "cancelled", code: "CANCELLED" } });
  return true;
}
