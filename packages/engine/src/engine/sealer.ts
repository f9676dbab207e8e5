import { dueTime } from "../core/backoff.ts";
import { nextInLanes, type Waiting } from "../core/lanes.ts";
import { longestWaitMs } from "../core/settlement.ts";
import { planWindow } from "../core/window.ts";
import type { AccountTag, EntityRow, EntityTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { isTombstone } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import { type QueuedOperation, type SendableRecord, wasSent } from "../queue/records.ts";
import { packSealed } from "../format/index.ts";
import { stampText } from "../queue/sealed-text.ts";
import { type AsideDesk, park, putAside } from "./aside.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { LOOKAHEAD, type Lookahead, waitingOf } from "./lookahead.ts";
import { isKnownType } from "./rendering.ts";
import { type Room, take } from "./taking.ts";

/** Which lanes are free, and what waits in them. */
interface Lanes {
  readonly lookahead: Lookahead;
  /** In a request that has no answer yet, or sealed for one. */
  readonly busy: readonly Pick<Waiting, "entityTag" | "lane">[];
  /** That may still start, this one included. */
  readonly requests: number;
  /** What leaves the lookahead when this is written. */
  readonly taken: Set<Seq>;
}
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
  const longestMs = longestWaitMs(context.settings.backoff);
  const { lanes } = request;
  const { window, waitUntil } =
    lanes === undefined
      ? { window: await inOrder(view, request.maxOperations), waitUntil: undefined }
      : await inLanes(view, request, lanes, { now, longestMs });
  if (window.length === 0 && waitUntil !== undefined) return { kind: "wait", until: waitUntil };
  if (window.length === 0) return { kind: "nothing" };

  const tags = window.map((operation) => operation.entityTag);
  const [holds, receipts] = await Promise.all([view.lanes(tags), view.receiptsFor(window)]);
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
      dueAt: dueTime(operation.row?.dueAt ?? 0, now, longestMs),
    })),
    new Map([...holds].flatMap(([tag, lane]) => (lane.blockedBy === 0 ? [] : [[tag, lane.blockedBy] as const]))),
    now,
    lanes === undefined ? "global" : "entity",
  );

  const taken = take(context.settings.registry, request, window, plan.steps, await entityBases(view, window), now);
  for (const { seq } of window.slice(0, taken.looked)) lanes?.taken.add(seq);
  const head = lanes === undefined ? headAfter(view, window, taken.looked) : lanes.lookahead.headWithout(lanes.taken);
  if (head !== view.global.head) change.putGlobalLane({ ...view.global, head });
  const [stamped, tombstones] = await Promise.all([
    Promise.all(taken.batch.map((item) => stampText(context.platform.hash, item.rendered.text))),
    view.tombstonesBelow(head),
  ]);
  for (const seq of tombstones) change.dropTombstone(seq);
  const hold = (operation: QueuedOperation): void => change.hold(operation, holds.get(operation.entityTag));
  const desk: AsideDesk = { change, hold, later };
  for (const one of taken.aside) putAside(context, desk, one);
  for (const one of taken.unrenderable) park(context, desk, one);
  const until = plan.waitUntil ?? waitUntil;
  if (taken.batch.length === 0) return until === undefined || taken.looked > 0 ? { kind: "nothing" } : { kind: "wait", until };

  const { queue } = context;
  const packId = queue.newUuid();
  const pack = await packSealed(queue.opened.keys, queue.opened.store.storeId, packId, stamped);
  change.putPack(pack);
  let opNumber = view.detail.nextOpNumber;
  const offset = view.detail.clockOffsetMs;
  const records = taken.batch.map(({ operation, rendered }, packIndex) => {
    const numbered = rendered.face === "sync" && lanes === undefined;
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

/** The first that wait, in the order of the queue. */
async function inOrder(view: AccountView, limit: number): Promise<readonly QueuedOperation[]> {
  const ready = await view.inPhase(["ready"], 0, limit);
  const last = ready.at(-1);
  if (last === undefined) return (await view.fresh(limit)).operations;
  // Nearly always all that has a row stands below the head, and goes before everything at or beyond it.
  if (ready.length >= limit && last.seq < view.global.head) return ready;
  const { operations } = await view.fresh(last.seq < view.global.head ? limit - ready.length : limit);
  const fresh = ready.length < limit ? operations : operations.filter(({ seq }) => seq < last.seq);
  return [...ready, ...fresh].sort((a, b) => a.seq - b.seq).slice(0, limit);
}

/** The first that may go, of lanes that are free. Those of a lane stand by seq. */
async function inLanes(
  view: AccountView,
  { lease, maxOperations: limit }: SealRequest,
  { lookahead, busy, requests, taken }: Lanes,
  times: { readonly now: number; readonly longestMs: number },
): Promise<{ readonly window: readonly QueuedOperation[]; readonly waitUntil: number | undefined }> {
  lookahead.sync(view, lease);
  taken.clear();
  const ready = await view.inPhase(["ready"], 0, LOOKAHEAD);
  const known = new Map(ready.map((operation) => [operation.seq, operation]));
  // What stands behind the last one that was read has others before it.
  const end = ready.length < LOOKAHEAD ? Number.POSITIVE_INFINITY : (ready.at(-1)?.seq ?? 0);
  for (;;) {
    const fresh = lookahead.waiting.filter(({ seq }) => seq < end && !known.has(seq) && !taken.has(seq));
    const waiting = ready.length === 0 ? fresh : [...ready.map(waitingOf), ...fresh].sort((a, b) => a.seq - b.seq);
    const { picked, waitUntil } = nextInLanes({ waiting, busy, ...times, limit, requests });
    if (picked.length < limit && (await lookahead.readOn(view))) continue;
    const missing = picked.flatMap(({ seq }) => (known.has(seq) ? [] : [seq]));
    const found = new Map((await view.bySeq(missing)).map((operation) => [operation.seq, operation]));
    const window = picked.flatMap(({ seq }) => known.get(seq) ?? found.get(seq) ?? []).filter(isWaiting);
    if (window.length === picked.length) return { window, waitUntil };
    // Some have been taken back meanwhile.
    const still = new Set(window.map(({ seq }) => seq));
    for (const { seq } of picked) if (!still.has(seq)) taken.add(seq);
  }
}

function isWaiting({ row }: QueuedOperation): boolean {
  return row === null || row.phase === "ready";
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
