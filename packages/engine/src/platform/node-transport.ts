import { gunzipSync, gzipSync, brotliDecompressSync } from "node:zlib";
import { Agent, buildConnector, type Dispatcher } from "undici";
import type { Exchange, HttpRequest, NetworkFailure, Transport } from "../ports/index.ts";
import { startDeadline } from "./deadline.ts";
import { failureDetail, networkFailureOf } from "./network-failure.ts";
import { checkPin, parsePins } from "./pins.ts";
import { redirectOf } from "./redirect.ts";
import { refusalOf } from "./secure-address.ts";

export interface UndiciTransportOptions {
  /** `sha256/<base64>` of the server's public key (SPKI), with a spare one for the next key. Checked on every connect. */
  readonly pins?: readonly string[];
  /** http to hosts other than this machine. Default false: for tests in private networks only. */
  readonly allowInsecure?: boolean;
  /** Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** PEM of a private certificate authority, instead of the system's. */
  readonly ca?: string;
  /** Answers are cut beyond this, and then count as malformed. Default 16 MiB. */
  readonly maxBodyBytes?: number;
}

const MAX_BODY_BYTES = 16_777_216;

/**
 * HTTP by undici: keep-alive, HTTP/2 where the server has it, TLS 1.3 or better. Follows 307 and 308 within the origin
 * with the same method and body; reports every other redirect. A request with `Content-Encoding: gzip` is compressed here.
 * @throws TypeError or RangeError on malformed options.
 */
export function undiciTransport(options: UndiciTransportOptions = {}): Transport {
  const agent = new Agent({ connect: connectorOf(options), headersTimeout: 0, bodyTimeout: 0 });
  const maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  return {
    async exchange(request) {
      const startedAt = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - startedAt);
      const fail = (failure: NetworkFailure, detail: string): Exchange => ({ kind: "failure", failure, detail, elapsedMs: elapsedMs() });
      const refusal = refusalOf(request.url, options.allowInsecure === true);
      if (refusal !== undefined) return fail("tls_failed", refusal);
      const deadline = startDeadline(request.timeoutMs, [request.signal]);
      try {
        const answer = await follow(agent, request, deadline.signal, maxBodyBytes);
        return { kind: "answer", ...answer, elapsedMs: elapsedMs() };
      } catch (error) {
        const ended = deadline.ended();
        return ended === undefined ? fail(networkFailureOf(error), failureDetail(error)) : fail(ended, `ended after ${elapsedMs()} ms`);
      } finally {
        deadline.clear();
      }
    },
    close: () => agent.destroy(),
  };
}

function connectorOf({ pins, connectTimeoutMs = 10_000, ca }: UndiciTransportOptions): buildConnector.connector {
  const allowed = pins === undefined ? undefined : parsePins(pins);
  const connect = buildConnector({
    allowH2: true,
    preferH2: true,
    minVersion: "TLSv1.3",
    timeout: connectTimeoutMs,
    ...(ca === undefined ? {} : { ca }),
    // A resumed session shows no certificate, so there would be nothing to compare.
    ...(allowed === undefined ? {} : { maxCachedSessions: 0 }),
  });
  if (allowed === undefined) return connect;
  return (target, callback) =>
    connect(target, (error, socket) => {
      if (error !== null) return callback(error, null);
      const mismatch = checkPin(socket, allowed);
      if (mismatch === undefined) return callback(null, socket);
      socket.destroy();
      callback(mismatch, null);
    });
}

type Answered = Omit<Extract<Exchange, { kind: "answer" }>, "kind" | "elapsedMs">;

async function follow(agent: Agent, request: HttpRequest, signal: AbortSignal, maxBodyBytes: number): Promise<Answered> {
  let url = new URL(request.url);
  for (let hops = 0; ; hops++) {
    const response = await agent.request(dispatchOf(url, request, signal));
    const { statusCode: status } = response;
    const headers = flat(response.headers);
    const body = decoded(await read(response.body, maxBodyBytes), headers["content-encoding"], maxBodyBytes);
    const redirect = redirectOf(url, { status, location: headers.location }, hops);
    if (redirect.kind === "report") return { status, headers, body, ...(redirect.crossOrigin ? { crossOrigin: true } : {}) };
    url = redirect.url;
  }
}

function dispatchOf(url: URL, request: HttpRequest, signal: AbortSignal): Dispatcher.RequestOptions {
  const { method, headers, body } = request;
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const encoding = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers,
    body: body === undefined ? null : encoding === "gzip" ? gzipSync(body) : body,
    signal,
    // With a key or a fence a repeated request does no harm, and need not queue behind others on the connection.
    idempotent: method === "GET" || names.has("idempotency-key") || names.has("sync-fence"),
  };
}

/** What arrived until the bound; the rest is dropped with the connection. */
async function read(stream: Dispatcher.ResponseData["body"], maxBodyBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > maxBodyBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBodyBytes);
}

/** Nobody was asked to compress, but some do. What cannot be decoded stays as it is, and will not be JSON. */
function decoded(bytes: Buffer, encoding: string | undefined, maxBodyBytes: number): string {
  const decode = encoding === "gzip" ? gunzipSync : encoding === "br" ? brotliDecompressSync : undefined;
  if (decode === undefined || bytes.length === 0) return bytes.toString("utf8");
  try {
    return decode(bytes, { maxOutputLength: maxBodyBytes }).toString("utf8");
  } catch {
    return bytes.toString("latin1");
  }
}

function flat(headers: Dispatcher.ResponseData["headers"]): Readonly<Record<string, string>> {
  const all: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return all;
}
