import { isJsonObject, type JsonObject, type SyncErrorCode } from "@guardian-sync/protocol";
import type { OperationVerdict } from "../core/answer.ts";
import { fold } from "../core/fold.ts";
import { lanesOf, operationLane } from "../core/lanes.ts";
import type { State } from "../core/lifecycle.ts";
import { holdsEntity } from "../core/holds-entity.ts";
import type { Charge, Settlement } from "../core/settlement.ts";
import { standingOf } from "../core/standing.ts";
import type { DetailConflict, EntityDocument, Receipt } from "../format/index.ts";
import type { AccountTag, EntityRow, EntityTag, Seq } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation, SendableRecord } from "../queue/records.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { errorText } from "./error-text.ts";
import { liveOf } from "./live-of.ts";
import { waitingOf } from "./lookahead.ts";
import { noteOvertaken } from "./note-overtaken.ts";
import { settledByReceipt, statusInQueue } from "./outcome-of.ts";
import type { OperationStatus } from "./operation.ts";
import { close, openBehind, unseal } from "./unsealing.ts";

export interface Recording {
  readonly account: AccountTag;
  readonly lease: Lease;
  readonly sent: readonly SendableRecord[];
  readonly settlement: Settlement;
  readonly elapsedMs: number;
  /** Something else went wrong while this one was under way: whoever waits because of that goes on waiting. */
  readonly isBehindTrouble?: boolean;
}

/**
 * Writes what an answer did: outcomes, receipts, versions, holds, numbers, charge and lane in one transaction. Durable on
 * return; only then is anybody told.
 */
export async function record(context: EngineContext, recording: Recording): Promise<void> {
  let told: (() => void)[] = [];
  await context.queue.change(recording.account, recording.lease, async (view, change) => {
    told = [];
    await decide(context, recording, view, change, told);
  });
  for (const tell of told) tell();
}

async function decide(
  context: EngineContext,
  recording: Recording,
  view: AccountView,
  change: ChangeSet,
  told: (() => void)[],
): Promise<void> {
  const { settlement, sent } = recording;
  const current = new Map((await view.bySeq(sent.map(({ operation }) => operation.seq))).map((operation) => [operation.seq, operation]));
  const moved = new Map<Seq, State>();
  const known = await knownEntities(view, settlement, [...current.values()]);
  const documents = await knownDocuments(view, [...current.values()]);
  for (const { index, verdict } of settlement.moves) {
    const operation = current.get((sent[index] as SendableRecord).operation.seq);
    // Somebody decided already (a restored file, an operator); a verdict that comes late changes nothing.
    if (operation?.phase !== "sealed") continue;
    moved.set(
      operation.seq,
      await move(context, view, change, operation, { verdict, known, documents, elapsedMs: recording.elapsedMs }, told),
    );
  }
  if (settlement.charge !== undefined)
    charge(
      context,
      change,
      current.get((sent[settlement.charge.index] as SendableRecord).operation.seq),
      settlement,
      settlement.charge,
      told,
    );
  if (settlement.correctClock !== undefined) {
    for (const operation of current.values())
      if (operation.phase === "sealed") change.touch(operation, { detail: { ...operation.detail, skewCorrected: true } });
  }
  const isApplied = ({ seq }: QueuedOperation): boolean => moved.get(seq) === "succeeded" || moved.get(seq) === "acked";
  await noteOvertaken(view, change, [...current.values()].filter(isApplied));
  await unsealBehind(context, view, change, current, moved, settlement);
  const nextOpNumber = await renumber(view, change, [...current.values()], moved, settlement);
  if (nextOpNumber !== view.detail.nextOpNumber) change.putAccountDetail({ ...view.detail, nextOpNumber });
  const { wait, failed, charge: charged } = settlement;
  const waitsAlone = context.settings.ordering === "entity" && charged !== undefined && wait?.wholeOrigin !== true;
  if (waitsAlone || recording.isBehindTrouble === true) return;
  const delayMs = wait?.delayMs ?? charged?.delayMs;
  const lane = {
    ...view.global,
    dueAt: delayMs === undefined ? 0 : nowOf(context) + delayMs,
    failures: failed ? view.global.failures + 1 : 0,
  };
  if (lane.dueAt !== view.global.dueAt || lane.failures !== view.global.failures) change.putGlobalLane(lane);
}

interface Answered {
  readonly verdict: OperationVerdict;
  readonly elapsedMs: number;
  readonly known: ReadonlyMap<EntityTag, EntityRow>;
  /** Undefined: the feed brings them. */
  readonly documents: ReadonlyMap<EntityTag, EntityDocument> | undefined;
}

async function move(
  context: EngineContext,
  view: AccountView,
  change: ChangeSet,
  operation: QueuedOperation,
  { verdict, elapsedMs, known: entities, documents }: Answered,
  told: (() => void)[],
): Promise<State> {
  const { code, status, version, commitSeq, current } = verdict;
  // A marker that nobody here asked for kept it from being applied: it goes again.
  const isStopped = verdict.event === "cancelled" && operation.detail.cancelWanted !== true;
  if (isStopped) return unseal(context, change, operation);
  if (verdict.event === "unseal") {
    if (verdict.edit !== undefined)
      told.push(() => context.events.emit({ type: "resolved", operation: factsOf(operation), choice: "merged", by: "rule" }));
    return unseal(context, change, operation, verdict.edit);
  }
  const lastError = code === null ? undefined : errorText(code, status, verdict.message);
  const state = change.move(operation, verdict.event, {
    detail: {
      ...operation.detail,
      ...(code === null ? {} : { code }),
      ...(status === undefined ? {} : { status }),
      ...(lastError === undefined ? {} : { lastError }),
      ...(isRefusal(verdict) ? { rejected: true } : {}),
      ...(verdict.event === "conflict" && current !== undefined ? { current: { version: current.version, data: current.data } } : {}),
      ...(verdict.conflicts === undefined ? {} : { conflicts: verdict.conflicts as readonly DetailConflict[] }),
      ...(verdict.step === "succeed"
        ? { acked: { ...(version === undefined ? {} : { version }), ...(commitSeq === undefined ? {} : { commitSeq }) } }
        : {}),
    },
    receipt: receiptOf(verdict),
    // The feed was faster than the answer.
    isEchoed: commitSeq !== undefined && commitSeq <= (view.detail.feed?.seq ?? 0),
  });
  if (version !== undefined && (state === "succeeded" || state === "acked")) {
    // The one before it may stand in the same answer.
    const known = change.entity(operation.entityTag) ?? entities.get(operation.entityTag);
    // Own results in a row, nobody else between: what was written against any of them was written against this one.
    const follows = known !== undefined && (version === known.version + 1 || version === known.version);
    const chainFrom = follows ? known.chainFrom : version - 1;
    const { account } = change;
    const body = known?.body ?? null;
    // What was made after the last one that is in it was made after this.
    const lastSeq = (operation.detail.edit?.last?.seq ?? operation.seq) as Seq;
    change.putEntity({ account, entityTag: operation.entityTag, version, lastSeq, chainFrom, body });
  }
  if (documents !== undefined && state === "succeeded") {
    const before = change.documents.put.get(operation.entityTag) ?? documents.get(operation.entityTag);
    const row = change.entity(operation.entityTag) ?? entities.get(operation.entityTag);
    putAnswered(context, change, operation, { verdict, before, row, epoch: view.detail.feed?.epoch ?? 0 });
  }
  if (verdict.serverId !== undefined) await putServerId(view, change, operation, verdict, verdict.serverId);
  if (state !== "succeeded" && state !== "acked" && state !== "cancelled") await holdIfNeeded(view, change, operation, state);
  told.push(() => tellEnding(context, operation, state, verdict, elapsedMs, lastError));
  return state;
}

/**
 * Without a feed the answer to an own write is all that is ever heard of a document: what it says, or else what was there with the
 * write on top.
 */
function putAnswered(
  { settings }: EngineContext,
  change: ChangeSet,
  operation: QueuedOperation,
  known: {
    readonly verdict: OperationVerdict;
    readonly before: EntityDocument | undefined;
    readonly row: EntityRow | undefined;
    readonly epoch: number;
  },
): void {
  const { content, entityTag, seq } = operation;
  const { verdict, before, row, epoch } = known;
  const { type, entityType, entityId } = content;
  const folded = (): JsonObject | null => fold(before?.data ?? null, [liveOf(settings.registry, content, "acked")]).value;
  const data = type !== "DELETE" && isJsonObject(verdict.data) ? verdict.data : folded();
  const version = verdict.version ?? (before?.version ?? 0) + 1;
  const entity = row ?? { account: change.account, entityTag, version, lastSeq: seq, chainFrom: version, body: null };
  change.putEntity(entity, { ...before, entityType, entityId, version, data, epoch });
}

/** From here on whatever is sent of the document, or refers to it, names it as its backend does. */
async function putServerId(
  view: AccountView,
  change: ChangeSet,
  { content, entityTag, seq }: QueuedOperation,
  { version = 0 }: OperationVerdict,
  serverId: string,
): Promise<void> {
  const { entityType, entityId } = content;
  const put = change.documents.put.get(entityTag);
  const document = put ?? { entityType, entityId, version, data: null, epoch: view.detail.feed?.epoch ?? 0 };
  const row = change.entity(entityTag) ?? (await view.entities([entityTag]))[0];
  const entity = row ?? { account: change.account, entityTag, version, lastSeq: seq, chainFrom: version, body: null };
  change.putEntity(entity, { ...document, serverId });
}

/** Undefined unless they are made of answers: a feed brings them, or nobody ever looked at the view. */
async function knownDocuments(
  view: AccountView,
  sent: readonly QueuedOperation[],
): Promise<ReadonlyMap<EntityTag, EntityDocument> | undefined> {
  if (view.detail.feed?.fromAnswers !== true) return undefined;
  return view.documents([...new Set(sent.map(({ entityTag }) => entityTag))]);
}

/** The rows of all entities that an answer may give a version to, in one read. */
async function knownEntities(
  view: AccountView,
  settlement: Settlement,
  sent: readonly QueuedOperation[],
): Promise<ReadonlyMap<EntityTag, EntityRow>> {
  if (!settlement.moves.some(({ verdict }) => verdict.version !== undefined)) return new Map();
  const rows = await view.entities([...new Set(sent.map(({ entityTag }) => entityTag))]);
  return new Map(rows.map((row) => [row.entityTag, row]));
}

async function holdIfNeeded(view: AccountView, change: ChangeSet, operation: QueuedOperation, state: State): Promise<void> {
  if (!holdsEntity(state, operation.content.type)) return;
  change.hold(operation, (await view.lanes([operation.entityTag])).get(operation.entityTag));
}

/**
 * Something left the sequence without consuming its number, so nothing behind it can have been executed: what is sealed behind the
 * request is opened, too. It would otherwise go before the ones that this answer has just opened. And what is sealed behind one that
 * now holds its entity has to wait for it like everything else of that entity, and so has what depends on one without effect.
 */
async function unsealBehind(
  context: EngineContext,
  view: AccountView,
  change: ChangeSet,
  sent: ReadonlyMap<Seq, QueuedOperation>,
  moved: Map<Seq, State>,
  settlement: Settlement,
): Promise<void> {
  const { moves } = settlement;
  const isNumbered = [...sent.values()].some(({ row }) => (row?.opNumber ?? 0) > 0);
  const allNumbered = isNumbered && moves.some(({ verdict }) => !verdict.consumesNumber && verdict.event !== "park");
  const closed = new Map<string, Seq>();
  for (const [seq, state] of moved) {
    const operation = sent.get(seq);
    if (operation === undefined || standingOf(state) === "done") continue;
    const ids = [operation, ...((operation.detail.members ?? 0) > 0 ? await view.foldedInto(seq) : [])].map(({ content }) => content.id);
    close(closed, ids.map(operationLane), seq);
    if (state === "pending") close(closed, lanesOf(waitingOf(operation)), seq);
    else if (holdsEntity(state, operation.content.type)) close(closed, [operation.entityTag], seq);
  }
  // Of a request in order what is left waits for one that stays before it. In lanes it may stand behind another one that was opened.
  const except = isNumbered ? sent : new Map(moved);
  const isAlone = view.row.counts.sealed <= [...except.keys()].filter((seq) => sent.get(seq)?.phase === "sealed").length;
  if (isAlone || (!allNumbered && closed.size === 0)) return;
  for (const [seq, state] of await openBehind(context, view, change, { allNumbered, closed, except })) moved.set(seq, state);
}

/** What stays sealed keeps its order; the numbers close the gaps of those that left without consuming theirs. */
async function renumber(
  view: AccountView,
  change: ChangeSet,
  sent: readonly QueuedOperation[],
  moved: ReadonlyMap<Seq, State>,
  settlement: Settlement,
): Promise<number> {
  const numbers = sent.flatMap(({ row }) => (row !== null && row.opNumber > 0 ? [row.opNumber] : []));
  if (moved.size === 0 || numbers.length === 0) return view.detail.nextOpNumber;
  const consumed = settlement.moves.filter(({ verdict }) => verdict.consumesNumber).length;
  let next = Math.min(...numbers) + consumed;
  // Nothing else was sealed, and that is how it nearly always is.
  if (view.row.counts.sealed === moved.size) return next;
  // Every number was used and nothing behind was opened: there is no gap.
  const isWhole = moved.size === numbers.length && consumed === numbers.length;
  if (isWhole && next === Math.max(...numbers) + 1) return view.detail.nextOpNumber;
  for (const operation of await view.inPhase(["sealed"], 0, MAX_SEALED)) {
    if (moved.has(operation.seq) || (operation.row?.opNumber ?? 0) === 0) continue;
    if (operation.row?.opNumber !== next) change.touch(operation, { opNumber: next });
    next += 1;
  }
  return next;
}

function charge(
  context: EngineContext,
  change: ChangeSet,
  operation: QueuedOperation | undefined,
  settlement: Settlement,
  { attempts, delayMs }: Charge,
  told: (() => void)[],
): void {
  if (operation?.phase !== "sealed") return;
  const { problem } = settlement;
  const code: SyncErrorCode = problem?.code ?? "INTERNAL_ERROR";
  const lastError = errorText(code, problem?.status, problem?.message ?? "");
  change.touch(operation, {
    attempts,
    backoffMs: delayMs,
    dueAt: nowOf(context) + delayMs,
    detail: { ...operation.detail, lastError, code, ...(problem?.status === undefined ? {} : { status: problem.status }) },
  });
  told.push(() => {
    context.events.emit({
      type: "retried",
      operation: factsOf(operation),
      attempt: attempts,
      delayMs,
      code,
      ...(problem?.status === undefined ? {} : { status: problem.status }),
    });
  });
}

const RECEIPT_OUTCOMES: Readonly<Record<string, Receipt["outcome"]>> = {
  applied: "applied",
  noop: "noop",
  applied_before: "applied_before",
  cancelled: "cancelled",
};

/** The server said no. Giving up, with the server's word that it was not applied, is another end, and so is a no to another one of its group. */
function isRefusal({ event, code }: OperationVerdict): boolean {
  return event === "reject" && code !== "RETRIES_EXHAUSTED" && code !== "DEPENDENCY_FAILED";
}

function receiptOf({
  event,
  code,
  status,
  version,
  commitSeq,
  appliedKey,
  serverId,
}: OperationVerdict): NonNullable<Parameters<ChangeSet["move"]>[2]>["receipt"] & object {
  return {
    outcome: RECEIPT_OUTCOMES[event] ?? "applied",
    ...(code === null || event !== "cancelled" ? {} : { code }),
    ...(status === undefined ? {} : { status }),
    ...(version === undefined ? {} : { version }),
    ...(commitSeq === undefined ? {} : { commitSeq }),
    ...(appliedKey === undefined ? {} : { appliedKey }),
    ...(serverId === undefined ? {} : { serverId }),
  };
}

function tellEnding(
  context: EngineContext,
  operation: QueuedOperation,
  state: State,
  verdict: OperationVerdict,
  processingMs: number,
  lastError: string | undefined,
): void {
  const { events, watchers } = context;
  const { version } = verdict;
  const facts = factsOf(operation);
  const attempts = operation.row?.attempts ?? 0;
  const failure = { code: verdict.code ?? "REQUEST_REJECTED", ...(verdict.status === undefined ? {} : { status: verdict.status }) };
  if (state === "succeeded" || state === "acked") {
    events.emit({
      type: "succeeded",
      operation: facts,
      outcome: verdict.event,
      replayed: verdict.replayed,
      processingMs,
      ...(version === undefined ? {} : { version }),
    });
  } else if (state === "failed" || state === "conflict" || state === "parked") {
    events.emit({ type: state, operation: facts, attempts, ...failure });
    if (state === "failed") events.emit({ type: "rolledback", operation: facts });
  } else if (state === "cancelled") events.emit({ type: "cancelled", operation: facts });
  if (watchers.isWatched(operation.content.id)) watchers.tell(operation.content.id, endedStatus(operation, state, verdict, lastError));
}

function endedStatus(operation: QueuedOperation, state: State, verdict: OperationVerdict, lastError: string | undefined): OperationStatus {
  if (state === "succeeded" || state === "acked") {
    const settled = settledByReceipt(receiptOf(verdict));
    return { state: "applied", attempts: operation.row?.attempts ?? 0, nextAttemptAt: null, lastError: null, settled };
  }
  if (state === "cancelled")
    return { state: "cancelled", attempts: 0, nextAttemptAt: null, lastError: null, settled: settledByReceipt(receiptOf(verdict)) };
  const detail = {
    ...operation.detail,
    ...(verdict.code === null ? {} : { code: verdict.code }),
    ...(verdict.status === undefined ? {} : { status: verdict.status }),
    ...(lastError === undefined ? {} : { lastError }),
    ...(isRefusal(verdict) ? { rejected: true as const } : {}),
  };
  return statusInQueue({ ...operation, phase: state as "failed" | "parked" | "conflict", detail });
}
