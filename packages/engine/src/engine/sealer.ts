import type { EpochMs } from "@guardian-sync/protocol";
import type { Capabilities } from "../core/handshake.ts";
import { standingOf } from "../core/holds-entity.ts";
import { stateOf } from "../core/lifecycle.ts";
import { type Candidate, planWindow, type WindowPlan } from "../core/window.ts";
import type { AccountTag, EntityTag, LaneRow, Phase, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { isTombstone } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import { type QueuedOperation, type SendableRecord, wasSent } from "../queue/records.ts";
import { packSealed } from "../format/index.ts";
import { stampText } from "../queue/sealed-text.ts";
import { type AsideDesk, park, putAside } from "./aside.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import type { Registry } from "./definitions.ts";
import { annihilate, type Folding, foldWindow, putMembers } from "./folding.ts";
import { type Parents, readParents } from "./parents.ts";
import { type KnownResult, whyUnknown } from "./rendering.ts";
import { type Room, take } from "./taking.ts";
import { wireIdsOf } from "./wire-ids.ts";

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
      /** How many have left the waiting ones: these, and what was folded into them. */
      readonly left: number;
      /** Of the account, right after. */
      readonly revision: number;
    }
  /** Something moved out of the way; look again. */
  | { readonly kind: "moved" }
  | { readonly kind: "wait"; readonly until: number }
  | { readonly kind: "nothing" };

/** So many operations are looked at for one request. */
const MAX_LOOK = 1000;

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
  const { registry } = context.settings;
  const look = await lookAhead(context, request, view, now);
  if (look === undefined) return { kind: "nothing" };
  const { window, holds, plan, folding, parents } = look;

  const [bases, wireId] = await Promise.all([knownResults(view, window), wireIdsOf({ queue: context.queue, registry }, view, window)]);
  const taken = take(context, request, { window, steps: plan.steps, folding, bases, parents, wireId });
  const head = headAfter(view, window, taken.looked);
  if (head !== view.global.head) change.putGlobalLane({ ...view.global, head });
  const [stamped, tombstones] = await Promise.all([
    Promise.all(taken.batch.map((item) => stampText(context.platform.hash, item.rendered.text))),
    view.tombstonesBelow(head),
  ]);
  for (const seq of tombstones) change.dropTombstone(seq);
  const hold: AsideDesk["hold"] = (holder) => change.hold(holder, holds.get(holder.entityTag));
  const lostParents: AsideDesk["lostParents"] = ({ seq }) => parents.get(seq)?.gone ?? [];
  const why = ({ content }: QueuedOperation): string => whyUnknown(registry, content, request.capabilities) ?? "";
  const desk: AsideDesk = { change, hold, later, lostParents };
  for (const one of taken.aside) putAside(context, desk, one, why);
  for (const one of taken.unrenderable) park(context, desk, one);
  annihilate(context, change, taken.annihilated, later);
  if (taken.batch.length === 0)
    return plan.waitUntil === undefined || taken.looked > 0 ? { kind: "nothing" } : { kind: "wait", until: plan.waitUntil };

  const { queue } = context;
  const packId = queue.newUuid();
  const pack = await packSealed(queue.opened.keys, queue.opened.store.storeId, packId, stamped);
  change.putPack(pack);
  let opNumber = view.detail.nextOpNumber;
  const offset = view.detail.clockOffsetMs;
  let left = taken.annihilated.length;
  const records = taken.batch.map(({ operation, rendered, members }, packIndex) => {
    const numbered = rendered.face === "sync";
    const isExpired = (operation.content.expiresAt ?? Number.POSITIVE_INFINITY) <= now;
    change.move(operation, "seal", {
      detail: isExpired ? { ...operation.detail, cancelWanted: true } : operation.detail,
      pack: { packId, packIndex },
      opNumber: numbered ? opNumber++ : 0,
      // Server time; 0 ("older than anything") while no offset was ever measured.
      firstSendAt: operation.row?.firstSendAt || (offset === undefined ? 1 : now + offset),
    });
    later(() => {
      context.events.emit({ type: "sealed", operation: factsOf(operation) });
    });
    putMembers(context, change, operation, members, later);
    left += 1 + members.length;
    return {
      operation: change.after(operation),
      text: rendered.text,
      sentBefore: false,
    };
  });
  if (opNumber !== view.detail.nextOpNumber) change.putAccountDetail({ ...view.detail, nextOpNumber: opNumber });
  return { kind: "sealed", records, left, revision: view.row.revision + 1 };
}

/** The members of the last group that the window cuts off: they follow it in the queue. */
async function withWholeGroups(view: AccountView, window: readonly QueuedOperation[]): Promise<readonly QueuedOperation[]> {
  const last = window.at(-1);
  const place = last?.content.groupPlace;
  if (last === undefined || place === undefined || place.index === place.size - 1) return window;
  const members = await view.membersOf(last);
  return [...window, ...members.filter(({ seq, phase }) => seq > last.seq && (phase === "ready" || phase === "pending"))];
}

/** What groups of the window wait for that have a member elsewhere: blocked, parked, in conflict, or nobody can read it. */
async function membersElsewhere(view: AccountView, window: readonly QueuedOperation[]): Promise<ReadonlyMap<string | undefined, Seq>> {
  const here = new Set(window.map(({ seq }) => seq));
  const waits = new Map<string | undefined, Seq>();
  const seen = new Set<string>();
  for (const operation of window) {
    const { groupId, groupPlace } = operation.content;
    if (groupId === undefined || groupPlace === undefined || seen.has(groupId)) continue;
    seen.add(groupId);
    const first = operation.seq - groupPlace.index;
    const isWhole = Array.from({ length: groupPlace.size }, (_, index) => here.has((first + index) as Seq)).every(Boolean);
    if (isWhole) continue;
    const absent = (await view.membersOf(operation)).filter(({ seq, phase }) => !here.has(seq) && phase !== "pending");
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

interface Look {
  readonly window: readonly QueuedOperation[];
  readonly holds: ReadonlyMap<EntityTag, LaneRow>;
  readonly plan: WindowPlan;
  readonly folding: Folding;
  readonly parents: ReadonlyMap<Seq, Parents>;
}

/** Reads as far as it takes to fill a request: what folds makes room for more. Undefined: nothing waits. */
async function lookAhead(context: EngineContext, request: SealRequest, view: AccountView, now: EpochMs): Promise<Look | undefined> {
  const { coalesce, registry } = context.settings;
  // One more than goes: where it begins, those before it have ended.
  let wanted = coalesce === false ? request.maxOperations : request.maxOperations + 1;
  for (;;) {
    const waiting = await view.waiting(wanted);
    if (waiting.length === 0) return undefined;
    const window = await withWholeGroups(view, waiting);
    const [holds, receipts, parents, elsewhere] = await Promise.all([
      view.lanes(window.map((operation) => operation.entityTag)),
      view.receiptsFor(window),
      readParents(view, window, now),
      membersElsewhere(view, window),
    ]);
    const candidates = candidatesOf(window, { registry, capabilities: request.capabilities, receipts, parents, elsewhere });
    const plan = planWindow(candidates, blockers(holds), now);
    const folding = foldWindow(context, request.capabilities, window, plan.steps);
    const isEnough = folding.survivorOf.size === 0 || plan.steps.length - folding.survivorOf.size > request.maxOperations;
    if (isEnough || waiting.length < wanted || wanted >= MAX_LOOK) return { window, holds, plan, folding, parents };
    wanted = Math.min(MAX_LOOK, wanted * 4);
  }
}

interface WindowFacts {
  readonly registry: Registry;
  readonly capabilities: Pick<Capabilities, "collections">;
  readonly receipts: ReadonlyMap<Seq, unknown>;
  readonly parents: ReadonlyMap<Seq, Parents>;
  readonly elsewhere: ReadonlyMap<string | undefined, Seq>;
}

/** The operations of a window as `planWindow` takes them. */
export function candidatesOf(
  window: readonly QueuedOperation[],
  { registry, capabilities, receipts, parents, elsewhere }: WindowFacts,
): readonly Candidate[] {
  return window.map((operation) => ({
    seq: operation.seq,
    entityTag: operation.entityTag,
    isTombstone: isTombstone(operation),
    isReadable: operation.readable,
    isKnown: whyUnknown(registry, operation.content, capabilities) === undefined,
    isSettled: receipts.has(operation.seq),
    // A copy of one that was ever sent may still arrive: it ends by the server's marker, not by the clock.
    expiresAt: wasSent(operation) ? 0 : (operation.content.expiresAt ?? 0),
    dueAt: operation.row?.dueAt ?? 0,
    isCreate: operation.content.type === "CREATE",
    groupId: operation.content.groupId,
    ...parents.get(operation.seq)?.facts,
    ...(elsewhere.has(operation.content.groupId) ? { waitsFor: elsewhere.get(operation.content.groupId) } : {}),
  }));
}

export function blockers(holds: ReadonlyMap<EntityTag, LaneRow>): ReadonlyMap<EntityTag, Seq> {
  return new Map([...holds].flatMap(([tag, lane]) => (lane.blockedBy === 0 ? [] : [[tag, lane.blockedBy as Seq] as const])));
}

/** What own operations left of the entities: for those that were written on top of it. */
async function knownResults(view: AccountView, window: readonly QueuedOperation[]): Promise<ReadonlyMap<EntityTag, KnownResult>> {
  const based = window.filter(({ content }) => content.base !== undefined);
  const rows = await view.entities([...new Set(based.map(({ entityTag }) => entityTag))]);
  const chained = new Set(based.flatMap(({ content, entityTag }) => ("after" in (content.base ?? {}) ? [entityTag] : [])));
  const receipts = await view.receiptsOf(rows.filter(({ entityTag }) => chained.has(entityTag)).map(({ lastSeq }) => lastSeq));
  return new Map(
    rows.map((row) => {
      const { key, version } = receipts.get(row.lastSeq) ?? {};
      return [row.entityTag, key === undefined || version === undefined ? row : { ...row, left: { key, version } }];
    }),
  );
}
