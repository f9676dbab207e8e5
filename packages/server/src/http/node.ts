/** node:http around the plain handler: `listen` for a server of its own, `nodeListener` to mount in Express, Fastify or another. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { PlainRequest, PlainResponse } from "../ports.ts";

/** The part of a sync server that serves requests. */
export interface Serving {
  handle(request: PlainRequest): Promise<PlainResponse>;
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
  readonly maxBodyBytes: number;
}

export interface ListenOptions {
  /** 0, the default: any free port. */
  readonly port?: number;
  /** Default: loopback only. */
  readonly host?: string;
  /** Proxies in front that append to `X-Forwarded-For`; that many entries from its end are believed. Default 0: none. */
  readonly trustedProxies?: number;
}
export interface Listening {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly port: number;
  /** Stops accepting, answers long polls at once, finishes what runs, then cuts what is left at the deadline (default 10 s). */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

export type ListenErrorCode = "PORT_IN_USE" | "PORT_FORBIDDEN" | "ADDRESS_UNAVAILABLE" | "LISTEN_FAILED";
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: ListenErrorCode;
  constructor(code: ListenErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Longer than the usual 60 s of proxies: whoever closes an idle connection first should be the one in front. */
const KEEP_ALIVE_MS = 65_000;

const MAX_DISCARD_BYTES = 64 * 1_048_576;
const MAX_DISCARD_MS = 5000;

/** @throws ListenError, TypeError, RangeError */
export async function listen(server: Serving, options: ListenOptions = {}): Promise<Listening> {
  const { port = 0, host = "127.0.0.1", trustedProxies = 0 } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError(`port must be 0 to 65535, got ${port}`);
  if (!Number.isInteger(trustedProxies) || trustedProxies < 0)
    throw new RangeError(`trustedProxies must be a count, got ${trustedProxies}`);
  const http = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 60_000 }, nodeListener(server, { trustedProxies }));
  await started(http, port, host);
  const { port: actual } = http.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${actual}`,
    port: actual,
    close: ({ deadlineMs = 10_000 } = {}) => drain(http, server, deadlineMs),
  };
}

/** A request listener for an http server that somebody else runs. */
export function nodeListener(
  server: Pick<Serving, "handle" | "maxBodyBytes">,
  { trustedProxies = 0 }: Pick<ListenOptions, "trustedProxies"> = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    serve(server, request, response, trustedProxies, gone.signal).catch(() => {
      // Only a connection that broke gets here: the handler itself never rejects.
      response.destroy();
    });
  };
}

async function serve(
  { handle, maxBodyBytes }: Pick<Serving, "handle" | "maxBodyBytes">,
  incoming: IncomingMessage,
  response: ServerResponse,
  trustedProxies: number,
  signal: AbortSignal,
): Promise<void> {
  const body = await bodyOf(incoming, maxBodyBytes);
  const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://localhost");
  const answer = await handle({
    method: incoming.method ?? "GET",
    path: pathname,
    query: Object.fromEntries(searchParams),
    headers: headersOf(incoming),
    body,
    remoteAddress: addressOf(incoming, trustedProxies),
    signal,
  });
  response.writeHead(answer.status, { ...answer.headers });
  response.end(answer.status === 204 || answer.status === 304 ? undefined : answer.body);
  if (!incoming.complete) discardRest(incoming);
}

/**
 * Reads and forgets the rest of a body that was too large. Closing at once would reset the connection while the caller still
 * writes, and a caller that is reset never reads its 413.
 */
function discardRest(incoming: IncomingMessage): void {
  let leftBytes = MAX_DISCARD_BYTES;
  const cut = setTimeout(() => incoming.destroy(), MAX_DISCARD_MS).unref();
  incoming.once("close", () => clearTimeout(cut));
  incoming.on("data", (chunk: Buffer) => {
    leftBytes -= chunk.byteLength;
    if (leftBytes < 0) incoming.destroy();
  });
}

async function bodyOf(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed on return: the answer, 413, still has to go out over it.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).byteLength;
    if (size > maxBytes) break;
  }
  return chunks.length === 1 && size <= maxBytes ? (chunks[0] as Buffer) : Buffer.concat(chunks, Math.min(size, maxBytes + 1));
}

function headersOf({ headers }: IncomingMessage): { readonly [name: string]: string } {
  const plain: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(", ") : value;
  return plain;
}

function addressOf({ headers, socket }: IncomingMessage, trustedProxies: number): string | null {
  const forwarded = headers["x-forwarded-for"];
  const hops = (Array.isArray(forwarded) ? forwarded.join(",") : (forwarded ?? "")).split(",").map((hop) => hop.trim());
  const believed = trustedProxies === 0 ? undefined : hops.at(-trustedProxies);
  return believed === undefined || believed === "" ? (socket.remoteAddress ?? null) : believed;
}

function started(http: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, port, host)));
    http.listen(port, host, resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, port: number, host: string): ListenError {
  const cause = { cause: error };
  switch (error.code ?? "") {
    case "EADDRINUSE":
      return new ListenError(
        "PORT_IN_USE",
        `port ${port} of ${host} is in use; stop the other program, or choose another port (0: any)`,
        cause,
      );
    case "EACCES":
      return new ListenError("PORT_FORBIDDEN", `this user may not listen on port ${port}; choose one above 1023`, cause);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new ListenError("ADDRESS_UNAVAILABLE", `${host} is no address of this machine; use 127.0.0.1 or 0.0.0.0`, cause);
    default:
      return new ListenError("LISTEN_FAILED", `could not listen on ${host}:${port}: ${error.message}`, cause);
  }
}

async function drain(http: Server, server: Serving, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  await server.close({ deadlineMs });
  // Answers are written; what is still open idles, or has missed the deadline.
  http.closeIdleConnections();
  const cut = setTimeout(() => http.closeAllConnections(), 100);
  await closed;
  clearTimeout(cut);
}
