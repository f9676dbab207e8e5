/** See `breaker.ts`. By themselves, because every page needs them and few the breaker at once. */
export interface BreakerOptions {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly cooldownMs: number;
}
export const BREAKER_DEFAULTS: BreakerOptions = { failureThreshold: 10, windowMs: 60_000, cooldownMs: 60_000 };
