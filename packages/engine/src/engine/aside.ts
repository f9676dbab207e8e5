import type { SyncErrorCode } from "@guardian-sync/protocol";
import type { AccountTag } from "../ports/index.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { type EngineContext, factsOf } from "./context.ts";
import { errorText } from "./error-text.ts";
import type { Settled } from "./operation.ts";
import type { PutAside } from "./taking.ts";

/** Where what is put aside is written down, and who hears of it once that is on disk. */
export interface AsideDesk {
  readonly change: ChangeSet;
  readonly hold: (operation: QueuedOperation) => void;
  readonly later: (tell: () => void) => void;
}

/** Takes an operation out of the way of those behind it. */
export function putAside(
  context: EngineContext,
  desk: AsideDesk,
  { operation, step }: PutAside,
  whyUnknown: (operation: QueuedOperation) => string,
): void {
  const { change, hold, later } = desk;
  switch (step.do) {
    case "forget":
      // Its tombstone goes with the others that the head has passed.
      return;
    case "settled_before":
      // Without a row it has been counted, and its content given back, when it ended: only the head was wrong.
      if (operation.row === null) return;
      change.move(operation, "applied_before", { receipt: { outcome: "applied_before" } });
      later(() => {
        const outcome = "applied_before";
        context.events.emit({ type: "succeeded", operation: factsOf(operation), outcome, replayed: true, processingMs: 0 });
        tellEnd(context, operation, "applied", { verdict: "applied" });
      });
      return;
    case "expire":
      change.move(operation, "expire", { receipt: { outcome: "expired", code: "EXPIRED" } });
      later(() => {
        context.events.emit({ type: "cancelled", operation: factsOf(operation) });
        tellEnd(context, operation, "cancelled", { verdict: "expired", code: "EXPIRED" });
      });
      return;
    case "take_back":
      change.move(operation, "cancel_requested", { receipt: { outcome: "cancelled", code: "CANCELLED" } });
      later(() => {
        context.events.emit({ type: "cancelled", operation: factsOf(operation) });
        context.events.emit({ type: "rolledback", operation: factsOf(operation) });
        tellEnd(context, operation, "cancelled", { verdict: "cancelled", code: "CANCELLED" });
      });
      return;
    case "block":
      change.move(operation, "block", { blockedBy: step.by });
      return;
    case "park":
      park(context, desk, { operation, code: "UNKNOWN_TYPE", problem: whyUnknown(operation) });
      return;
    case "quarantine":
      change.move(operation, "quarantine", {
        detail: {
          ...operation.detail,
          code: "UNREADABLE",
          lastError: errorText("UNREADABLE", undefined, "its content cannot be decrypted"),
        },
      });
      hold(operation);
      later(() => context.events.emit({ type: "quarantined", operation: factsOf(operation) }));
      return;
    default:
      step satisfies never;
  }
}

interface Unrenderable {
  readonly operation: QueuedOperation;
  readonly code: SyncErrorCode;
  readonly problem: string;
}

function tellEnd(context: EngineContext, operation: QueuedOperation, state: "applied" | "cancelled", settled: Settled): void {
  const attempts = operation.row?.attempts ?? 0;
  context.watchers.tell(operation.content.id, { state, attempts, nextAttemptAt: null, lastError: null, settled });
}

/** It cannot go on as it is, and nobody but a person, or a new version of the app, can help. */
export function park(context: EngineContext, { change, hold, later }: AsideDesk, { operation, code, problem }: Unrenderable): void {
  const lastError = errorText(code, undefined, problem);
  change.move(operation, "park", { detail: { ...operation.detail, code, lastError } });
  hold(operation);
  later(() => {
    const attempts = operation.row?.attempts ?? 0;
    context.events.emit({ type: "parked", operation: factsOf(operation), code, attempts });
    context.watchers.tell(operation.content.id, {
      state: "parked",
      attempts,
      nextAttemptAt: null,
      lastError,
      settled: { verdict: "failed", code, message: lastError },
    });
  });
}

/** Sealed operations that cannot be read any more: nobody can say what was sent, so a person has to look. */
export async function quarantineSealed(
  context: EngineContext,
  account: AccountTag,
  lease: Lease,
  operations: readonly QueuedOperation[],
): Promise<void> {
  await context.queue.change(account, lease, async (view, change) => {
    const holds = await view.lanes(operations.map((operation) => operation.entityTag));
    for (const operation of await view.bySeq(operations.map(({ seq }) => seq))) {
      if (operation.phase !== "sealed") continue;
      const lastError = errorText("UNREADABLE", undefined, "its sealed bytes cannot be read");
      change.move(operation, "quarantine", { detail: { ...operation.detail, code: "UNREADABLE", lastError } });
      change.hold(operation, holds.get(operation.entityTag));
    }
  });
  for (const operation of operations) context.events.emit({ type: "quarantined", operation: factsOf(operation) });
}
