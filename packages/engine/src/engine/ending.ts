import { isJsonObject, type Json, parseRetryAfter, readBody, SYNC_PATHS } from "@guardian-sync/protocol";
import { redactPii } from "@guardian-sync/telemetry";
import { judgeResult, type OperationVerdict } from "../core/answer.ts";
import { retryDelayMs } from "../core/backoff.ts";
import type { Capabilities } from "../core/handshake.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { collectionRoute, renderRoute } from "../core/route.ts";
import { type Settlement, settle, type Strain } from "../core/settlement.ts";
import { type Finding, findingOf } from "../core/finding.ts";
import { askBeforeFailing, type Cause, type End, endByLook, endByVerdict, type Look, type Question } from "../core/verdict.ts";
import type { Exchange } from "../ports/index.ts";
import { currentKey, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import { endedAs } from "./ended-as.ts";
import type { Gate } from "./gate.ts";
import type { Errand, Origin } from "./origin.ts";
import { sentDocument } from "./rendering.ts";

const NOTHING = { moves: [], failed: false, batch: "keep", breaker: "none" } as const satisfies Settlement;

interface Found {
  readonly end: End;
  /** The ledger's own result. */
  readonly verdict?: OperationVerdict;
  /** Why there was no answer that says anything. */
  readonly finding?: Finding;
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
    // A route has no cancel markers: sent once more to be stopped, the operation would take effect.
    if (detail.cancelWanted === true && faceOf(record.text) === "rest")
      return this.#end(errand, record, { why: "exhausted", code: "CANCELLED" }, capabilities, strain);
    if ((row?.attempts ?? 0) >= this.#context.settings.backoff.maxAttempts) {
      return this.#end(errand, record, { why: "exhausted", code: "RETRIES_EXHAUSTED" }, capabilities, strain);
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
    const ended = this.#settlement(
      record,
      isOthers ? { end: { kind: "end", event: "conflict", code: ask.verdict.code } } : found,
      strain,
      ask.verdict,
    );
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
    const path = this.#pathOf(record);
    if (path === undefined) return { end: { kind: "end", event: "park", code: "OUTCOME_UNKNOWN" } };
    const exchange = await this.#origin.get(errand, path);
    const look = lookOf(exchange);
    const end = endByLook(content.type, sentDocument(content), look);
    return look === undefined ? { end, finding: findingOfExchange(exchange) } : { end };
  }

  /** Where the entity can be read; its own request's path when no collection is known. */
  #pathOf(record: SendableRecord): string | undefined {
    const { content } = record.operation;
    const collection = this.#context.settings.registry.entities.get(content.entityType)?.collection;
    if (collection === undefined) return faceOf(record.text) === "rest" ? restRequest(record.text).path : undefined;
    const route = renderRoute({ route: collectionRoute("UPDATE", collection), entityId: content.entityId, payload: null });
    return route.ok ? route.path : undefined;
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
    return { ...NOTHING, moves: [{ index: 0, verdict }], batch: "grow", breaker: "success" };
  }
}

/** So that a conflict is not with its own earlier effect. What a comparison does not show was not found there. */
function isNotApplied({ end, verdict }: Found, question: Question): boolean {
  if (end.kind !== "end" || verdict !== undefined) return false;
  return end.event === "reject" || (end.event === "park" && question === "get_compare");
}

function findingOfExchange(exchange: Exchange): Finding {
  if (exchange.kind === "failure")
    return findingOf({ kind: "network", failure: exchange.failure }, { note: exchange.detail, redact: redactPii });
  const retryAfterMs = parseRetryAfter(exchange.headers["retry-after"], exchange.headers.date);
  const facts = { kind: "http" as const, status: exchange.status, body: "other" as const };
  return findingOf(retryAfterMs === undefined ? facts : { ...facts, retryAfterMs }, { redact: redactPii });
}

function lookOf(exchange: Exchange): Look | undefined {
  if (exchange.kind !== "answer") return undefined;
  if (exchange.status === 404 || exchange.status === 410) return { kind: "gone" };
  if (exchange.status !== 200) return undefined;
  const read = readBody(exchange.headers["content-type"], exchange.body);
  if (read.kind !== "json") return undefined;
  const value = read.value as Json;
  const inner = isJsonObject(value) && isJsonObject(value.data) && isJsonObject(value.meta) ? value.data : value;
  return { kind: "found", document: inner };
}
