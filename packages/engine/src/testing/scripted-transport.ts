import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import type { Clock, Exchange, HttpRequest, Transport } from "../ports/index.ts";

/** A request as a test looks at it. */
export interface SeenRequest extends HttpRequest {
  /** Path and query. */
  readonly path: string;
  /** The parsed body; null when there is none, or it is not JSON. */
  readonly json: Json;
  /** Epoch ms of its start. */
  readonly at: number;
}
/** `"silence"`: nobody ever answers, and the request times out. */
export type Reply = Exchange | "silence" | ((request: SeenRequest) => Exchange | "silence" | Promise<Exchange | "silence">);
/** A path (without its query), or a question. */
export type Where = string | ((request: SeenRequest) => boolean);

interface Line {
  readonly where: Where;
  readonly reply: Reply;
}

export interface ScriptedTransportOptions {
  readonly clock: Clock;
  /** Answers what no line of the script does. */
  readonly otherwise: Reply;
  /** How long every answer takes: in no time at all, a loop that never waits would never end. Default 5. */
  readonly latencyMs?: number;
}

/** A transport that answers by script, and remembers what was asked. Each line answers one request. */
export class ScriptedTransport implements Transport {
  readonly requests: SeenRequest[] = [];
  readonly #options: ScriptedTransportOptions;
  readonly #script: Line[] = [];
  readonly #standing: Line[] = [];
  /** Requests that have no answer yet. */
  inFlight = 0;
  isClosed = false;

  constructor(options: ScriptedTransportOptions) {
    this.#options = options;
  }

  /** The next requests there get these replies, one each, in this order. */
  next(where: Where, ...replies: readonly Reply[]): this {
    for (const reply of replies) this.#script.push({ where, reply });
    return this;
  }

  /** All requests there get this reply, where no line of the script stands first, until the returned function is called. */
  always(where: Where, reply: Reply): () => void {
    const line: Line = { where, reply };
    this.#standing.unshift(line);
    return () => {
      this.#standing.splice(this.#standing.indexOf(line), 1);
    };
  }

  /** Lines that have not been used. */
  get unused(): number {
    return this.#script.length;
  }

  to(where: Where): readonly SeenRequest[] {
    return this.requests.filter((request) => isThere(where, request));
  }

  exchange(request: HttpRequest): Promise<Exchange> {
    const { clock, latencyMs = 5 } = this.#options;
    const seen = see(request, clock.now());
    this.requests.push(seen);
    const reply = this.#replyTo(seen);
    const startMs = clock.monotonic();
    this.inFlight += 1;
    return new Promise((resolve) => {
      let isOver = false;
      let cancel: () => void = () => undefined;
      const finish = (exchange: Exchange): void => {
        if (isOver) return;
        isOver = true;
        cancel();
        this.inFlight -= 1;
        resolve({ ...exchange, elapsedMs: clock.monotonic() - startMs });
      };
      request.signal?.addEventListener("abort", () => finish(failed("abort")));
      cancel = clock.schedule(latencyMs, () => {
        void Promise.resolve(typeof reply === "function" ? reply(seen) : reply).then((exchange) => {
          if (exchange !== "silence") finish(exchange);
          else if (!isOver) cancel = clock.schedule(Math.max(0, request.timeoutMs - latencyMs), () => finish(failed("timeout")));
        });
      });
    });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  #replyTo(request: SeenRequest): Reply {
    const index = this.#script.findIndex(({ where }) => isThere(where, request));
    if (index >= 0) return (this.#script.splice(index, 1)[0] as Line).reply;
    return this.#standing.find(({ where }) => isThere(where, request))?.reply ?? this.#options.otherwise;
  }
}

function isThere(where: Where, request: SeenRequest): boolean {
  return typeof where === "string" ? request.path.split("?")[0] === where : where(request);
}

function see(request: HttpRequest, at: number): SeenRequest {
  const path = request.url.replace(/^[a-z]+:\/\/[^/]+/, "");
  let json: Json = null;
  try {
    json = JSON.parse(request.body ?? "null") as Json;
  } catch {
    // Not JSON.
  }
  return { ...request, path, json, at };
}

/** An answer with a JSON body. */
export function answered(status: number, body: Json | undefined, headers: Readonly<Record<string, string>> = {}): Exchange {
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json; charset=utf-8" };
  return { kind: "answer", status, headers: { ...type, ...headers }, body: body === undefined ? "" : JSON.stringify(body), elapsedMs: 0 };
}

/** What a proxy, a portal or a framework's error page answers. */
export function answeredHtml(status: number): Exchange {
  const headers = { "content-type": "text/html; charset=utf-8" };
  return { kind: "answer", status, headers, body: `<!doctype html><title>${status}</title>`, elapsedMs: 0 };
}

export function failed(failure: Extract<Exchange, { readonly kind: "failure" }>["failure"]): Exchange {
  return { kind: "failure", failure, detail: `scripted ${failure}`, elapsedMs: 0 };
}

/** The meta of an answer that belongs to `request`. */
export function echoOf(request: SeenRequest): JsonObject {
  const meta = isJsonObject(request.json) && isJsonObject(request.json.meta) ? request.json.meta : {};
  return {
    trace_id: meta.trace_id ?? request.headers["Trace-Id"] ?? "",
    timestamp: new Date(request.at).toISOString(),
    ...(meta.txn_token === undefined ? {} : { txn_token: meta.txn_token }),
  };
}

/** Our envelope with data in it. */
export function answeredData(request: SeenRequest, data: Json, headers: Readonly<Record<string, string>> = {}): Exchange {
  return answered(200, { meta: echoOf(request), data }, headers);
}

/** Our envelope with an error in it. */
export function refused(
  status: number,
  code: string,
  details?: JsonObject,
  headers: Readonly<Record<string, string>> = {},
): (request: SeenRequest) => Exchange {
  return (request) =>
    answered(
      status,
      { meta: echoOf(request), error: { code, message: `scripted ${code}`, ...(details === undefined ? {} : { details }) } },
      headers,
    );
}
