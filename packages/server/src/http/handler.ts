/**
 * One function from a plain request to a plain answer. The order of its gates is part of the contract: preflight, route, drain,
 * address limit, app version, token, principal limit, and only then the route itself.
 */
import { formatHttpDate, formatIso, HEADERS, JSON_CONTENT_TYPE, PROBLEM_CONTENT_TYPE, problemOf } from "@guardian-sync/protocol";
import { judgeAppVersion } from "../core/app-version.ts";
import type { RateLimiter, RateVerdict } from "../core/rate-limit.ts";
import { INTERNAL, invalid, type Refusal, RequestRefused, wireError } from "../core/refusal.ts";
import { StorageError } from "../core/storage.ts";
import type { Authenticate, PlainRequest, PlainResponse } from "../ports.ts";
import { networkOf } from "./address.ts";
import { prefersProblem } from "./accept.ts";
import { type CorsOptions, corsHeaders, isPreflight, preflightHeaders } from "./cors.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { RestRefused } from "./rest-reply.ts";
import type { Match, Reply, Route, Router } from "./route.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";

export interface HandlerOptions {
  readonly deps: Deps;
  readonly router: Router;
  readonly authenticate: Authenticate;
  readonly byAddress: RateLimiter;
  readonly byPrincipal: RateLimiter;
  readonly cors: CorsOptions | undefined;
  readonly minimumAppVersion: string | undefined;
  readonly isDraining: () => boolean;
}

type Headers = { readonly [name: string]: string };

export class Handler {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Never rejects: what goes wrong inside is a 500 to the caller and an error in the log. */
  async handle(request: PlainRequest): Promise<PlainResponse> {
    const { deps, router, byAddress, cors } = this.#options;
    const startedAt = deps.world.timer.now();
    const match = router.match(request.method, request.path);
    const params = match.kind === "found" ? match.params : {};
    const exchange = new Exchange(request, params, deps, startedAt, deps.newId());
    // Until a gate has taken a token the answer shows what the address has left.
    const limits: { rate: RateVerdict } = { rate: byAddress.look(addressOf(request), startedAt) };
    const [reply, extra] = await this.#answer(exchange, match, limits);
    const { timer } = deps.world;
    const route = match.kind === "found" ? `${match.route.method} ${match.route.template}` : null;
    const isPatient = request.query.wait !== undefined;
    const duration_ms = timer.now() - startedAt;
    deps.metrics.request(route, reply.status, isPatient ? null : duration_ms);
    deps.logger.debug({
      event_type: "request",
      msg: `${route ?? request.method} ${reply.status}`,
      trace_id: exchange.echo.trace_id,
      duration_ms,
    });
    return {
      status: reply.status,
      headers: {
        ...SECURITY_HEADERS,
        ...(isPreflight(request) ? preflightHeaders(cors, request) : corsHeaders(cors, request)),
        [HEADERS.date]: formatHttpDate(timer.now()),
        [HEADERS.requestId]: exchange.requestId,
        ...rateHeaders(limits.rate),
        [HEADERS.cacheControl]: reply.status >= 200 && reply.status < 300 ? "private, no-cache" : "no-store",
        ...extra,
        ...reply.headers,
      },
      body: request.method === "HEAD" ? "" : (reply.text?.body ?? ""),
    };
  }

  async #answer(exchange: Exchange, match: Match, limits: { rate: RateVerdict }): Promise<readonly [Reply, Headers]> {
    try {
      if (isPreflight(exchange.request)) return [{ status: 204 }, {}];
      await this.#admit(exchange, match, limits);
      return this.#written(exchange, await routeOf(match, exchange.request).handle(exchange));
    } catch (error) {
      const refusal = this.#refusalOf(error, exchange);
      const own = error instanceof RestRefused ? error.headers : {};
      return this.#written(exchange, { status: refusal.status, headers: { ...own, ...headersOf(refusal, match) } }, refusal);
    }
  }

  async #admit(exchange: Exchange, match: Match, limits: { rate: RateVerdict }): Promise<void> {
    const { byAddress, byPrincipal, minimumAppVersion, isDraining, authenticate } = this.#options;
    const { request, now } = exchange;
    // Addresses that lead nowhere are counted too.
    const access = match.kind === "found" ? match.route.access : "open";
    if (access === "probe") return;
    if (isDraining()) throw new RequestRefused(unavailable("the server is shutting down; another one will take over", 1));
    limits.rate = byAddress.take(addressOf(request), now);
    refuseAbove(limits.rate);
    const tooOld = judgeAppVersion(exchange.header(HEADERS.appVersion), minimumAppVersion);
    if (tooOld !== null) throw new RequestRefused(tooOld);
    if (access === "open") return;
    const session = await authenticate(request);
    if (session === null) throw new RequestRefused(UNAUTHORIZED);
    exchange.session = session;
    limits.rate = byPrincipal.take(`${session.space}\u0000${session.principal}`, now);
    refuseAbove(limits.rate);
  }

  #refusalOf(error: unknown, exchange: Exchange): Refusal {
    if (error instanceof RequestRefused) return error.refusal;
    const { logger, reportError } = this.#options.deps;
    const code = error instanceof StorageError ? error.code : "INTERNAL_ERROR";
    const msg = `request ${exchange.requestId}: ${error instanceof StorageError ? "the database failed" : "unexpected error"}`;
    logger.error({ event_type: "request_failed", msg, code, trace_id: exchange.echo.trace_id });
    reportError(error, { code });
    return error instanceof StorageError ? unavailable("the server cannot reach its database; try again", 5) : INTERNAL;
  }

  /** Data or refusal in the envelope, or as problem+json where the caller prefers that. */
  #written(exchange: Exchange, reply: Reply, refusal?: Refusal): readonly [Reply, Headers] {
    if (reply.text !== undefined) return [reply, { "Content-Type": reply.text.contentType }];
    if (refusal === undefined && reply.data === undefined) return [reply, {}];
    if (refusal !== undefined && prefersProblem(exchange.header(HEADERS.accept))) {
      const body = JSON.stringify(problemOf(wireError(refusal), refusal.status, exchange.echo.trace_id));
      return [{ ...reply, text: { body, contentType: PROBLEM_CONTENT_TYPE } }, { "Content-Type": PROBLEM_CONTENT_TYPE }];
    }
    const meta = { ...exchange.echo, timestamp: formatIso(this.#options.deps.world.timer.now()) };
    const content = refusal === undefined ? { data: reply.data } : { error: wireError(refusal) };
    const body = JSON.stringify({ meta, ...content });
    return [{ ...reply, text: { body, contentType: JSON_CONTENT_TYPE } }, { "Content-Type": JSON_CONTENT_TYPE }];
  }
}

const UNAUTHORIZED: Refusal = {
  status: 401,
  code: "UNAUTHORIZED",
  message: "a valid bearer token is needed; refresh it, or sign in again",
};

function unavailable(message: string, retryAfterSeconds: number): Refusal {
  return { status: 503, code: "SERVICE_UNAVAILABLE", message, details: { retry_after_seconds: retryAfterSeconds } };
}

function routeOf(match: Match, { method, path }: PlainRequest): Route {
  if (match.kind === "found") return match.route;
  if (match.kind === "wrong_method") {
    const message = `${method} is not offered here; offered: ${match.allow.join(", ")}`;
    throw new RequestRefused({ ...invalid("method", "allow", message, 400), status: 405 });
  }
  const details = { resource_type: "route", resource_id: path.slice(0, 255) };
  throw new RequestRefused({ status: 404, code: "RESOURCE_NOT_FOUND", message: "there is nothing at this address", details });
}

function refuseAbove(rate: RateVerdict): void {
  if (rate.isAllowed) return;
  const seconds = Math.max(1, Math.ceil(rate.retryAfterMs / 1000));
  const details = {
    limit: rate.limit,
    window: rate.windowMs / 1000,
    reset_at: formatIso(rate.resetAt),
    retry_after_seconds: seconds,
  };
  throw new RequestRefused({ status: 429, code: "RATE_LIMITED", message: `too many requests; wait ${seconds} s`, details });
}

function headersOf({ details }: Refusal, match: Match): Headers {
  const seconds = details?.retry_after_seconds;
  return {
    ...(typeof seconds === "number" ? { [HEADERS.retryAfter]: String(seconds) } : {}),
    ...(match.kind === "wrong_method" ? { Allow: match.allow.join(", ") } : {}),
  };
}

function rateHeaders(rate: RateVerdict): Headers {
  return {
    [HEADERS.rateLimitLimit]: String(rate.limit),
    [HEADERS.rateLimitRemaining]: String(rate.remaining),
    [HEADERS.rateLimitReset]: String(Math.ceil(rate.resetAt / 1000)),
  };
}

function addressOf({ remoteAddress }: PlainRequest): string {
  return remoteAddress === null ? "unknown" : networkOf(remoteAddress);
}
