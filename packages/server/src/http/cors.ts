/** Cross-origin access: only for the origins of the configuration. Tokens travel in a header, so no credentials mode is needed. */
import { ALLOWED_HEADERS, CORS_MAX_AGE_S, EXPOSED_HEADERS } from "@guardian-sync/protocol";
import type { PlainRequest } from "../ports.ts";

export interface CorsOptions {
  /** Exact origins (`https://app.example`), or `"*"` for any. */
  readonly origins: "*" | readonly string[];
}

const METHODS = "GET, POST, PUT, PATCH, DELETE";

export function corsHeaders(options: CorsOptions | undefined, request: PlainRequest): { readonly [name: string]: string } {
  if (options === undefined) return {};
  // Also where the origin is not allowed: a cache must not give one origin's answer to another.
  const vary = { Vary: "Origin" };
  const { origin } = request.headers;
  if (origin === undefined || !isAllowed(options, origin)) return vary;
  return { ...vary, "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS.join(", ") };
}

export function isPreflight({ method, headers }: PlainRequest): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

export function preflightHeaders(options: CorsOptions | undefined, request: PlainRequest): { readonly [name: string]: string } {
  const headers = corsHeaders(options, request);
  if (headers["Access-Control-Allow-Origin"] === undefined) return headers;
  return {
    ...headers,
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": [...ALLOWED_HEADERS, "If-None-Match"].join(", "),
    "Access-Control-Max-Age": String(CORS_MAX_AGE_S),
  };
}

function isAllowed({ origins }: CorsOptions, origin: string): boolean {
  return origins === "*" || origins.includes(origin);
}
