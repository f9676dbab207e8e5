import type { EpochMs } from "@guardian-sync/protocol";
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
import { type Outlook, planNext } from "./planning.ts";
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

/** The first seq that has still not been looked at. */
function headAfter(view: AccountView, window: readonly QueuedOperation[], looked: number): Seq {
  const last = window.slice(0, looked).findLast((operation) => operation.seq >= view.global.head);
  return last === undefined ? view.global.head : ((last.seq + 1) as Seq);
}

/** Reads as far as it takes to fill a request: what folds makes room for more. Undefined: nothing waits. */
async function lookAhead(context: EngineContext, request: SealRequest, view: AccountView, now: EpochMs): Promise<Outlook | undefined> {
  const { coalesce } = context.settings;
  // One more than goes: where it begins, those before it have ended.
  let wanted = coalesce === false ? request.maxOperations : request.maxOperations + 1;
  for (;;) {
    const waiting = await view.waiting(wanted);
    if (waiting.length === 0) return undefined;
    const outlook = await planNext(context, view, waiting, request.capabilities, now);
    const { plan, folding } = outlook;
    const isEnough = folding.survivorOf.size === 0 || plan.steps.length - folding.survivorOf.size > request.maxOperations;
    if (isEnough || waiting.length < wanted || wanted >= MAX_LOOK) return outlook;
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
