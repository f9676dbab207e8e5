/** An HTTP proxy that decides, request by request, how the network and whoever stands in it behave. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** One operation as it stood in a request. */
interface SeenOperation {
  readonly key: string;
  readonly type: string;
  /** SHA-256 of its bytes, without what stands beside the sealed text: `op_number` and `cancelled`. */
  readonly bytes: string;
}
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** By the clock that the proxy was given. */
  readonly at: number;
  /** Of the sync face's batch, or the one operation of a REST write. */
  readonly operations: readonly SeenOperation[];
}

export type Fate =
  | { readonly do: "pass" }
  /** The server does its work; then the connection breaks before the answer. */
  | { readonly do: "cut_after" }
  | { readonly do: "cut_before" }
  /** The server does its work; the answer waits. */
  | { readonly do: "hold_answer"; readonly until: Promise<void> }
  /** The request itself is late. */
  | { readonly do: "hold_request"; readonly until: Promise<void> }
  /** The server does its work; what comes back says something else. */
  | { readonly do: "replace"; readonly by: (answer: ProxiedAnswer) => ProxiedAnswer }
  /** Somebody else answers. */
  | { readonly do: "answer"; readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

export interface ProxiedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | string;
}

export const PASS: Fate = { do: "pass" };

/** Answers in the protocol's envelope, with the request's own trace. */
export function answerError(request: SeenRequest, status: number, code: string, headers: Readonly<Record<string, string>> = {}): Fate {
  const meta = { trace_id: String(request.headers["trace-id"] ?? ""), timestamp: new Date().toISOString() };
  const body = JSON.stringify({ meta, error: { code, message: `the proof answers ${status}` } });
  return { do: "answer", status, headers: { "content-type": "application/json; charset=utf-8", ...headers }, body };
}

type Decide = (request: SeenRequest) => Fate;

export class GateProxy {
  readonly url: string;
  readonly requests: SeenRequest[] = [];
  /** May be replaced at any time. */
  decide: Decide;
  readonly #http: Server;
  readonly #agent: Agent;

  readonly #now: () => number;

  private constructor(http: Server, agent: Agent, decide: Decide, now: () => number) {
    this.#http = http;
    this.#agent = agent;
    this.#now = now;
    this.decide = decide;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  }

  static async start(target: () => string, decide: Decide = () => PASS, now: () => number = Date.now): Promise<GateProxy> {
    const agent = new Agent({ keepAlive: true });
    const http = createServer();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const proxy = new GateProxy(http, agent, decide, now);
    http.on("request", (request, response) => {
      proxy.#serve(target(), request, response).catch(() => response.destroy());
    });
    return proxy;
  }

  /** Keys of operations, each with the different bytes that were ever sent under it, and how often. */
  sentByKey(): ReadonlyMap<string, { readonly bytes: ReadonlySet<string>; readonly times: number; readonly type: string }> {
    const byKey = new Map<string, { bytes: Set<string>; times: number; type: string }>();
    for (const { operations } of this.requests) {
      for (const { key, bytes, type } of operations) {
        const known = byKey.get(key) ?? { bytes: new Set(), times: 0, type };
        known.bytes.add(bytes);
        known.times += 1;
        byKey.set(key, known);
      }
    }
    return byKey;
  }

  async close(): Promise<void> {
    this.#http.close();
    this.#http.closeAllConnections();
    this.#agent.destroy();
    await new Promise<void>((resolve) => (this.#http.listening ? this.#http.once("close", resolve) : resolve()));
  }

  async #serve(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const seen = { ...seenOf(request, bytes), at: this.#now() };
    this.requests.push(seen);
    const fate = this.decide(seen);
    if (fate.do === "cut_before") return void request.socket.destroy();
    if (fate.do === "answer") return void response.writeHead(fate.status, fate.headers).end(fate.body ?? "");
    if (fate.do === "hold_request") await fate.until;
    const answer = await this.#forward(target, request, bytes);
    if (fate.do === "hold_answer") await fate.until;
    if (fate.do === "cut_after") return void request.socket.destroy();
    const { status, headers, body } = fate.do === "replace" ? fate.by(answer) : answer;
    response.writeHead(status, headers).end(body);
  }

  async #forward(target: string, incoming: IncomingMessage, bytes: Buffer): Promise<ProxiedAnswer> {
    const { connection: _connection, host: _host, ...headers } = incoming.headers;
    const outgoing = httpRequest(new URL(incoming.url ?? "/", target), { method: incoming.method ?? "GET", headers, agent: this.#agent });
    outgoing.end(bytes);
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const { connection: _c, "transfer-encoding": _t, "keep-alive": _k, "content-length": _l, ...rest } = answer.headers;
    return { status: answer.statusCode ?? 502, headers: rest, body: Buffer.concat(chunks) };
  }
}

function seenOf({ method = "GET", url = "/", headers }: IncomingMessage, bytes: Buffer): Omit<SeenRequest, "at"> {
  const body = (headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes).toString("utf8");
  const path = url.split("?")[0] as string;
  return { method, path, headers, body, operations: operationsOf(method, path, headers, body) };
}

function operationsOf(method: string, path: string, headers: IncomingHttpHeaders, body: string): readonly SeenOperation[] {
  if (path.endsWith("/sync/ops")) return elementsOf(body, '"operations":').map(seenOperation);
  const key = headers["idempotency-key"];
  if (typeof key !== "string") return [];
  const at = body.indexOf('"payload":');
  return [{ key, type: method, bytes: sha256(at < 0 ? body : body.slice(at)) }];
}

function seenOperation(text: string): SeenOperation {
  const { key, type } = JSON.parse(text) as { readonly key: string; readonly type: string };
  return { key, type, bytes: sha256(text.replace(/^\{(?:"op_number":\d+,)?(?:"cancelled":true,)?/, "{")) };
}

/** The elements of the array after `mark`, as they stand in the text: parsing and writing again would hide a difference. */
function elementsOf(text: string, mark: string): readonly string[] {
  const elements: string[] = [];
  let depth = 0;
  let start = -1;
  let inString = false;
  for (let i = text.indexOf("[", text.indexOf(mark)) + 1; i > 0 && i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === "\\") i += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{" || character === "[") {
      if (depth === 0) start = i;
      depth += 1;
    } else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth < 0) break;
      if (depth === 0) elements.push(text.slice(start, i + 1));
    }
  }
  return elements;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
