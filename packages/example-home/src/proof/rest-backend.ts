/** A plain REST backend, as any team may have one: no envelope, no handshake, no feed. It can do what its level says, and no more. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface RestWrite {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}
type Document = { version: number } & Record<string, unknown>;

export class RestBackend {
  readonly url: string;
  /** Writes that had an effect. */
  readonly effects: RestWrite[] = [];
  readonly documents = new Map<string, Document>();
  readonly #http: Server;
  readonly #level: 0 | 1 | 2;
  readonly #answers = new Map<string, { readonly status: number; readonly etag: string; readonly body: string }>();

  private constructor(http: Server, level: 0 | 1 | 2) {
    this.#http = http;
    this.#level = level;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  }

  static async start(level: 0 | 1 | 2): Promise<RestBackend> {
    const http = createServer();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const backend = new RestBackend(http, level);
    http.on("request", (request, response) => void backend.#serve(request, response));
    return backend;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#http.close(resolve));
    this.#http.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const write: RestWrite = {
      method: request.method ?? "GET",
      path: (request.url ?? "/").split("?")[0] as string,
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    const key = this.#level >= 2 ? request.headers["idempotency-key"] : undefined;
    const known = typeof key === "string" ? this.#answers.get(key) : undefined;
    const answer = known ?? this.#answer(write);
    if (typeof key === "string" && answer.status < 300) this.#answers.set(key, answer);
    response.writeHead(answer.status, {
      "content-type": "application/json",
      ...(this.#level >= 1 && answer.etag !== "" ? { etag: answer.etag } : {}),
    });
    response.end(answer.status === 204 ? undefined : answer.body);
  }

  #answer(write: RestWrite): { readonly status: number; readonly etag: string; readonly body: string } {
    const { method, path, headers, body } = write;
    const refuse = (status: number, code: string, etag = "") => ({
      status,
      etag,
      body: JSON.stringify({ code, message: code.toLowerCase() }),
    });
    const give = (status: number, document: Document) => ({ status, etag: `"v${document.version}"`, body: JSON.stringify(document) });
    const reading = /^\/api\/v1\/monitors\/([^/]+)\/readings$/.exec(path)?.[1];
    if (reading !== undefined && method === "POST") {
      const before = this.documents.get(reading);
      const monitor = { version: (before?.version ?? 0) + 1, readings: Number(before?.readings ?? 0) + 1 };
      this.documents.set(reading, monitor);
      this.effects.push(write);
      return give(201, monitor);
    }
    const match = /^\/api\/v1\/devices(?:\/([^/]+))?$/.exec(path);
    if (match === null) return refuse(404, "NOT_FOUND");
    const id = match[1] ?? String((body as { readonly id?: unknown } | undefined)?.id ?? "");
    const before = this.documents.get(id);
    if (method === "GET") return before === undefined ? refuse(404, "NOT_FOUND") : give(200, before);
    if (method === "POST") {
      if (before !== undefined) return refuse(409, "ALREADY_EXISTS", `"v${before.version}"`);
      const created: Document = { ...(body as Record<string, unknown>), version: 1 };
      this.documents.set(id, created);
      this.effects.push(write);
      return give(201, created);
    }
    if (before === undefined) return refuse(404, "NOT_FOUND");
    const condition = headers["if-match"];
    if (this.#level >= 1 && condition !== undefined && condition !== `"v${before.version}"`)
      return refuse(412, "STALE", `"v${before.version}"`);
    this.effects.push(write);
    if (method === "DELETE") {
      this.documents.delete(id);
      return { status: 204, etag: "", body: "" };
    }
    const after: Document = { ...before, ...(body as Record<string, unknown>), version: before.version + 1 };
    this.documents.set(id, after);
    return give(200, after);
  }
}
