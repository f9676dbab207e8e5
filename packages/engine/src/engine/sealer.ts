import { type SyncErrorCode, utf8SizeBytes } from "@guardian-sync/protocol";
import { type BatchCandidate, takeBatch } from "../core/batch.ts";
import { planWindow, type WindowStep } from "../core/window.ts";
import type { AccountTag, EntityRow, EntityTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { isTombstone } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation, SendableRecord } from "../queue/records.ts";
import { packSealed } from "../format/index.ts";
import type { Capabilities } from "../core/handshake.ts";
import { stampText } from "../queue/sealed-text.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { errorText } from "./error-text.ts";
import { PLAIN_TYPES } from "./definitions.ts";
import type { Settled } from "./operation.ts";
import { isKnownType, renderFor, type Rendered } from "./rendering.ts";

export interface SealRequest {
  readonly account: AccountTag;
  readonly lease: Lease;
  readonly capabilities: Capabilities;
  readonly maxOperations: number;
  readonly maxBytes: number;
  /** Entities in a request that has no answer yet: what was written against a version of one waits for it. */
  readonly behind?: ReadonlySet<EntityTag>;
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
  const window = [...ready, ...fresh];
  if (window.length === 0) return { kind: "nothing" };

  const [holds, receipts] = await Promise.all([view.lanes(window.map((operation) => operation.entityTag)), view.receiptsFor(window)]);
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
    })),
    new Map([...holds].flatMap(([tag, lane]) => (lane.blockedBy === 0 ? [] : [[tag, lane.blockedBy] as const]))),
    now,
  );

  const taken = take(context, request, window, plan.steps, await entityBases(view, window), now);
  const head = headAfter(view, window, taken.looked);
  if (head !== view.global.head) change.putGlobalLane({ ...view.global, head });
  const [stamped, tombstones] = await Promise.all([
    Promise.all(taken.batch.map((item) => stampText(context.platform.hash, item.rendered.text))),
    view.tombstonesBelow(head),
  ]);
  for (const seq of tombstones) change.dropTombstone(seq);
  const hold = (operation: QueuedOperation): void => change.hold(operation, holds.get(operation.entityTag));
  for (const { step, operation } of taken.aside) putAside(context, change, operation, step, hold, later);
  for (const { operation, code, problem } of taken.unrenderable) park(context, change, operation, code, problem, hold, later);
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

function wasSent({ detail }: QueuedOperation): boolean {
  return (detail.supersedes?.length ?? 0) > 0;
}

interface Taken {
  readonly batch: {
    readonly operation: QueuedOperation;
    readonly rendered: Rendered & { readonly ok: true };
    readonly candidate: BatchCandidate;
  }[];
  readonly aside: {
    readonly operation: QueuedOperation;
    readonly step: WindowStep | { readonly do: "take_back"; readonly index: number };
  }[];
  readonly unrenderable: { readonly operation: QueuedOperation; readonly code: SyncErrorCode; readonly problem: string }[];
  /** How many of the window were dealt with. */
  looked: number;
}

/** Walks the plan until the request is full. A REST operation goes alone. */
function take(
  context: EngineContext,
  request: SealRequest,
  window: readonly QueuedOperation[],
  steps: readonly WindowStep[],
  bases: ReadonlyMap<EntityTag, EntityRow>,
  now: number,
): Taken {
  const taken: Taken = { batch: [], aside: [], unrenderable: [], looked: 0 };
  const predecessors = new Map<EntityTag, QueuedOperation>();
  const parked = new Set<EntityTag>();
  const limits = { maxOperations: request.maxOperations, maxBytes: request.maxBytes };
  for (const step of steps) {
    const operation = window[step.index] as QueuedOperation;
    // An operation of this entity has just been parked: the next look sees the hold.
    if (parked.has(operation.entityTag)) break;
    if (operation.content.base !== undefined && request.behind?.has(operation.entityTag) === true) break;
    if (step.do !== "send") {
      taken.aside.push({ operation, step });
      taken.looked += 1;
      continue;
    }
    const rendered = renderFor(context.settings.registry, operation, {
      capabilities: request.capabilities,
      predecessor: predecessors.get(operation.entityTag),
      known: bases.get(operation.entityTag),
    });
    if (!rendered.ok) {
      taken.unrenderable.push({ operation, code: rendered.code, problem: rendered.problem });
      parked.add(operation.entityTag);
      taken.looked += 1;
      continue;
    }
    const over = rendered.face === "rest" ? overBefore(operation, now) : undefined;
    if (over !== undefined) {
      taken.aside.push({ operation, step: { do: over, index: step.index } });
      taken.looked += 1;
      continue;
    }
    const candidates = [...taken.batch.map((item) => item.candidate), candidateOf(rendered)];
    const fits = takeBatch(candidates, { operations: request.maxOperations }, limits);
    if (fits.kind === "take" && fits.count < candidates.length) break;
    taken.batch.push({ operation, rendered, candidate: candidateOf(rendered) });
    taken.looked += 1;
    predecessors.set(operation.entityTag, operation);
  }
  return taken;
}

/**
 * A route has no cancel markers: sent once more to be stopped, the operation would take effect. It was refused under its old key, so
 * that not sending it again is the best that can be done.
 */
function overBefore({ content, detail }: QueuedOperation, now: number): "take_back" | "expire" | undefined {
  if (detail.cancelWanted === true) return "take_back";
  return (content.expiresAt ?? Number.POSITIVE_INFINITY) <= now ? "expire" : undefined;
}

function candidateOf(rendered: Rendered & { readonly ok: true }): BatchCandidate {
  return { sizeBytes: utf8SizeBytes(rendered.text), face: rendered.face };
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

function putAside(
  context: EngineContext,
  change: ChangeSet,
  operation: QueuedOperation,
  step: Taken["aside"][number]["step"],
  hold: (operation: QueuedOperation) => void,
  later: (tell: () => void) => void,
): void {
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
      park(context, change, operation, "UNKNOWN_TYPE", unknownTypeText(operation), hold, later);
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
    case "send":
      return;
    default:
      step satisfies never;
  }
}

function tellEnd(context: EngineContext, operation: QueuedOperation, state: "applied" | "cancelled", settled: Settled): void {
  const attempts = operation.row?.attempts ?? 0;
  context.watchers.tell(operation.content.id, { state, attempts, nextAttemptAt: null, lastError: null, settled });
}

function unknownTypeText(operation: QueuedOperation): string {
  const { type, version, entityType } = operation.content;
  return PLAIN_TYPES.has(type)
    ? `nothing says where a ${type} of "${entityType}" goes; register its entity with a collection`
    : `operation "${type}" version ${version} is not registered; register it and it goes on by itself`;
}

function park(
  context: EngineContext,
  change: ChangeSet,
  operation: QueuedOperation,
  code: SyncErrorCode,
  problem: string,
  hold: (operation: QueuedOperation) => void,
  later: (tell: () => void) => void,
): void {
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
