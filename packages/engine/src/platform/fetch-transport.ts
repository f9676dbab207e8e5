import type { Exchange, HttpRequest, NetworkFailure, Transport } from "../ports/index.ts";
import { startDeadline } from "./deadline.ts";
import { OpaqueFailures } from "./opaque-failure.ts";
import { redirectOf } from "./redirect.ts";
import { refusalOf } from "./secure-address.ts";

export interface FetchTransportOptions {
  /** Default: the runtime's. */
  readonly fetch?: typeof fetch;
  /** http to hosts other than this machine. Default false: for tests in private networks only. */
  readonly allowInsecure?: boolean;
  /** Answers are cut beyond this, and then count as malformed. Default 16 MiB. */
  readonly maxBodyBytes?: number;
  /** Default: what `navigator.onLine` says, where there is one. */
  readonly isOnline?: () => boolean;
  /** Default: the origin of this page or worker. */
  readonly pageOrigin?: string;
}

const MAX_BODY_BYTES = 16_777_216;

/**
 * HTTP by `fetch`, without cookies and caches. Follows 307 and 308 within the origin with the same method and body, where the runtime
 * shows a redirect's target. Browsers do not: there every redirect counts as one that asks for a login, and nothing is sent after it.
 * A request with `Content-Encoding: gzip` is compressed here. Answers have the headers that CORS exposes, and no others.
 */
export function fetchTransport(options: FetchTransportOptions = {}): Transport {
  const call: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  const closing = new AbortController();
  const failures = new OpaqueFailures({
    fetch: call,
    isOnline: options.isOnline ?? systemIsOnline,
    pageOrigin: options.pageOrigin ?? systemPageOrigin(),
    closing: closing.signal,
  });
  return {
    async exchange(request) {
      const startedAt = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - startedAt);
      const fail = (failure: NetworkFailure, detail: string): Exchange => ({ kind: "failure", failure, detail, elapsedMs: elapsedMs() });
      const refusal = refusalOf(request.url, options.allowInsecure === true);
      if (refusal !== undefined) return fail("tls_failed", refusal);
      const deadline = startDeadline(request.timeoutMs, [request.signal, closing.signal]);
      try {
        // A fetch that does not heed its signal must not outlive the deadline either.
        const answer = await Promise.race([follow({ call, request, signal: deadline.signal, maxBodyBytes, failures }), deadline.over]);
        return answer === "hidden" ? fail("login_required", HIDDEN) : { kind: "answer", ...answer, elapsedMs: elapsedMs() };
      } catch (error) {
        const ended = deadline.ended();
        if (ended !== undefined) return fail(ended, `ended after ${elapsedMs()} ms`);
        const failure = error instanceof Unanswered ? await failures.judge(error.url) : "reset";
        return fail(failure, wordsOf(error instanceof Unanswered ? error.cause : error));
      } finally {
        deadline.clear();
      }
    },
    close() {
      closing.abort();
      return Promise.resolve();
    },
  };
}

const HIDDEN = "the answer is a redirect, and a browser does not show where to: is backend.baseUrl the final address?";

type Answered = Omit<Extract<Exchange, { kind: "answer" }>, "kind" | "elapsedMs">;

interface Errand {
  readonly call: typeof fetch;
  readonly request: HttpRequest;
  readonly signal: AbortSignal;
  readonly maxBodyBytes: number;
  readonly failures: OpaqueFailures;
}

/** `fetch` rejected: no answer, or none that may be read. */
class Unanswered extends Error {
  readonly url: URL;
  constructor(url: URL, cause: unknown) {
    super("no readable answer", { cause });
    this.url = url;
  }
}

async function follow({ call, request, signal, maxBodyBytes, failures }: Errand): Promise<Answered | "hidden"> {
  const { method } = request;
  const headers = new Headers(request.headers);
  const body = await bodyOf(request.body, headers);
  let url = new URL(request.url);
  for (let hops = 0; ; hops++) {
    const init: RequestInit = { method, headers, body, signal, redirect: "manual", credentials: "omit", cache: "no-store" };
    const response = await call(url.href, init).catch((error: unknown) => {
      throw new Unanswered(url, error);
    });
    if (response.type === "opaqueredirect") return "hidden";
    failures.answered(method, url);
    const { status } = response;
    const redirect = redirectOf(url, { status, location: response.headers.get("location") ?? undefined }, hops);
    if (redirect.kind === "report") {
      const answer = { status, headers: Object.fromEntries(response.headers), body: await read(response, maxBodyBytes) };
      return redirect.crossOrigin ? { ...answer, crossOrigin: true } : answer;
    }
    response.body?.cancel().catch(() => {});
    url = redirect.url;
  }
}

async function bodyOf(text: string | undefined, headers: Headers): Promise<string | ArrayBuffer | null> {
  if (text === undefined || headers.get("content-encoding") !== "gzip") return text ?? null;
  return new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}

/** What arrived until the bound; the rest is not waited for. */
async function read({ body }: Response, maxBodyBytes: number): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let roomBytes = maxBodyBytes;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value.subarray(0, roomBytes), { stream: true });
    roomBytes -= value.length;
    if (roomBytes > 0) continue;
    reader.cancel().catch(() => {});
    return text + decoder.decode();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function systemIsOnline(): boolean {
  return typeof navigator === "undefined" || (navigator as { readonly onLine?: boolean }).onLine !== false;
}

/** Of a page or a worker. */
declare const location: { readonly origin: string } | undefined;

function systemPageOrigin(): string | undefined {
  return typeof location === "undefined" ? undefined : location.origin;
}
