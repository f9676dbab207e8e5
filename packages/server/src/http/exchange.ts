/** One request on its way to an answer: who asks, what the envelope says, what the answer must echo. */
import {
  type Check,
  type EpochMs,
  formatIso,
  HEADERS,
  type HeaderName,
  isJsonObject,
  isUuid,
  type Json,
  MAX_CLOCK_SKEW_MS,
  parseIso,
  parseRequestEnvelope,
  type RequestEnvelope,
} from "@guardian-sync/protocol";
import { invalid, type Refusal, RequestRefused } from "../core/refusal.ts";
import type { PlainRequest, Session } from "../ports.ts";
import { readJson } from "./body.ts";
import type { Deps } from "./deps.ts";

export interface Echo {
  readonly trace_id: string;
  readonly txn_token?: string;
}

export class Exchange {
  readonly request: PlainRequest;
  readonly params: { readonly [name: string]: string };
  readonly deps: Deps;
  readonly now: EpochMs;
  readonly requestId: string;
  #session: Session | null = null;
  #json: { readonly value: Json | undefined } | null = null;

  constructor(request: PlainRequest, params: { readonly [name: string]: string }, deps: Deps, now: EpochMs, requestId: string) {
    this.request = request;
    this.params = params;
    this.deps = deps;
    this.now = now;
    this.requestId = requestId;
  }

  header(name: HeaderName): string | undefined {
    return this.request.headers[name.toLowerCase()];
  }

  get session(): Session {
    if (this.#session === null) throw new TypeError("this route needs a session; declare its access so");
    return this.#session;
  }
  set session(session: Session) {
    this.#session = session;
  }
  get principal(): string | undefined {
    return this.#session?.principal;
  }

  /** Reads the body's envelope and judges its clock. @throws RequestRefused 400, 413, 415 */
  envelope<P>(readPayload: Check<P>, { isWrite = true }: { readonly isWrite?: boolean } = {}): RequestEnvelope<P> {
    const value = this.json;
    if (value === undefined) throw new RequestRefused(invalid("body", "required", "the request needs a body {meta, payload}", 400));
    const parsed = parseRequestEnvelope(value, readPayload);
    if (!parsed.ok) {
      const { path, problem, code } = parsed;
      const tooLarge: Partial<Refusal> = code === "PAYLOAD_TOO_LARGE" ? { status: 413, code } : {};
      throw new RequestRefused({ ...invalid(path, problem, `${path === "" ? "the body" : path} ${problem}`, 400), ...tooLarge });
    }
    this.#judgeClock(parsed.value.meta.timestamp, isWrite);
    return parsed.value;
  }

  /** For calls whose body may be left out. */
  get hasBody(): boolean {
    return this.request.body.byteLength > 0;
  }

  /**
   * What the answer repeats, so that the client knows it for its own. Also answers that were decided before the body was read must
   * echo it: a 401 that seems to be somebody else's would not lead to a new token.
   */
  get echo(): Echo {
    const meta = this.#meta();
    const fromHeader = this.header(HEADERS.traceId);
    const traceId = [meta.trace_id, fromHeader].find(isUuid) ?? this.requestId;
    const token = meta.txn_token;
    return typeof token === "string" && token.length <= 255 ? { trace_id: traceId, txn_token: token } : { trace_id: traceId };
  }

  #meta(): { readonly [name: string]: Json } {
    try {
      const value = this.json;
      return isJsonObject(value) && isJsonObject(value.meta) ? value.meta : {};
    } catch {
      return {};
    }
  }

  /** The body; undefined when there is none. @throws RequestRefused 400, 413, 415 */
  get json(): Json | undefined {
    this.#json ??= { value: readJson(this.request, this.deps.limits.maxBodyBytes) };
    return this.#json.value;
  }

  /** Only writes are refused: a client with a wrong clock learns the right one from the handshake. */
  #judgeClock(timestamp: string, isWrite: boolean): void {
    const skewMs = (parseIso(timestamp) ?? this.now) - this.now;
    this.deps.metrics.skew(skewMs);
    if (!isWrite || this.deps.clockSkew !== "refuse" || Math.abs(skewMs) <= MAX_CLOCK_SKEW_MS) return;
    throw new RequestRefused({
      status: 400,
      code: "CLOCK_SKEW",
      message: "the request's timestamp is more than five minutes off; correct the clock and send again with the same key",
      details: { skew_ms: skewMs, server_time: formatIso(this.now), max_skew_ms: MAX_CLOCK_SKEW_MS },
    });
  }
}
