import { isJsonObject, type Json, readBody, type SyncErrorCode, SYNC_PATHS } from "@guardian-sync/protocol";
import { redactPii } from "@guardian-sync/telemetry";
import { judgeResult, type OperationVerdict } from "../core/answer.ts";
import { retryDelayMs } from "../core/backoff.ts";
import type { Capabilities } from "../core/handshake.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { collectionRoute, renderRoute } from "../core/route.ts";
import type { Settlement } from "../core/settlement.ts";
import { askBeforeFailing, type Cause, type End, endByLook, endByVerdict, type Look, type Question } from "../core/verdict.ts";
import type { Exchange } from "../ports/index.ts";
import { currentKey, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import type { Errand, Origin } from "./origin.ts";
import { sentDocument } from "./rendering.ts";

const NOTHING = { moves: [], failed: false, batch: "keep", breaker: "none" } as const satisfies Settlement;

/** Finds out how an operation ended before it may fail: nothing of unknown outcome is called failed, or sent again blindly. */
export class Ending {
  readonly #context: EngineContext;
  readonly #origin: Origin;

  constructor(context: EngineContext, origin: Origin) {
    this.#context = context;
    this.#origin = origin;
  }

  /**
   * What must be asked about the first sealed operation before it is sent once more: its tries are used up, or its first
   * send lies beyond what the backend remembers. `undefined`: nothing, send it.
   */
  async seek(
    errand: Errand,
    records: readonly SendableRecord[],
    capabilities: Capabilities,
    failures: number,
  ): Promise<Settlement | undefined> {
    const [record] = records;
    if (record === undefined) return undefined;
    const { row } = record.operation;
    if ((row?.attempts ?? 0) >= this.#context.settings.backoff.maxAttempts) {
      return this.#end(errand, record, { why: "exhausted", code: "RETRIES_EXHAUSTED" }, capabilities, failures);
    }
    const serverNow = this.#context.platform.clock.now() + (errand.detail.clockOffsetMs ?? 0);
    const forgotten =
      capabilities.level >= 2 && capabilities.keyWindowMs > 0 && serverNow - (row?.firstSendAt ?? 0) > capabilities.keyWindowMs;
    if (!forgotten) return undefined;
    const found = await this.#ask(errand, record, { why: "exhausted", code: "OUTCOME_UNKNOWN" }, "ledger");
    return this.#settlement(record, found, failures);
  }

  /** After a refusal that proves nothing: replaces the question in `settlement` by what its answer means. */
  async ask(
    errand: Errand,
    record: SendableRecord,
    settlement: Settlement,
    capabilities: Capabilities,
    failures: number,
  ): Promise<Settlement> {
    const { ask, ...rest } = settlement;
    if (ask === undefined) return settlement;
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
    const ended = this.#settlement(record, found, failures, ask.verdict);
    return { ...rest, ...ended, moves: [...rest.moves, ...ended.moves.map((move) => ({ ...move, index: ask.index }))] };
  }

  /** The origin was silent about one operation that was alone: if it answers something harmless, the operation is at fault. */
  async chargeIfReachable(errand: Errand, settlement: Settlement): Promise<Settlement> {
    const { chargeIfReachable, ...rest } = settlement;
    if (chargeIfReachable === undefined) return settlement;
    const path = errand.level === 4 ? `${SYNC_PATHS.changes}?limit=1` : "/";
    const exchange = await this.#origin.get(errand, path);
    return exchange.kind === "answer" && exchange.status < 500 ? { ...rest, charge: chargeIfReachable } : rest;
  }

  async #end(errand: Errand, record: SendableRecord, cause: Cause, capabilities: Capabilities, failures: number): Promise<Settlement> {
    const question = askBeforeFailing({
      why: cause.why,
      level: capabilities.level,
      canCancel: capabilities.cancel,
      sentBefore: true,
      fromLedger: false,
    });
    return this.#settlement(record, await this.#ask(errand, record, cause, question), failures);
  }

  async #ask(
    errand: Errand,
    record: SendableRecord,
    cause: Cause,
    question: Question,
  ): Promise<{ readonly end: End; readonly verdict?: OperationVerdict }> {
    if (question === "get_compare" || question === "none") return { end: await this.#look(errand, record) };
    const key = currentKey(record.operation);
    const asked = question === "cancel" ? await this.#origin.cancel(errand, key) : await this.#origin.verdict(errand, key);
    const end = endByVerdict(cause, asked.ok ? asked.value : undefined, record.operation.row?.firstSendAt ?? 0, question);
    const result = asked.ok ? asked.value.result : undefined;
    if (result === undefined) return { end };
    return { end, verdict: judgeResult(result, { key, type: record.operation.content.type }, redactPii) };
  }

  async #look(errand: Errand, record: SendableRecord): Promise<End> {
    const { content } = record.operation;
    const path = this.#pathOf(record);
    if (path === undefined) return { kind: "end", event: "park", code: "OUTCOME_UNKNOWN" };
    return endByLook(content.type, sentDocument(content), lookOf(await this.#origin.get(errand, path)));
  }

  /** Where the entity can be read; its own request's path when no collection is known. */
  #pathOf(record: SendableRecord): string | undefined {
    const { content } = record.operation;
    const collection = this.#context.settings.registry.entities.get(content.entityType)?.collection;
    if (collection === undefined) return faceOf(record.text) === "rest" ? restRequest(record.text).path : undefined;
    const route = renderRoute({ route: collectionRoute("UPDATE", collection), entityId: content.entityId, payload: null });
    return route.ok ? route.path : undefined;
  }

  #settlement(
    record: SendableRecord,
    found: { readonly end: End; readonly verdict?: OperationVerdict },
    failures: number,
    refusal?: OperationVerdict,
  ): Settlement {
    const { platform, settings } = this.#context;
    const { end } = found;
    if (end.kind === "origin_failing") {
      const draws = { jitter: platform.random.fraction(), spread: platform.random.fraction() };
      const delayMs = retryDelayMs({ policy: settings.backoff, attempt: failures + 1, draws });
      return { ...NOTHING, failed: true, breaker: "failure", wait: { delayMs, reason: "ORIGIN_FAILING", wholeOrigin: false } };
    }
    const verdict =
      found.verdict !== undefined && found.verdict.event === end.event ? found.verdict : verdictOf(record, end.event, end.code, refusal);
    return { ...NOTHING, moves: [{ index: 0, verdict }], batch: "grow", breaker: "success" };
  }
}

function verdictOf(
  record: SendableRecord,
  event: OperationVerdict["event"],
  code: SyncErrorCode | null,
  refusal: OperationVerdict | undefined,
): OperationVerdict {
  const base: OperationVerdict = refusal ?? {
    key: currentKey(record.operation),
    event,
    step: event === "reject" || event === "park" ? "fail" : "succeed",
    code,
    errorClass: "none",
    mayHaveHappened: false,
    burnsAttempt: false,
    countsForBreaker: false,
    message: MESSAGES[code ?? ""] ?? "",
    fromLedger: false,
    replayed: false,
  };
  if (event === "reject" || event === "conflict" || event === "park") return { ...base, event, code: code ?? base.code };
  // Found applied after all: the refusal that led here says nothing about it.
  const { status: _status, ...applied } = base;
  return { ...applied, event, step: "succeed", code: null, errorClass: "none", message: "" };
}

const MESSAGES: Readonly<Record<string, string>> = {
  RETRIES_EXHAUSTED: "every try failed, and the server has confirmed that it was not applied",
  OUTCOME_UNKNOWN: "nobody can say any more whether it was applied; look at the document, then retry or discard it",
};

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
