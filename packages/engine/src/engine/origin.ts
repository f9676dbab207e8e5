import {
  cancelPath,
  type ChangesPage,
  formatIso,
  HEADERS,
  type HandshakeResponse,
  JSON_CONTENT_TYPE,
  type Json,
  MERGE_PATCH_CONTENT_TYPE,
  parseChangesPage,
  parseHandshakeResponse,
  parseRetryAfter,
  parseSnapshotPage,
  parseVerdict,
  PROTOCOL_VERSION,
  type RequestMeta,
  requestHeadersOf,
  type SnapshotPage,
  SYNC_PATHS,
  type CapabilityLevel,
  type Verdict,
  verdictPath,
} from "@guardian-sync/protocol";
import { redactPii } from "@guardian-sync/telemetry";
import { type Judgement, judgeExchange, type SentOperation } from "../core/answer.ts";
import { type Finding, findingOf } from "../core/finding.ts";
import { readEnvelope } from "../core/read-answer.ts";
import { requestBody, restBody, type RestRequest } from "../core/render.ts";
import type { Session } from "../core/session.ts";
import type { AccountDetail } from "../format/index.ts";
import type { Exchange, HttpRequest } from "../ports/index.ts";
import type { Lease } from "../queue/queue.ts";
import { currentKey, isNumbered, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import { withDeadline } from "./deadline.ts";

/** On whose behalf a request goes. Session and account come from one object: nobody can swap the token under it. */
export interface Errand {
  readonly session: Session;
  readonly detail: AccountDetail;
  readonly level: CapabilityLevel;
  readonly lease?: Lease;
}

export type Asked<T> =
  | { readonly ok: true; readonly value: T; readonly exchange: Exchange }
  | { readonly ok: false; readonly finding: Finding; readonly exchange: Exchange };

const GRACE_MS = 5000;
/** Documents of one page: one transaction, one message. */
const SNAPSHOT_ITEMS = 500;
const late = (): Error => new Error("late");

/** Every request that the engine makes of its backend. It builds and reads; what follows from an answer is decided elsewhere. */
export class Origin {
  readonly #context: EngineContext;
  readonly #baseUrl: string;
  readonly #onStart: () => void;

  /** `onStart`: told before each request, whatever it asks: behind an open breaker any of them is the probe. */
  constructor(context: EngineContext, onStart: () => void) {
    this.#context = context;
    this.#onStart = onStart;
    this.#baseUrl = context.settings.backend.baseUrl.replace(/\/+$/, "");
  }

  /** All in one request of the sync face, in order, with the stored bytes. */
  async sendBatch(
    errand: Errand,
    sent: readonly SendableRecord[],
    operations: readonly SentOperation[],
  ): Promise<{ readonly judgement: Judgement; readonly exchange: Exchange }> {
    const traceId = this.#context.queue.newUuid();
    const attempts = Object.fromEntries(sent.map(({ operation }) => [currentKey(operation), (operation.row?.attempts ?? 0) + 1]));
    const body = requestBody(
      {
        meta: { trace_id: traceId, timestamp: this.#timestamp(errand), attempts },
        // As they were sealed, whatever the app's option says since.
        ordering: sent.every(isNumbered) ? "global" : "entity",
        fence: errand.lease?.fence ?? 0,
        lease: errand.lease?.leaseId ?? "",
      },
      sent.map(({ operation, text }) => ({
        sealed: text,
        opNumber: operation.row?.opNumber || undefined,
        cancelled: operation.detail.cancelWanted === true,
      })),
    );
    const exchange = await this.#exchange(errand, "POST", SYNC_PATHS.ops, traceId, { body });
    return { exchange, judgement: judgeExchange(exchange, { face: "sync", operations, echo: { trace_id: traceId } }, redactPii) };
  }

  /** One operation, as its route wants it. */
  async sendRest(
    errand: Errand,
    record: SendableRecord,
    request: RestRequest,
    operation: SentOperation,
  ): Promise<{ readonly judgement: Judgement; readonly exchange: Exchange }> {
    const { content, row } = record.operation;
    const { level } = errand;
    const echo = { trace_id: content.traceId, ...(level === 4 ? { txn_token: content.txnToken } : {}) };
    const meta = { ...echo, timestamp: this.#timestamp(errand), created_at: formatIso(content.createdAt) };
    const exchange = await this.#exchange(errand, request.method, request.path, content.traceId, {
      body: restBody(request, level === 4 ? meta : undefined),
      headers: {
        ...(request.method === "PATCH" && level < 4 ? { [HEADERS.contentType]: MERGE_PATCH_CONTENT_TYPE } : {}),
        [HEADERS.idempotencyKey]: request.key,
        [HEADERS.attempt]: String((row?.attempts ?? 0) + 1),
        ...(request.ifMatch === undefined ? {} : { [HEADERS.ifMatch]: request.ifMatch }),
      },
    });
    return { exchange, judgement: judgeExchange(exchange, { face: "rest", operation, echo, level }, redactPii) };
  }

  handshake(errand: Errand): Promise<Asked<HandshakeResponse>> {
    const { appVersion } = this.#context.settings.backend;
    const payload = {
      protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
      ...(appVersion === undefined ? {} : { app_version: appVersion }),
      client_id: errand.detail.clientId,
      account: { space: errand.session.account.space, principal: errand.session.account.principal },
    };
    return this.#ask(errand, "POST", SYNC_PATHS.handshake, payload, parseHandshakeResponse);
  }

  verdict(errand: Errand, key: string): Promise<Asked<Verdict>> {
    return this.#ask(errand, "GET", verdictPath(key), undefined, (value, path) => parseVerdict(value, key, path));
  }

  cancel(errand: Errand, key: string): Promise<Asked<Verdict>> {
    return this.#ask(errand, "POST", cancelPath(key), {}, (value, path) => parseVerdict(value, key, path));
  }

  /** What has changed since `cursor`; with `waitS` the answer may take that long, until something does. */
  changes(
    errand: Errand,
    cursor: string,
    entityTypes: readonly string[],
    waitS: number,
    signal: NonNullable<HttpRequest["signal"]>,
  ): Promise<Asked<ChangesPage>> {
    const query = `${SYNC_PATHS.changes}?cursor=${encodeURIComponent(cursor)}&wait=${waitS}${filterOf(entityTypes)}`;
    return this.#ask(errand, "GET", query, undefined, parseChangesPage, signal);
  }

  snapshot(errand: Errand, page: string | undefined, entityTypes: readonly string[]): Promise<Asked<SnapshotPage>> {
    const from = page === undefined ? "" : `&page=${encodeURIComponent(page)}`;
    return this.#ask(
      errand,
      "GET",
      `${SYNC_PATHS.snapshot}?limit=${SNAPSHOT_ITEMS}${from}${filterOf(entityTypes)}`,
      undefined,
      parseSnapshotPage,
    );
  }

  /** A safe request, to learn whether the origin answers at all, or what stands at `path`. */
  get(errand: Errand, path: string): Promise<Exchange> {
    return this.#exchange(errand, "GET", path, this.#context.queue.newUuid(), {});
  }

  async #ask<T>(
    errand: Errand,
    method: "GET" | "POST",
    path: string,
    payload: Json | undefined,
    read: Parameters<typeof readEnvelope<T>>[1],
    signal?: HttpRequest["signal"],
  ): Promise<Asked<T>> {
    const traceId = this.#context.queue.newUuid();
    const meta: RequestMeta = { trace_id: traceId, timestamp: this.#timestamp(errand) };
    const exchange = await this.#exchange({ ...errand, level: 4 }, method, path, traceId, {
      ...(payload === undefined ? {} : { body: JSON.stringify({ meta, payload }) }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (exchange.kind === "failure") {
      return {
        ok: false,
        exchange,
        finding: findingOf({ kind: "network", failure: exchange.failure }, { note: exchange.detail, redact: redactPii }),
      };
    }
    // Questions carry no envelope, so a GET has nothing to echo but the header.
    const answer = readEnvelope(exchange, read, { trace_id: traceId });
    if (answer.body === "ours" && answer.data !== undefined && exchange.status < 300) return { ok: true, value: answer.data, exchange };
    const body = answer.body === "ours" && answer.error === undefined ? "other" : answer.body;
    const retryAfterMs = parseRetryAfter(exchange.headers["retry-after"], exchange.headers.date);
    const finding = findingOf(
      {
        kind: "http",
        status: exchange.status,
        body,
        ...(answer.error === undefined ? {} : { code: answer.error.code }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        ...(exchange.crossOrigin === true ? { crossOriginRedirect: true } : {}),
      },
      { error: answer.error, redact: redactPii },
    );
    return { ok: false, finding, exchange };
  }

  async #exchange(
    errand: Errand,
    method: HttpRequest["method"],
    path: string,
    traceId: string,
    more: Pick<HttpRequest, "signal"> & { readonly body?: string | undefined; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Exchange> {
    this.#onStart();
    const { settings, platform } = this.#context;
    const { level, lease, detail, session } = errand;
    const all: Record<string, string> = {
      [HEADERS.authorization]: `Bearer ${session.token}`,
      ...(more.body === undefined ? {} : { [HEADERS.contentType]: JSON_CONTENT_TYPE }),
      [HEADERS.accept]: "application/json",
      ...(settings.backend.appVersion === undefined ? {} : { [HEADERS.appVersion]: settings.backend.appVersion }),
      [HEADERS.deviceId]: detail.clientId,
      [HEADERS.traceId]: traceId,
      [HEADERS.traceparent]: this.#traceparent(traceId),
      ...(lease === undefined ? {} : { [HEADERS.fence]: String(lease.fence), [HEADERS.lease]: lease.leaseId }),
      ...more.headers,
    };
    const allowed = new Set<string>(requestHeadersOf(level));
    const headers = { ...settings.backend.headers, ...Object.fromEntries(Object.entries(all).filter(([name]) => allowed.has(name))) };
    const request: HttpRequest = {
      method,
      url: `${this.#baseUrl}${path}`,
      headers,
      ...(more.body === undefined ? {} : { body: more.body }),
      ...(more.signal === undefined ? {} : { signal: more.signal }),
      timeoutMs: settings.backend.timeoutMs,
    };
    const startedAt = platform.clock.monotonic();
    try {
      // A transport keeps its own deadline; one that does not must not stop the queue.
      const exchange = await withDeadline(
        platform.clock,
        settings.backend.timeoutMs + GRACE_MS,
        () => platform.transport.exchange(request),
        late,
      );
      const isRefusal = exchange.kind === "failure" && exchange.failure === "cors_suspected";
      // A backend that once answered our handshake permits us: what fails now is a proxy or the network, and passes.
      return isRefusal && detail.handshake !== undefined ? { ...exchange, failure: "reset" } : exchange;
    } catch {
      return {
        kind: "failure",
        failure: "timeout",
        detail: "the transport did not answer in time",
        elapsedMs: platform.clock.monotonic() - startedAt,
      };
    }
  }

  /** W3C trace context: the operation's trace, a new span per try. */
  #traceparent(traceId: string): string {
    const span = this.#context.queue.newUuid().replaceAll("-", "").slice(0, 16);
    return `00-${traceId.replaceAll("-", "")}-${span}-01`;
  }

  /** The moment of sending, in server time as far as it is known. */
  #timestamp(errand: Errand): string {
    return formatIso((this.#context.platform.clock.now() + (errand.detail.clockOffsetMs ?? 0)) as Parameters<typeof formatIso>[0]);
  }
}

function filterOf(entityTypes: readonly string[]): string {
  return entityTypes.length === 0 ? "" : `&entity_types=${entityTypes.map(encodeURIComponent).join(",")}`;
}
