import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs, PRESETS, retryDelayMs } from "./backoff.ts";

const DAY_MS = 86_400_000;
const none = { jitter: 0.5, spread: 0 };

describe("backoff", () => {
  test.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [5, 16_000],
    [6, 30_000],
    [40, 30_000],
    [5000, 30_000],
  ])("R1 attempt %i of the standard preset waits %i ms without jitter", (attempt, waitMs) => {
    expect(backoffMs(PRESETS.standard, attempt, 0.5)).toBe(waitMs);
  });

  test("R1 the presets are the specified ones", () => {
    expect(PRESETS).toEqual({
      standard: { baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 5 },
      aggressive: { baseMs: 500, maxDelayMs: 10_000, maxAttempts: 5 },
      conservative: { baseMs: 2000, maxDelayMs: 30_000, maxAttempts: 5 },
      background: { baseMs: 2000, maxDelayMs: 60_000, maxAttempts: 7 },
    });
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("R1 attempt %d throws", (attempt) => {
    expect(() => backoffMs(PRESETS.standard, attempt, 0.5)).toThrow(RangeError);
  });
  test.each([-0.1, 1.1, Number.NaN])("R1 jitter %d throws", (jitter) => {
    expect(() => backoffMs(PRESETS.standard, 1, jitter)).toThrow(RangeError);
  });

  test("R1 the delay lies in [0.5, 1.5) of the exponential, below the cap, in whole ms", () => {
    const policy = fc.record({ baseMs: fc.integer({ min: 1, max: 10_000 }), maxDelayMs: fc.integer({ min: 1, max: 300_000 }) });
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 2000 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (some, attempt, jitter) => {
        const waitMs = backoffMs({ ...some, maxAttempts: 5 }, attempt, jitter);
        const middle = some.baseMs * 2 ** (attempt - 1);
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(waitMs).toBeLessThanOrEqual(some.maxDelayMs);
        expect(waitMs).toBeGreaterThanOrEqual(Math.min(some.maxDelayMs, Math.floor(middle / 2)));
        if (middle < Number.MAX_SAFE_INTEGER) expect(waitMs).toBeLessThan(Math.max(1, middle * 1.5));
      }),
    );
  });
});

describe("the delay of a retry", () => {
  const policy = PRESETS.standard;
  test("R2 without Retry-After is the backoff, and no spread is added", () => {
    expect(retryDelayMs({ policy, attempt: 2, draws: { jitter: 0.5, spread: 0.9 } })).toBe(2000);
  });
  test("R2 Retry-After longer than the backoff wins, plus up to 5 s", () => {
    expect(retryDelayMs({ policy, attempt: 1, retryAfterMs: 120_000, draws: none })).toBe(120_000);
    expect(retryDelayMs({ policy, attempt: 1, retryAfterMs: 120_000, draws: { jitter: 0.5, spread: 0.5 } })).toBe(122_500);
  });
  test("R2 Retry-After shorter than the backoff does not shorten it", () => {
    expect(retryDelayMs({ policy, attempt: 5, retryAfterMs: 1000, draws: none })).toBe(16_000);
    expect(retryDelayMs({ policy, attempt: 1, retryAfterMs: 0, draws: none })).toBe(1000);
  });
  test("R2 nothing waits longer than 24 h", () => {
    expect(retryDelayMs({ policy, attempt: 1, retryAfterMs: 10 * DAY_MS, draws: { jitter: 1, spread: 1 } })).toBe(DAY_MS);
    expect(retryDelayMs({ policy: { ...policy, maxDelayMs: 10 * DAY_MS }, attempt: 50, draws: none })).toBe(DAY_MS);
  });
});
