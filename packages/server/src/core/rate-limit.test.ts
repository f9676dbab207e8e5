import type { EpochMs } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { RateLimiter } from "./rate-limit.ts";

const at = (ms: number): EpochMs => ms as EpochMs;

describe("a token bucket", () => {
  test("allows a burst of its limit, then one request for each part of the window", () => {
    const limiter = new RateLimiter({ limit: 4, windowMs: 60_000 });
    for (let i = 0; i < 4; i++) expect(limiter.take("a", at(0)).isAllowed).toBe(true);
    expect(limiter.take("a", at(0))).toMatchObject({ isAllowed: false, remaining: 0, retryAfterMs: 15_000, resetAt: 60_000 });
    expect(limiter.take("a", at(14_999)).isAllowed).toBe(false);
    expect(limiter.take("a", at(15_000)).isAllowed).toBe(true);
    expect(limiter.look("a", at(1_000_000))).toMatchObject({ remaining: 4, resetAt: 1_000_000 });
  });

  test("is not filled by looking, by refusals or by a clock that went back", () => {
    const limiter = new RateLimiter({ limit: 1, windowMs: 1000 });
    limiter.take("a", at(5000));
    for (const now of [5000, 4000, 1]) {
      limiter.look("a", at(now));
      expect(limiter.take("a", at(now)).isAllowed).toBe(false);
    }
    expect(limiter.take("b", at(5000)).isAllowed).toBe(true);
  });

  test("stays quick and forgetful with very many names", () => {
    const limiter = new RateLimiter({ limit: 2, windowMs: 1000 });
    const startedAt = performance.now();
    for (let i = 0; i < 300_000; i++) limiter.take(`n${i}`, at(i));
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(limiter.look("n0", at(300_000)).remaining).toBe(2);
  });
});
