import type { EpochMs } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MonotonicMs } from "../ports/index.ts";
import { announcedWaitMs, fullBucket, holdOrigin, holdRemainingMs, NO_HOLD, takeToken } from "./rate-limit.ts";
import { RATE_LIMIT_DEFAULTS } from "./rate-limit-options.ts";

const mono = (ms: number): MonotonicMs => ms as MonotonicMs;
const at = (ms: number): EpochMs => (1_700_000_000_000 + ms) as EpochMs;
const HOUR_MS = 3_600_000;

describe("token bucket", () => {
  test("R6 a burst goes at once, then requests are spread evenly", () => {
    const options = { requestsPerSecond: 10, burst: 3 };
    let state = fullBucket(options, mono(0));
    for (let i = 0; i < 3; i++) {
      const taken = takeToken(state, mono(0), options);
      expect(taken.waitMs).toBe(0);
      state = taken.state;
    }
    const refused = takeToken(state, mono(0), options);
    expect(refused.waitMs).toBe(100);
    expect(takeToken(refused.state, mono(99), options).waitMs).toBe(1);
    expect(takeToken(refused.state, mono(100), options).waitMs).toBe(0);
  });
  test("R6 it never holds more than the burst, however long it waits", () => {
    const { state } = takeToken(fullBucket(RATE_LIMIT_DEFAULTS, mono(0)), mono(10 * HOUR_MS), RATE_LIMIT_DEFAULTS);
    expect(state.tokens).toBe(99);
  });
  test("R6 a monotonic clock that goes back gives nothing and takes nothing", () => {
    const options = { requestsPerSecond: 1, burst: 1 };
    const { state } = takeToken(fullBucket(options, mono(1000)), mono(1000), options);
    expect(takeToken(state, mono(0), options).waitMs).toBe(1000);
  });
  test("R6 in any interval of t seconds at most burst + rate · t requests start", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 200 }),
        (requestsPerSecond, burst, steps) => {
          const options = { requestsPerSecond, burst };
          let state = fullBucket(options, mono(0));
          let now = 0;
          let started = 0;
          for (const step of steps) {
            now += step;
            const taken = takeToken(state, mono(now), options);
            state = taken.state;
            if (taken.waitMs === 0) started += 1;
            else expect(takeToken(state, mono(now + taken.waitMs), options).waitMs).toBeLessThanOrEqual(1);
          }
          expect(started).toBeLessThanOrEqual(burst + (requestsPerSecond * now) / 1000 + 1e-6);
        },
      ),
    );
  });
});

describe("the hold of an origin", () => {
  test("R2 holds for what was asked, and not longer", () => {
    const hold = holdOrigin(NO_HOLD, at(0), 5000);
    expect(holdRemainingMs(hold, at(1000))).toBe(4000);
    expect(holdRemainingMs(hold, at(5000))).toBe(0);
    expect(holdRemainingMs(NO_HOLD, at(0))).toBe(0);
  });
  test("R2 a shorter wish does not shorten it, a longer one lengthens it", () => {
    const hold = holdOrigin(NO_HOLD, at(0), 5000);
    expect(holdOrigin(hold, at(1000), 1000)).toBe(hold);
    expect(holdRemainingMs(holdOrigin(hold, at(1000), 9000), at(1000))).toBe(9000);
  });
  test("R2 no more than 24 h; and a clock set back by days does not hold for days", () => {
    const hold = holdOrigin(NO_HOLD, at(0), 1000 * HOUR_MS);
    expect(holdRemainingMs(hold, at(0))).toBe(24 * HOUR_MS);
    expect(holdRemainingMs(hold, at(-100 * HOUR_MS))).toBe(0);
    expect(holdRemainingMs(holdOrigin(hold, at(-100 * HOUR_MS), 1000), at(-100 * HOUR_MS))).toBe(1000);
  });
});

describe("X-Rate-Limit-*", () => {
  const reset = String((1_700_000_000_000 + 30_000) / 1000);
  test("R6 with nothing remaining it asks to wait until the reset", () => {
    expect(announcedWaitMs("0", reset, at(0))).toBe(30_000);
    expect(announcedWaitMs(" 0 ", ` ${reset}`, at(29_000))).toBe(1000);
  });
  test.each([
    ["1", reset],
    [undefined, reset],
    ["0", undefined],
    ["0", "soon"],
    ["0", "99999999999"],
    ["0", "-5"],
    ["zero", reset],
  ])("R6 remaining %s and reset %s ask for nothing", (remaining, when) => {
    expect(announcedWaitMs(remaining, when, at(0))).toBeUndefined();
  });
  test("R6 a reset that has passed asks for nothing", () => {
    expect(announcedWaitMs("0", reset, at(30_000))).toBeUndefined();
  });
});
