import { SyncError } from "@guardian-sync/protocol";
import type { AccountTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import { type QueuedOperation, wasSent } from "../queue/records.ts";
import { type DeskContext, type EngineContext, factsOf, nowOf } from "./context.ts";
import { membersOf } from "./members.ts";
import { finishReleases, reconsider, release } from "./releasing.ts";
import { resend } from "./resend.ts";

/**
 * Takes an operation back. true: it will certainly not take effect. false: it already did, or a copy of it may be under way; then
 * only the server's cancel marker can stop it, and the operation goes out once more in its place to get one. Of a group all are taken
 * back together.
 */
export async function cancelOperation(context: EngineContext, account: AccountTag, id: string, reason: string): Promise<boolean> {
  let cancelled: QueuedOperation[] = [];
  let isCertain = false;
  let isUnfinished = false;
  await context.queue.change(account, undefined, async (view, change) => {
    cancelled = [];
    isCertain = false;
    isUnfinished = false;
    const found = await view.byId(id);
    if (found === undefined) throw new SyncError("NOT_FOUND", `No operation ${id} is known here; its receipt may have expired.`);
    if (!("operation" in found)) return;
    const members = await membersOf(view, found.operation);
    isUnfinished = await letGoBehind(view, change, members);
    for (const member of members) {
      const operation = change.after(member);
      if (await takeBack(context, view, change, operation, reason)) cancelled.push(operation);
    }
    isCertain = cancelled.length === members.length;
  });
  if (isUnfinished) await finishReleases(context, account);
  for (const operation of cancelled) tellCancelled(context, operation);
  return isCertain;
}

export function tellCancelled({ events, watchers }: DeskContext, cancelled: QueuedOperation): void {
  events.emit({ type: "cancelled", operation: factsOf(cancelled) });
  events.emit({ type: "rolledback", operation: factsOf(cancelled) });
  const settled = { verdict: "cancelled" as const, code: "CANCELLED" };
  watchers.tell(cancelled.content.id, { state: "cancelled", attempts: 0, nextAttemptAt: null, lastError: null, settled });
}

/** What waits for one of them, or only with one of them, is looked at again. Resolves with whether there is more of it. */
export async function letGoBehind(view: AccountView, change: ChangeSet, members: readonly QueuedOperation[]): Promise<boolean> {
  let isUnfinished = false;
  const roots = new Set<Seq>();
  for (const member of members) {
    if (member.phase === "blocked" && member.row !== null && member.row.blockedBy !== 0) roots.add(member.row.blockedBy);
    else if (HOLDING.has(member.phase)) {
      if (!(await release(view, change, member))) isUnfinished = true;
      roots.delete(member.seq);
    }
  }
  const own = new Set(members.map(({ seq }) => seq));
  for (const root of roots) if (!own.has(root)) await reconsider(view, change, root);
  return isUnfinished;
}

const HOLDING: ReadonlySet<QueuedOperation["phase"]> = new Set<QueuedOperation["phase"]>(["conflict", "parked"]);

/** Whether it has ended. */
export async function takeBack(
  context: DeskContext,
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
