import type { SyncErrorCode } from "@guardian-sync/protocol";
import { holdsEntity } from "../core/holds-entity.ts";
import { operationLane } from "../core/lanes.ts";
import type { AccountTag } from "../ports/index.ts";
import { MAX_SEALED } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import { isNumbered, type QueuedOperation } from "../queue/records.ts";
import { type EngineContext, factsOf } from "./context.ts";
import { errorText } from "./error-text.ts";
import { placesOf } from "./members.ts";
import type { Settled } from "./operation.ts";
import type { PutAside } from "./taking.ts";
import { close, openBehind } from "./unsealing.ts";

/** Where what is put aside is written down, and who hears of it once that is on disk. */
export interface AsideDesk {
  readonly change: ChangeSet;
  readonly hold: (holder: Pick<QueuedOperation, "seq" | "entityTag">) => void;
  readonly later: (tell: () => void) => void;
  /** Ids of what an operation depended on, and that is gone. */
  readonly lostParents: (operation: QueuedOperation) => readonly string[];
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
      // What comes behind it waits with it, also where it waits for an operation of another entity.
      hold({ seq: step.by, entityTag: operation.entityTag });
      return;
    case "orphan":
      orphan(context, desk, operation);
      return;
    case "lose": {
      const gone = desk.lostParents(operation);
      const problem = `nobody knows any more what became of operation ${gone.join(", ")}, which it depends on; retry it without, or discard it`;
      park(context, desk, { operation, code: "DEPENDENCY_FAILED", problem, lostParents: gone });
      return;
    }
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
  readonly lostParents?: readonly string[];
}

function tellEnd(context: EngineContext, operation: QueuedOperation, state: "applied" | "cancelled", settled: Settled): void {
  const attempts = operation.row?.attempts ?? 0;
  context.watchers.tell(operation.content.id, { state, attempts, nextAttemptAt: null, lastError: null, settled });
}

/** It can have no effect, because what it depends on has none: failed, for a person to see. A retry goes without what is gone. */
function orphan(context: EngineContext, { change, hold, later, lostParents }: AsideDesk, operation: QueuedOperation): void {
  const code = "DEPENDENCY_FAILED";
  const gone = lostParents(operation);
  const problem =
    gone.length === 0
      ? "another member of its group cannot take effect, and a group is applied whole or not at all"
      : `operation ${gone.join(", ")}, which it depends on, was cancelled, discarded or replaced`;
  const lastError = errorText(code, undefined, problem);
  const state = change.move(operation, "orphan", { detail: { ...operation.detail, code, lastError, ...withLost(operation, gone) } });
  if (holdsEntity(state, operation.content.type)) hold(operation);
  later(() => {
    const attempts = operation.row?.attempts ?? 0;
    context.events.emit({ type: "failed", operation: factsOf(operation), attempts, code });
    context.events.emit({ type: "rolledback", operation: factsOf(operation) });
    const settled = { verdict: "failed", code, message: lastError } as const;
    context.watchers.tell(operation.content.id, { state: "failed", attempts, nextAttemptAt: null, lastError, settled });
  });
}

function withLost({ detail }: QueuedOperation, gone: readonly string[] = []): { readonly lostParents?: readonly string[] } {
  return gone.length === 0 ? {} : { lostParents: [...new Set([...(detail.lostParents ?? []), ...gone])] };
}

/** It cannot go on as it is, and nobody but a person, or a new version of the app, can help. */
export function park(
  context: EngineContext,
  { change, hold, later }: Omit<AsideDesk, "lostParents">,
  { operation, code, problem, lostParents }: Unrenderable,
): void {
  const lastError = errorText(code, undefined, problem);
  change.move(operation, "park", { detail: { ...operation.detail, code, lastError, ...withLost(operation, lostParents) } });
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

/**
 * Sealed operations that cannot be read any more: nobody can say what was sent, so a person has to look. What is left of their groups
 * is not sent without them, and what depends on them waits.
 */
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
    // Of a damaged one nothing can be read: its place in the queue says to which group it belongs.
    const damaged = new Set(operations.map(({ seq }) => seq));
    const left = (await view.inPhase(["sealed"], 0, MAX_SEALED)).filter(
      (one) => !damaged.has(one.seq) && placesOf(one).some((place) => damaged.has(place)),
    );
    const lanes = await view.lanes(left.map(({ entityTag }) => entityTag));
    for (const operation of left) {
      const code = "OUTCOME_UNKNOWN";
      const lastError = errorText(code, undefined, "what was sent with it as one group cannot be read any more; look at the documents");
      change.move(operation, "park", { detail: { ...operation.detail, code, lastError } });
      change.hold(operation, lanes.get(operation.entityTag));
    }
    const gone = [...operations, ...left];
    const except = new Set(gone.map(({ seq }) => seq));
    const closed = new Map(gone.map(({ content, seq }) => [operationLane(content.id), seq]));
    for (const operation of gone) if (!isNumbered({ operation })) close(closed, [operation.entityTag], operation.seq);
    await openBehind(context, view, change, { allNumbered: false, closed, except });
  });
  for (const operation of operations) context.events.emit({ type: "quarantined", operation: factsOf(operation) });
}
