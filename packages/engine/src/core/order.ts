import type { Ordering } from "@guardian-sync/protocol";
import type { EntityTag, Seq } from "../ports/index.ts";
import type { State } from "./lifecycle.ts";

/** One operation of the window, as far as order is concerned. */
export interface OrderedOperation {
  readonly seq: Seq;
  readonly entityTag: EntityTag;
  /** `pending`, `blocked` and `sealed` count; others have had their turn. */
  readonly state: State;
  /** Epoch ms before which it may not go; 0 = now. */
  readonly dueAt: number;
  /** What a blocked one waits for; 0 = nothing. */
  readonly blockedBy?: Seq | 0;
  /** Operations that have to be applied first. */
  readonly dependsOn?: readonly Seq[];
  /** Waits for this one, whatever the window shows. */
  readonly waitsFor?: Seq;
  /** Members go together or not at all, and stand side by side. */
  readonly groupId?: string;
}

export interface OrderInput {
  readonly ordering: Ordering;
  /** In order of seq. */
  readonly window: readonly OrderedOperation[];
  /** Entities that are held back, and by which operation. */
  readonly holds: ReadonlyMap<EntityTag, Seq>;
  readonly now: number;
}

export interface Turn {
  /** May go now, in this order. */
  readonly send: readonly Seq[];
  /** Have to wait for another operation, and did not yet. */
  readonly block: readonly { readonly seq: Seq; readonly by: Seq }[];
  /** Epoch ms of the next due time that keeps something from going. */
  readonly waitUntil?: number;
}

/**
 * Which operations of a window may go. Global ordering: strictly by seq; one that is not due yet stops all behind it.
 * Entity ordering: it stops its entity only. In both, operations of a held entity are overtaken (blocked), and so are
 * those that depend on one that waits, and their groups.
 */
export function takeTurn({ ordering, window, holds, now }: OrderInput): Turn {
  const held = new Map(holds);
  /** Operations of the window that cannot go, and what each waits for: for those that depend on them. */
  const waiting = new Map<Seq, Seq>();
  const late = new Set<EntityTag>();
  const send: Seq[] = [];
  const block: { seq: Seq; by: Seq }[] = [];
  let waitUntil: number | undefined;

  for (const members of groupsOf(window)) {
    const by = blockerOf(members, held, waiting);
    if (by !== undefined) {
      for (const { seq, state, entityTag } of members) {
        waiting.set(seq, by);
        if (!held.has(entityTag)) held.set(entityTag, by);
        if (state === "pending") block.push({ seq, by });
      }
      continue;
    }
    const dueAt = Math.max(...members.map((member) => member.dueAt));
    const isLate = dueAt > now;
    if (isLate) waitUntil = Math.min(waitUntil ?? dueAt, dueAt);
    if (isLate && ordering === "global") break;
    if (isLate || members.some((member) => late.has(member.entityTag) || isLateDependent(member, waiting))) {
      for (const { seq, entityTag } of members) {
        late.add(entityTag);
        waiting.set(seq, LATE);
      }
      continue;
    }
    for (const { seq } of members) send.push(seq);
  }
  return { send, block, ...(waitUntil === undefined ? {} : { waitUntil }) };
}

/** Waits for a time, not for an operation that a person has to look at: it is not blocked. */
const LATE: Seq = 0 as Seq;

function isLateDependent(member: OrderedOperation, waiting: ReadonlyMap<Seq, Seq>): boolean {
  return member.dependsOn?.some((seq) => waiting.get(seq) === LATE) === true;
}

/** Blocked ones are let go by the event that ends their blocker, never by a look at the window. */
function blockerOf(
  members: readonly OrderedOperation[],
  held: ReadonlyMap<EntityTag, Seq>,
  waiting: ReadonlyMap<Seq, Seq>,
): Seq | undefined {
  for (const member of members) {
    const by = held.get(member.entityTag);
    if (by !== undefined && by < member.seq) return by;
    if (member.waitsFor !== undefined) return member.waitsFor;
    for (const seq of member.dependsOn ?? []) {
      const root = waiting.get(seq);
      if (root !== undefined && root !== LATE) return root;
    }
  }
  const blocked = members.find((member) => member.state === "blocked");
  return blocked === undefined ? undefined : blocked.blockedBy || blocked.seq;
}

function groupsOf(window: readonly OrderedOperation[]): readonly (readonly OrderedOperation[])[] {
  const groups: OrderedOperation[][] = [];
  for (const operation of window) {
    if (operation.state !== "pending" && operation.state !== "sealed" && operation.state !== "blocked") continue;
    const last = groups.at(-1);
    if (operation.groupId !== undefined && last?.[0]?.groupId === operation.groupId) last.push(operation);
    else groups.push([operation]);
  }
  return groups;
}
