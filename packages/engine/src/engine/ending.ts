import { type CurrentState, SYNC_PATHS } from "@guardian-sync/protocol";
import { redactPii } from "@guardian-sync/telemetry";
import { judgeResult, type OperationVerdict } from "../core/answer.ts";
import { retryDelayMs } from "../core/backoff.ts";
import type { Capabilities } from "../core/handshake.ts";
import { faceOf } from "../core/render.ts";
import { type Settlement, settle, type Strain } from "../core/settlement.ts";
import { foundAmong } from "../core/server-ids.ts";
import type { Finding } from "../core/finding.ts";
import { askBeforeFailing, type Cause, type End, endByLook, endByVerdict, type Question } from "../core/verdict.ts";
import { currentKey, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import { endedAs } from "./ended-as.ts";
import type { Gate } from "./gate.ts";
import { currentOf, documentPath, findingOfExchange, lookOf } from "./look.ts";
import { existingPath, isNamedByAnswer } from "./naming.ts";
import type { Errand, Origin } from "./origin.ts";
import { sentDocument } from "./rendering.ts";

const NOTHING = { moves: [], failed: false, batch: "keep", breaker: "none" } as const satisfies Settlement;

const UNKNOWN: End = { kind: "end", event: "park", code: "OUTCOME_UNKNOWN" };

interface Found {
  readonly end: End;
  /** The ledger's own result. */
  readonly verdict?: OperationVerdict;
  /** Why there was no answer that says anything. */
  readonly finding?: Finding;
  /** What the backend calls what was found. */
  readonly serverId?: string;
  /** What was seen there. */
  readonly current?: CurrentState;
}

/** Finds out how an operation ended before it may fail: nothing of unknown outcome is called failed, or sent again blindly. */
export class Ending {
  readonly #context: EngineContext;
  readonly #origin: Origin;
  readonly #gate: Gate;

  constructor(context: EngineContext, origin: Origin, gate: Gate) {
    this.#context = context;
    this.#origin = origin;
    this.#gate = gate;
  }

  /**
   * What must be asked about the first sealed operation before it is sent once more: its tries are used up, or its first
   * send lies beyond what the backend remembers. `undefined`: nothing, send it.
   */
  async seek(
    errand: Errand,
    records: readonly SendableRecord[],
    capabilities: Capabilities,
    strain: Strain,
  ): Promise<Settlement | undefined> {
    const [record] = records;
    if (record === undefined) return undefined;
    const { row, detail } = record.operation;
    if (detail.stopAsked === currentKey(record.operation) && detail.cancelWanted !== true) return this.#askOfMarker(errand, record, strain);
    // A route has no cancel markers: sent once more to be stopped, the operation would take effect.
    if (detail.cancelWanted === true && faceOf(record.text) === "rest")
      return this.#end(errand, record, { why: "exhausted", code: "CANCELLED" }, capabilities, strain);
    if ((row?.attempts ?? 0) >= this.#context.settings.backoff.maxAttempts) {
      return this.#end(errand, record, { why: "exhausted", code: "RETRIES_EXHAUSTED" }, capabilities, strain);
    }
    if (capabilities.level < 2 && isNamedByAnswer(this.#context.settings.registry, record)) {
      const found = await this.#lookForExisting(errand, record);
      // It is not there: sent once more, it makes the first one.
      return found === "absent" ? undefined : this.#settlement(record, found, strain);
    }
    const serverNow = this.#context.platform.clock.now() + (errand.detail.clockOffsetMs ?? 0);
    const forgotten =
      capabilities.level >= 2 && capabilities.keyWindowMs > 0 && serverNow - (row?.firstSendAt ?? 0) > capabilities.keyWindowMs;
    if (!forgotten) return undefined;
    const found = await this.#ask(errand, record, { why: "exhausted", code: "OUTCOME_UNKNOWN" }, "ledger");
    return this.#settlement(record, found, strain);
  }

  /** After a refusal that proves nothing: replaces the question in `settlement` by what its answer means. */
  async ask(
    errand: Errand,
    record: SendableRecord,
    settlement: Settlement,
    capabilities: Capabilities,
    strain: Strain,
  ): Promise<Settlement> {
    const { ask, ...rest } = settlement;
    if (ask === undefined) return settlement;
    const held = this.#held();
    if (held !== undefined) return { ...rest, ...held, moves: rest.moves };
    const cause: Cause = { why: "rejected", code: ask.verdict.code ?? "REQUEST_REJECTED" };
    const question = askBeforeFailing({
      why: "rejected",
      level: capabilities.level,
      canCancel: capabilities.cancel,
      sentBefore: true,
      fromLedger: false,
    });
    const found =
      question === "none"
        ? { end: { kind: "end", event: ask.verdict.event, code: ask.verdict.code } as const }
        : await this.#ask(errand, record, cause, question);
    const isOthers = ask.verdict.event === "conflict" && isNotApplied(found, question);
    const ended = this.#settlement(record, isOthers ? { end: { kind: "end", event: "conflict", code: ask.verdict.code } } : found, strain, {
      ...ask.verdict,
      ...withCurrent(ask.verdict.current ?? found.current),
    });
    return { ...rest, ...ended, moves: [...rest.moves, ...ended.moves.map((move) => ({ ...move, index: ask.index }))] };
  }

  /**
   * A conflict is kept by no ledger: a late copy of the request could still be applied once the world fits it. A marker for its
   * key refuses such a copy, so that what a person is shown as a conflict stays one. Without an answer everything stays sealed.
   */
  async sealOffConflicts(
    errand: Errand,
    records: readonly SendableRecord[],
    settlement: Settlement,
    capabilities: Capabilities,
    strain: Strain,
  ): Promise<Settlement> {
    if (capabilities.level < 4 || !capabilities.cancel) return settlement;
    const moves = [...settlement.moves];
    for (const [at, move] of moves.entries()) {
      if (move.verdict.event !== "conflict" || move.verdict.consumesNumber) continue;
      const record = records[move.index] as SendableRecord;
      const key = currentKey(record.operation);
      // Before it is asked for: its answer may be lost, and with the marker there the server would pass over it, and take what is behind it.
      await this.#noteStopAsked(errand, record);
      const held = this.#held();
      if (held !== undefined) return { ...settlement, ...held, moves: moves.slice(0, at) };
      const asked = await this.#origin.cancel(errand, key);
      if (!asked.ok) {
        const unanswered = this.#settlement(record, { end: { kind: "origin_failing" }, finding: asked.finding }, strain);
        return { ...unanswered, moves: moves.slice(0, at) };
      }
      if (asked.value.verdict !== "applied") continue;
      const { result } = asked.value;
      const type = record.operation.content.type;
      const verdict = result === undefined ? endedAs(record, "applied", null, move.verdict) : judgeResult(result, { key, type }, redactPii);
      moves[at] = { index: move.index, verdict };
    }
    return { ...settlement, moves };
  }

  async #noteStopAsked({ lease }: Errand, { operation: { seq, row } }: SendableRecord): Promise<void> {
    if (row === null) return;
    await this.#context.queue.change(row.account, lease, async (view, change) => {
      const [operation] = await view.bySeq([seq]);
      if (operation?.phase === "sealed") change.touch(operation, { detail: { ...operation.detail, stopAsked: currentKey(operation) } });
    });
  }

  /** Whether the marker of a conflict was written: then it goes again under a new key, with what is behind it, and hears what stands there. */
  async #askOfMarker(errand: Errand, record: SendableRecord, strain: Strain): Promise<Settlement> {
    const { content } = record.operation;
    const key = currentKey(record.operation);
    const asked = await this.#origin.cancel(errand, key);
    if (!asked.ok) return this.#settlement(record, { end: { kind: "origin_failing" }, finding: asked.finding }, strain);
    const { result, verdict } = asked.value;
    if (verdict !== "applied") {
      const opened = { ...endedAs(record, "unseal", null, undefined), step: "unseal" as const };
      return { ...NOTHING, moves: [{ index: 0, verdict: opened }], batch: "keep", breaker: "success" };
    }
    const told =
      result === undefined ? endedAs(record, "applied", null, undefined) : judgeResult(result, { key, type: content.type }, redactPii);
    return { ...NOTHING, moves: [{ index: 0, verdict: told }], batch: "grow", breaker: "success" };
  }

  /**
   * A plain route says that something else stands there, and not what: it is read before anything is merged with it, or shown to a
   * person. Without an answer everything stays sealed, and it is asked again.
   */
  async findCurrent(errand: Errand, records: readonly SendableRecord[], settlement: Settlement, strain: Strain): Promise<Settlement> {
    const at = settlement.moves.findIndex(({ verdict }) => verdict.event === "conflict" && verdict.current === undefined);
    const move = settlement.moves[at];
    const record = records[move?.index ?? -1];
    if (move === undefined || record === undefined || faceOf(record.text) !== "rest") return settlement;
    const { registry } = this.#context.settings;
    const { type, entityType } = record.operation.content;
    const isOwnPath = registry.entities.get(entityType)?.collection === undefined;
    // The path of a CREATE is the collection's, and that of a declared operation may be anything.
    const path = isOwnPath && type !== "UPDATE" && type !== "DELETE" ? undefined : documentPath(registry, record);
    if (path === undefined) return settlement;
    const held = this.#held();
    if (held !== undefined) return { ...settlement, ...held, moves: settlement.moves.slice(0, at) };
    const exchange = await this.#origin.get(errand, path);
    const look = lookOf(exchange);
    if (look === undefined) {
      const finding = findingOfExchange(exchange);
      if (isRefused(finding)) return settlement;
      const unanswered = this.#settlement(record, { end: { kind: "origin_failing" }, finding }, strain);
      return { ...unanswered, moves: settlement.moves.slice(0, at) };
    }
    const verdict = { ...move.verdict, ...withCurrent(currentOf(look, exchange, record)) };
    return { ...settlement, moves: settlement.moves.with(at, { index: move.index, verdict }) };
  }

  /** The origin was silent about one operation that was alone: if it answers something harmless, the operation is at fault. */
  async chargeIfReachable(errand: Errand, settlement: Settlement, strain: Strain): Promise<Settlement> {
    const { chargeIfReachable, ...rest } = settlement;
    if (chargeIfReachable === undefined) return settlement;
    if (this.#gate.held() !== undefined) return rest;
    const path = errand.level === 4 ? `${SYNC_PATHS.changes}?limit=1` : "/";
    const exchange = await this.#origin.get(errand, path);
    const { retryAfterMs, code } = findingOfExchange(exchange);
    if (retryAfterMs !== undefined) {
      const { random } = this.#context.platform;
      const draws = { jitter: random.fraction(), spread: random.fraction() };
      const delayMs = retryDelayMs({ policy: this.#context.settings.backoff, attempt: strain.failures + 1, retryAfterMs, draws });
      return { ...rest, wait: { delayMs, reason: code ?? "SERVICE_UNAVAILABLE", wholeOrigin: true } };
    }
    return exchange.kind === "answer" && exchange.status < 500 ? { ...rest, charge: chargeIfReachable } : rest;
  }

  /**
   * The probe of a breaker after one that met silence about this operation alone: a harmless question instead. Sent itself each
   * time, one that silences the origin would keep the breaker open for ever.
   */
  async probe(errand: Errand, record: SendableRecord, problem: Finding | undefined, strain: Strain): Promise<Settlement> {
    const { platform, settings } = this.#context;
    const attempts = (record.operation.row?.attempts ?? 0) + 1;
    const draws = { jitter: platform.random.fraction(), spread: platform.random.fraction() };
    const delayMs = retryDelayMs({ policy: settings.backoff, attempt: attempts, draws });
    const asked: Settlement = {
      ...NOTHING,
      failed: true,
      breaker: "failure",
      wait: { delayMs, reason: problem?.code ?? "TIMEOUT", wholeOrigin: false },
      chargeIfReachable: { index: 0, attempts, delayMs },
      ...(problem === undefined ? {} : { problem }),
    };
    const answered = await this.chargeIfReachable(errand, asked, strain);
    // What it was silent about may be a minute ago, in an outage that is over: the breaker closes, and the next silence is charged.
    return answered.charge === undefined ? answered : { ...NOTHING, breaker: "success" };
  }

  /** The reader was asked for time since the request went out: no question follows now. What it was about stays sealed. */
  #held(): Settlement | undefined {
    const held = this.#gate.held();
    return held === undefined ? undefined : { ...NOTHING, wait: { delayMs: held.delayMs, reason: held.reason, wholeOrigin: false } };
  }

  async #end(errand: Errand, record: SendableRecord, cause: Cause, capabilities: Capabilities, strain: Strain): Promise<Settlement> {
    const question = askBeforeFailing({
      why: cause.why,
      level: capabilities.level,
      canCancel: capabilities.cancel,
      sentBefore: true,
      fromLedger: false,
    });
    return this.#settlement(record, await this.#ask(errand, record, cause, question), strain);
  }

  async #ask(errand: Errand, record: SendableRecord, cause: Cause, question: Question): Promise<Found> {
    if (question === "get_compare" || question === "none") return this.#look(errand, record);
    const key = currentKey(record.operation);
    const asked = question === "cancel" ? await this.#origin.cancel(errand, key) : await this.#origin.verdict(errand, key);
    const end = endByVerdict(cause, asked.ok ? asked.value : undefined, record.operation.row?.firstSendAt ?? 0, question);
    if (!asked.ok) return { end, finding: asked.finding };
    const { result, verdict } = asked.value;
    const isStopped = end.kind === "end" && end.event === "reject" && (verdict === "cancelled" || verdict === "unknown");
    if (isStopped && record.operation.detail.cancelWanted === true) return { end: { kind: "end", event: "cancelled", code: "CANCELLED" } };
    return result === undefined ? { end } : { end, verdict: judgeResult(result, { key, type: record.operation.content.type }, redactPii) };
  }

  async #look(errand: Errand, record: SendableRecord): Promise<Found> {
    const { content } = record.operation;
    if (isNamedByAnswer(this.#context.settings.registry, record)) {
      const existing = await this.#lookForExisting(errand, record);
      return existing === "absent" ? { end: UNKNOWN } : existing;
    }
    const path = documentPath(this.#context.settings.registry, record);
    if (path === undefined) return { end: UNKNOWN };
    const exchange = await this.#origin.get(errand, path);
    const look = lookOf(exchange);
    const end = endByLook(content.type, sentDocument(content), look);
    if (look !== undefined) return { end, ...withCurrent(currentOf(look, exchange, record)) };
    const finding = findingOfExchange(exchange);
    return isRefused(finding) ? { end: UNKNOWN } : { end, finding };
  }

  /** By its own id it cannot be asked for: whether what it makes is there. */
  async #lookForExisting(errand: Errand, record: SendableRecord): Promise<Found | "absent"> {
    const { registry } = this.#context.settings;
    const path = existingPath(registry, record);
    if (path === undefined) return { end: UNKNOWN };
    const exchange = await this.#origin.get(errand, path);
    const look = lookOf(exchange);
    if (look === undefined) {
      const finding = findingOfExchange(exchange);
      return isRefused(finding) ? { end: UNKNOWN } : { end: { kind: "origin_failing" }, finding };
    }
    const { content } = record.operation;
    const member = registry.entities.get(content.entityType)?.idMember ?? "id";
    const serverId = look.kind === "gone" ? undefined : foundAmong(look.document, sentDocument(content), member);
    return serverId === undefined ? "absent" : { end: { kind: "end", event: "applied", code: null }, serverId };
  }

  #settlement(record: SendableRecord, found: Found, strain: Strain, refusal?: OperationVerdict): Settlement {
    const { platform, settings } = this.#context;
    const { end } = found;
    if (end.kind === "origin_failing") {
      const draws = { jitter: platform.random.fraction(), spread: platform.random.fraction() };
      if (found.finding !== undefined) {
        const judgement = { ...found.finding, kind: "request" as const, halve: false, chargeIfReachable: false };
        const settlement = settle({ operations: [], judgement, ...strain, now: platform.clock.now(), draws });
        this.#gate.heed(settlement);
        return { ...settlement, originFailing: true };
      }
      const delayMs = retryDelayMs({ policy: settings.backoff, attempt: strain.failures + 1, draws });
      const wait = { delayMs, reason: "ORIGIN_FAILING", wholeOrigin: false };
      return { ...NOTHING, failed: true, breaker: "failure", wait, originFailing: true };
    }
    const verdict =
      found.verdict !== undefined && found.verdict.event === end.event ? found.verdict : endedAs(record, end.event, end.code, refusal);
    const { serverId } = found;
    const made = serverId === undefined ? verdict : { ...verdict, serverId };
    return { ...NOTHING, moves: [{ index: 0, verdict: made }], batch: "grow", breaker: "success" };
  }
}

/** So that a conflict is not with its own earlier effect. What a comparison does not show was not found there. */
function isNotApplied({ end, verdict }: Found, question: Question): boolean {
  if (end.kind !== "end" || verdict !== undefined) return false;
  return end.event === "reject" || (end.event === "park" && question === "get_compare");
}

/** It may not be read, now or later: a person decides without it. */
function isRefused({ step }: Finding): boolean {
  return step === "fail" || step === "reconcile";
}

function withCurrent(current: CurrentState | undefined): { readonly current?: CurrentState } {
  return current === undefined ? {} : { current };
}
