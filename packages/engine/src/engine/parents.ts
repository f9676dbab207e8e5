import { standingOf } from "../core/standing.ts";
import type { Candidate } from "../core/window.ts";
import type { Receipt } from "../format/index.ts";
import type { Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { stateOfOperation } from "../queue/change-set.ts";
import type { QueuedOperation } from "../queue/records.ts";

/** What an operation depends on, as it stands in the queue file: another process may have written it. */
export interface Parents {
  /** For the plan. */
  readonly facts: Pick<Candidate, "dependsOn" | "parents" | "waitsFor">;
  /** Not applied yet, and before it in the queue. */
  readonly ahead: readonly QueuedOperation[];
  /** Ids of those that ended without effect, or that nobody knows. */
  readonly gone: readonly string[];
}

const WITHOUT_EFFECT: ReadonlySet<Receipt["outcome"]> = new Set<Receipt["outcome"]>([
  "superseded",
  "cancelled",
  "expired",
  "rejected",
  "failed",
]);

/** For those of the window that depend on others. */
export async function readParents(view: AccountView, window: readonly QueuedOperation[], now: number): Promise<ReadonlyMap<Seq, Parents>> {
  const found = new Map<Seq, Parents>();
  const here = new Map<string, QueuedOperation>();
  for (const operation of window) {
    here.set(operation.content.id, operation);
    const ids = idsOf(operation, now);
    if (ids.length > 0) found.set(operation.seq, await parentsOf(view, operation, ids, here));
  }
  return found;
}

/** Of one that only goes to be stopped none counts: its marker is all that is wanted. */
function idsOf({ content, detail }: QueuedOperation, now: number): readonly string[] {
  if (detail.cancelWanted === true || (content.expiresAt ?? Number.POSITIVE_INFINITY) <= now) return [];
  return (content.dependsOn ?? []).filter((id) => detail.lostParents?.includes(id) !== true);
}

async function parentsOf(
  view: AccountView,
  child: QueuedOperation,
  ids: readonly string[],
  here: ReadonlyMap<string, QueuedOperation>,
): Promise<Parents> {
  const ahead: QueuedOperation[] = [];
  const dead: string[] = [];
  const lost: string[] = [];
  let waitsFor: Seq | undefined;
  for (const id of ids) {
    const near = here.get(id);
    const parent = await survivorOf(view, near === undefined ? await view.byId(id) : { operation: near });
    if (parent === undefined) lost.push(id);
    else if ("receipt" in parent) {
      if (WITHOUT_EFFECT.has(parent.receipt.outcome)) dead.push(id);
    } else {
      const { operation } = parent;
      const standing = standingOf(stateOfOperation(operation));
      if (standing === "dead") dead.push(id);
      // Another process stored it later: it can never come first.
      else if (standing !== "done" && operation.seq > child.seq) lost.push(id);
      else if (standing === "ahead") ahead.push(operation);
      // A group waits as a whole for what one of its members waits for.
      else if (standing === "holds" && !isSameGroup(operation, child)) waitsFor ??= operation.row?.blockedBy || operation.seq;
    }
  }
  const worst = dead.length > 0 ? "dead" : lost.length > 0 ? "lost" : undefined;
  return {
    ahead,
    gone: [...dead, ...lost],
    facts: {
      dependsOn: ahead.map(({ seq }) => seq),
      ...(worst === undefined ? {} : { parents: worst }),
      ...(waitsFor === undefined ? {} : { waitsFor }),
    },
  };
}

function isSameGroup(a: QueuedOperation, b: QueuedOperation): boolean {
  return a.content.groupId !== undefined && a.content.groupId === b.content.groupId;
}

type Found = Awaited<ReturnType<AccountView["byId"]>>;

/** What was folded has the fate of the one that it is in. */
async function survivorOf(view: AccountView, parent: Found): Promise<Found> {
  if (parent === undefined || "receipt" in parent || parent.operation.phase !== "folded") return parent;
  const [survivor] = await view.bySeq([(parent.operation.row?.blockedBy ?? 0) as Seq]);
  return survivor === undefined ? parent : { operation: survivor };
}
