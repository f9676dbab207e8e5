/** See `rate-limit.ts`. By themselves, because every page needs them and few the bucket at once. */
export interface RateLimitOptions {
  readonly requestsPerSecond: number;
  readonly burst: number;
}
export const RATE_LIMIT_DEFAULTS: RateLimitOptions = { requestsPerSecond: 100, burst: 100 };
