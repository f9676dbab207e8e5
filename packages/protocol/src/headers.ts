import type { CapabilityLevel } from "./levels.ts";

/** Every header that the protocol gives a meaning to, in its canonical spelling. Compare without case. */
export const HEADERS = {
  accept: "Accept",
  appVersion: "X-App-Version",
  attempt: "X-Attempt",
  authorization: "Authorization",
  cacheControl: "Cache-Control",
  contentEncoding: "Content-Encoding",
  contentType: "Content-Type",
  date: "Date",
  deviceId: "X-Device-Id",
  etag: "ETag",
  fence: "Sync-Fence",
  idempotencyKey: "Idempotency-Key",
  idempotentReplayed: "Idempotent-Replayed",
  ifMatch: "If-Match",
  lease: "Sync-Lease",
  location: "Location",
  rateLimitLimit: "X-Rate-Limit-Limit",
  rateLimitRemaining: "X-Rate-Limit-Remaining",
  rateLimitReset: "X-Rate-Limit-Reset",
  requestId: "X-Request-Id",
  retryAfter: "Retry-After",
  traceId: "Trace-Id",
  traceparent: "traceparent",
} as const;
export type HeaderName = (typeof HEADERS)[keyof typeof HEADERS];

/**
 * For `Access-Control-Expose-Headers`. `Date` is among them because a browser hides it by default and a Retry-After
 * that is a date cannot be read without it.
 */
export const EXPOSED_HEADERS: readonly HeaderName[] = [
  HEADERS.requestId,
  HEADERS.rateLimitLimit,
  HEADERS.rateLimitRemaining,
  HEADERS.rateLimitReset,
  HEADERS.etag,
  HEADERS.location,
  HEADERS.retryAfter,
  HEADERS.idempotentReplayed,
  HEADERS.date,
];

const PLAIN: readonly HeaderName[] = [HEADERS.authorization, HEADERS.contentType, HEADERS.ifMatch];
const KEYED: readonly HeaderName[] = [...PLAIN, HEADERS.idempotencyKey];
const FULL: readonly HeaderName[] = [
  ...KEYED,
  HEADERS.accept,
  HEADERS.contentEncoding,
  HEADERS.appVersion,
  HEADERS.deviceId,
  HEADERS.traceId,
  HEADERS.traceparent,
  HEADERS.attempt,
  HEADERS.fence,
  HEADERS.lease,
];

/** For `Access-Control-Allow-Headers` of a level 4 backend. */
export const ALLOWED_HEADERS: readonly HeaderName[] = FULL;

/**
 * The headers that a client may set by itself on a write. One header that a backend does not list in its CORS answer
 * fails the whole browser request, so weaker backends get the fewest.
 */
export function requestHeadersOf(level: CapabilityLevel): readonly HeaderName[] {
  if (level === 4) return FULL;
  return level >= 2 ? KEYED : PLAIN;
}

export const JSON_CONTENT_TYPE = "application/json; charset=utf-8";
export const PROBLEM_CONTENT_TYPE = "application/problem+json";
export const MERGE_PATCH_CONTENT_TYPE = "application/merge-patch+json";
