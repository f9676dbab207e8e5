import type { EpochMs, Ordering } from "@guardian-sync/protocol";
import { longestWaitMs } from "../core/settlement.ts";
import type { AccountTag, EntityTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation, SendableRecord } from "../queue/records.ts";
import { packSealed } from "../format/index.ts";
import { stampText } from "../queue/sealed-text.ts";
import { type AsideDesk, park, putAside } from "./aside.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { annihilate, putMembers } from "./folding.ts";
import { inLanes, type Lanes } from "./in-lanes.ts";
import { type Outlook, planNext } from "./planning.ts";
import { type KnownResult, whyUnknown } from "./rendering.ts";
import { type Room, take, type Taken } from "./taking.ts";
import { wireIdsOf } from "./wire-ids.ts";

export interface SealRequest extends Room {
  readonly account: AccountTag;
  readonly lease: Lease;
  /** With fewer that wait, nothing is sealed. */
  readonly atLeast?: number;
  /** Under entity ordering. */
  readonly lanes?: Lanes;
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

/** As `sealNext`, under entity ordering: of lanes that are free. */
export async function sealInLanes(
  context: EngineContext,
  request: Omit<SealRequest, "lanes">,
  lanes: Omit<Lanes, "taken">,
): Promise<SealResult> {
  const taken = new Set<Seq>();
  try {
    const result = await sealNext(context, { ...request, lanes: { ...lanes, taken } });
    lanes.lookahead.forget(taken);
    return result;
  } catch (error) {
    lanes.lookahead.reset();
    throw error;
  }
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
  const { lanes } = request;
  const look = await lookAhead(context, request, view, now);
  if (look.kind !== "look") return look;
  const { window, holds, plan, folding, parents } = look;

  const [bases, wireId] = await Promise.all([knownResults(view, window), wireIdsOf({ queue: context.queue, registry }, view, window)]);
  const taken = take(context, request, { window, steps: plan.steps, folding, bases, parents, wireId });
  for (const seq of lanes === undefined ? [] : takenOf(window, taken)) lanes?.taken.add(seq);
  const head = lanes === undefined ? headAfter(view, window, taken.looked) : lanes.lookahead.headWithout(lanes.taken);
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
  const until = plan.waitUntil ?? look.waitUntil;
  if (taken.batch.length === 0) return until === undefined || taken.looked > 0 ? { kind: "nothing" } : { kind: "wait", until };

  const { queue } = context;
  const packId = queue.newUuid();
  const pack = await packSealed(queue.opened.keys, queue.opened.store.storeId, packId, stamped);
  change.putPack(pack);
  let opNumber = view.detail.nextOpNumber;
  const offset = view.detail.clockOffsetMs;
  let left = taken.annihilated.length;
  const records = taken.batch.map(({ operation, rendered, members }, packIndex) => {
    const numbered = rendered.face === "sync" && lanes === undefined;
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

/** What nobody has to look at any more: it was dealt with, or goes with one that was. */
function takenOf(window: readonly QueuedOperation[], { looked, batch, annihilated }: Taken): readonly Seq[] {
  const along = [...annihilated, ...batch.flatMap(({ members }) => members)];
  return [...window.slice(0, looked), ...along].map(({ seq }) => seq);
}

/** The first seq that has still not been looked at. */
function headAfter(view: AccountView, window: readonly QueuedOperation[], looked: number): Seq {
  const last = window.slice(0, looked).findLast((operation) => operation.seq >= view.global.head);
  return last === undefined ? view.global.head : ((last.seq + 1) as Seq);
}

type Look =
  | (Outlook & { readonly kind: "look"; readonly waitUntil: number | undefined })
  | { readonly kind: "wait"; readonly until: number }
  | { readonly kind: "nothing" };

/** Reads as far as it takes to fill a request: what folds makes room for more. */
async function lookAhead(context: EngineContext, request: SealRequest, view: AccountView, now: EpochMs): Promise<Look> {
  const { coalesce, backoff } = context.settings;
  const { lanes, lease, capabilities, maxOperations } = request;
  const ordering: Ordering = lanes === undefined ? "global" : "entity";
  // One more than goes: where it begins, those before it have ended.
  let wanted = coalesce === false ? maxOperations : maxOperations + 1;
  for (;;) {
    const bounds = { lease, now, longestMs: longestWaitMs(backoff), limit: wanted };
    const next = lanes === undefined ? { window: await view.waiting(wanted), waitUntil: undefined } : await inLanes(view, lanes, bounds);
    const { window: waiting, waitUntil } = next;
    if (waiting.length === 0) return waitUntil === undefined ? { kind: "nothing" } : { kind: "wait", until: waitUntil };
    const outlook = await planNext(context, view, waiting, capabilities, ordering, now);
    const { plan, folding } = outlook;
    const isEnough = folding.survivorOf.size === 0 || plan.steps.length - folding.survivorOf.size > maxOperations;
    if (isEnough || waiting.length < wanted || wanted >= MAX_LOOK) return { kind: "look", ...outlook, waitUntil };
    wanted = Math.min(MAX_LOOK, wanted * 4);
  }
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
