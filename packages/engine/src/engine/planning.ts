import type { EpochMs, Ordering } from "@guardian-sync/protocol";
import { dueTime } from "../core/backoff.ts";
import type { Capabilities } from "../core/handshake.ts";
import { standingOf } from "../core/standing.ts";
import { stateOf } from "../core/lifecycle.ts";
import { longestWaitMs } from "../core/settlement.ts";
import { type Candidate, planWindow, type WindowPlan } from "../core/window.ts";
import type { EntityTag, LaneRow, Phase, Seq } from "../ports/index.ts";
import { type AccountView, isTombstone } from "../queue/account-view.ts";
import { type QueuedOperation, wasSent } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import type { Registry } from "./definitions.ts";
import { type Folding, foldWindow } from "./folding.ts";
import { membersOf, placesOf } from "./members.ts";
import { type Parents, readParents } from "./parents.ts";
import { whyUnknown } from "./rendering.ts";
import { heldByReferences } from "./wire-ids.ts";

/** What shall become of the operations that wait next, and what that was decided from. */
export interface Outlook {
  readonly window: readonly QueuedOperation[];
  readonly holds: ReadonlyMap<EntityTag, LaneRow>;
  readonly parents: ReadonlyMap<Seq, Parents>;
  readonly plan: WindowPlan;
  readonly folding: Folding;
}

/**
 * `waiting`: in order, as far as it was read; a group that it cuts off is completed. Under entity ordering what may go, in the order in
 * which it is taken.
 */
export async function planNext(
  context: Pick<EngineContext, "settings" | "queue">,
  view: AccountView,
  waiting: readonly QueuedOperation[],
  capabilities: Pick<Capabilities, "level" | "namedOperations" | "collections">,
  ordering: Ordering,
  now: EpochMs,
): Promise<Outlook> {
  const window = await withWholeGroups(view, waiting);
  const { registry } = context.settings;
  const [holds, receipts, parents, elsewhere, unnamed] = await Promise.all([
    view.lanes(window.map((operation) => operation.entityTag)),
    view.receiptsFor(window),
    readParents(view, window, now),
    membersElsewhere(view, window),
    heldByReferences({ queue: context.queue, registry }, view, window),
  ]);
  const dueAt = (operation: QueuedOperation): number => dueTime(operation.row?.dueAt ?? 0, now, longestWaitMs(context.settings.backoff));
  const candidates = candidatesOf(window, { registry, capabilities, receipts, parents, elsewhere, unnamed, dueAt });
  const plan = planWindow(candidates, blockers(holds), now, ordering);
  return { window, holds, parents, plan, folding: foldWindow(context, capabilities, window, plan.steps, ordering) };
}

interface WindowFacts {
  readonly registry: Registry;
  readonly capabilities: Pick<Capabilities, "collections">;
  readonly receipts: ReadonlyMap<Seq, unknown>;
  readonly parents: ReadonlyMap<Seq, Parents>;
  readonly elsewhere: ReadonlyMap<string | undefined, Seq>;
  readonly unnamed: ReadonlyMap<Seq, Seq>;
  /** Epoch ms; 0 = at once. */
  readonly dueAt: (operation: QueuedOperation) => number;
}

/** The operations of a window as `planWindow` takes them. */
function candidatesOf(
  window: readonly QueuedOperation[],
  { registry, capabilities, receipts, parents, elsewhere, unnamed, dueAt }: WindowFacts,
): readonly Candidate[] {
  const groups = groupsIn(window);
  return window.map((operation) => ({
    seq: operation.seq,
    entityTag: operation.entityTag,
    isTombstone: isTombstone(operation),
    isReadable: operation.readable,
    isKnown: whyUnknown(registry, operation.content, capabilities) === undefined,
    isSettled: receipts.has(operation.seq),
    // A copy of one that was ever sent may still arrive: it ends by the server's marker, not by the clock.
    expiresAt: wasSent(operation) ? 0 : (operation.content.expiresAt ?? 0),
    dueAt: dueAt(operation),
    isCreate: operation.content.type === "CREATE",
    groupId: groups.get(operation.seq),
    ...(unnamed.has(operation.seq) ? { waitsFor: unnamed.get(operation.seq) } : {}),
    ...parents.get(operation.seq)?.facts,
    ...(elsewhere.has(groups.get(operation.seq)) ? { waitsFor: elsewhere.get(groups.get(operation.seq)) } : {}),
  }));
}

function blockers(holds: ReadonlyMap<EntityTag, LaneRow>): ReadonlyMap<EntityTag, Seq> {
  return new Map([...holds].flatMap(([tag, lane]) => (lane.blockedBy === 0 ? [] : [[tag, lane.blockedBy as Seq] as const])));
}

/** The members of the last group that the window cuts off: they follow it in the queue. */
async function withWholeGroups(view: AccountView, window: readonly QueuedOperation[]): Promise<readonly QueuedOperation[]> {
  const last = window.at(-1);
  const place = last?.content.groupPlace;
  if (last === undefined || place === undefined || place.index === place.size - 1) return window;
  const members = await membersOf(view, last);
  return [...window, ...members.filter(({ seq, phase }) => seq > last.seq && (phase === "ready" || phase === "pending"))];
}

/** Also of what cannot be read: its neighbours know that it belongs to them. */
function groupsIn(window: readonly QueuedOperation[]): ReadonlyMap<Seq, string> {
  const groups = new Map<Seq, string>();
  for (const operation of window) {
    const { groupId } = operation.content;
    if (groupId !== undefined) for (const place of placesOf(operation)) groups.set(place, groupId);
  }
  return groups;
}

/** What groups of the window wait for that have a member elsewhere: blocked, parked, in conflict, or nobody can read it. */
async function membersElsewhere(view: AccountView, window: readonly QueuedOperation[]): Promise<ReadonlyMap<string | undefined, Seq>> {
  const here = new Set(window.map(({ seq }) => seq));
  const waits = new Map<string | undefined, Seq>();
  const seen = new Set<string>();
  for (const operation of window) {
    const { groupId } = operation.content;
    if (groupId === undefined || seen.has(groupId)) continue;
    seen.add(groupId);
    if (placesOf(operation).every((place) => here.has(place))) continue;
    const absent = (await membersOf(view, operation)).filter(({ seq, phase }) => !here.has(seq) && phase !== "pending");
    const away = absent.find(({ phase }) => standingOf(stateOf(phase as Phase)) === "holds");
    if (away !== undefined) waits.set(groupId, away.row?.blockedBy || away.seq);
  }
  return waits;
}
