import { stateOf } from "../core/lifecycle.ts";
import { standingOf } from "../core/standing.ts";
import { planWindow } from "../core/window.ts";
import type { AccountTag, EntityRow, EntityTag, Phase, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { isTombstone } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import { type QueuedOperation, type SendableRecord, wasSent } from "../queue/records.ts";
import { packSealed } from "../format/index.ts";
import { stampText } from "../queue/sealed-text.ts";
import { type AsideDesk, park, putAside } from "./aside.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { membersOf, placesOf } from "./members.ts";
import { readParents } from "./parents.ts";
import { isKnownType } from "./rendering.ts";
import { type Room, take } from "./taking.ts";

export interface SealRequest extends Room {
  readonly account: AccountTag;
  readonly lease: Lease;
  /** With fewer that wait, nothing is sealed. */
  readonly atLeast?: number;
}
export type SealResult =
  /** Bytes are fixed and durable. */
  | {
      readonly kind: "sealed";
      readonly records: readonly SendableRecord[];
      /** Of the account, right after. */
      readonly revision: number;
    }
  /** Something moved out of the way; look again. */
  | { readonly kind: "moved" }
  | { readonly kind: "wait"; readonly until: number }
  | { readonly kind: "nothing" };

/**
 * Takes the next operations in order and fixes their bytes: one durable transaction that renders, numbers and packs them,
 * and puts aside what cannot go. From here on nothing about them changes until a definite verdict.
 */
export async function sealNext(context: EngineContext, request: SealRequest): Promise<SealResult> {
  let result: SealResult = { kind: "nothing" };
  let told: (() => void)[] = [];
  const wrote = await context.queue.change(request.account, request.lease, async (view, change) => {
    told = [];
    result = await decide(context, request, view, change, (tell) => told.push(tell));
  });
  for (const tell of told) tell();
  if (wrote && result.kind === "nothing") return { kind: "moved" };
  return result;
}

async function decide(
  context: EngineContext,
  request: SealRequest,
  view: AccountView,
  change: ChangeSet,
  later: (tell: () => void) => void,
): Promise<SealResult> {
  if (view.row.counts.pending < (request.atLeast ?? 0)) return { kind: "nothing" };
  const now = nowOf(context);
  const ready = await view.inPhase(["ready"], 0, request.maxOperations);
  // Everything that waits below the head goes before everything at or beyond it.
  const fresh = ready.length >= request.maxOperations ? [] : (await view.fresh(request.maxOperations - ready.length)).operations;
  const window = await withWholeGroups(view, [...ready, ...fresh]);
  if (window.length === 0) return { kind: "nothing" };

  const [holds, receipts, parents, elsewhere] = await Promise.all([
    view.lanes(window.map((operation) => operation.entityTag)),
    view.receiptsFor(window),
    readParents(view, window, now),
    membersElsewhere(view, window),
  ]);
  const groups = groupsIn(window);
  const plan = planWindow(
    window.map((operation) => ({
      seq: operation.seq,
      entityTag: operation.entityTag,
      isTombstone: isTombstone(operation),
      isReadable: operation.readable,
      isKnown: isKnownType(context.settings.registry, operation.content, request.capabilities),
      isSettled: receipts.has(operation.seq),
      // A copy of one that was ever sent may still arrive: it ends by the server's marker, not by the clock.
      expiresAt: wasSent(operation) ? 0 : (operation.content.expiresAt ?? 0),
      dueAt: operation.row?.dueAt ?? 0,
      isCreate: operation.content.type === "CREATE",
      groupId: groups.get(operation.seq),
      ...parents.get(operation.seq)?.facts,
      ...(elsewhere.has(groups.get(operation.seq)) ? { waitsFor: elsewhere.get(groups.get(operation.seq)) } : {}),
    })),
    new Map([...holds].flatMap(([tag, lane]) => (lane.blockedBy === 0 ? [] : [[tag, lane.blockedBy] as const]))),
    now,
  );

  const taken = take(context.settings.registry, request, window, plan.steps, { bases: await entityBases(view, window), parents }, now);
  const head = headAfter(view, window, taken.looked);
  if (head !== view.global.head) change.putGlobalLane({ ...view.global, head });
  const [stamped, tombstones] = await Promise.all([
    Promise.all(taken.batch.map((item) => stampText(context.platform.hash, item.rendered.text))),
    view.tombstonesBelow(head),
  ]);
  for (const seq of tombstones) change.dropTombstone(seq);
  const hold: AsideDesk["hold"] = (holder) => change.hold(holder, holds.get(holder.entityTag));
  const lostParents: AsideDesk["lostParents"] = ({ seq }) => parents.get(seq)?.gone ?? [];
  const desk: AsideDesk = { change, hold, later, lostParents };
  for (const one of taken.aside) putAside(context, desk, one);
  for (const one of taken.unrenderable) park(context, desk, one);
  if (taken.batch.length === 0)
    return plan.waitUntil === undefined || taken.looked > 0 ? { kind: "nothing" } : { kind: "wait", until: plan.waitUntil };

  const { queue } = context;
  const packId = queue.newUuid();
  const pack = await packSealed(queue.opened.keys, queue.opened.store.storeId, packId, stamped);
  change.putPack(pack);
  let opNumber = view.detail.nextOpNumber;
  const offset = view.detail.clockOffsetMs;
  const records = taken.batch.map(({ operation, rendered }, packIndex) => {
    const numbered = rendered.face === "sync";
    const isExpired = (operation.content.expiresAt ?? Number.POSITIVE_INFINITY) <= now;
    change.move(operation, "seal", {
      ...(isExpired ? { detail: { ...operation.detail, cancelWanted: true } } : {}),
      pack: { packId, packIndex },
      opNumber: numbered ? opNumber++ : 0,
      // Server time; 0 ("older than anything") while no offset was ever measured.
      firstSendAt: operation.row?.firstSendAt || (offset === undefined ? 1 : now + offset),
    });
    later(() => {
      context.events.emit({ type: "sealed", operation: factsOf(operation) });
    });
    return {
      operation: change.after(operation),
      text: rendered.text,
      sentBefore: false,
    };
  });
  if (opNumber !== view.detail.nextOpNumber) change.putAccountDetail({ ...view.detail, nextOpNumber: opNumber });
  return { kind: "sealed", records, revision: view.row.revision + 1 };
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

/** The first seq that has still not been looked at. */
function headAfter(view: AccountView, window: readonly QueuedOperation[], looked: number): Seq {
  const last = window.slice(0, looked).findLast((operation) => operation.seq >= view.global.head);
  return last === undefined ? view.global.head : ((last.seq + 1) as Seq);
}

async function entityBases(view: AccountView, window: readonly QueuedOperation[]): Promise<ReadonlyMap<EntityTag, EntityRow>> {
  const tags = [...new Set(window.filter((operation) => operation.content.base !== undefined).map((operation) => operation.entityTag))];
  return new Map((await view.entities(tags)).map((row) => [row.entityTag, row]));
}
