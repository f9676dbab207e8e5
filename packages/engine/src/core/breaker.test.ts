import type { EpochMs } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BreakerEvent,
  type BreakerState,
  breakerAllows,
  CLOSED_BREAKER,
  cooldownRemainingMs,
  parseBreaker,
  serialiseBreaker,
  stepBreaker,
} from "./breaker.ts";
import { BREAKER_DEFAULTS as defaults } from "./breaker-options.ts";

const at = (ms: number): EpochMs => (1_700_000_000_000 + ms) as EpochMs;
const run = (state: BreakerState, ...events: readonly [BreakerEvent["type"], number][]): BreakerState =>
  events.reduce((now, [type, ms]) => stepBreaker(now, { type, now: at(ms) }, defaults), state);
const failures = (count: number, fromMs = 0, everyMs = 10): [BreakerEvent["type"], number][] =>
  Array.from({ length: count }, (_, i) => ["failure", fromMs + i * everyMs]);
const opened = run(CLOSED_BREAKER, ...failures(10));

describe("breaker", () => {
  test("R5 nine failures leave it closed, the tenth opens it", () => {
    expect(run(CLOSED_BREAKER, ...failures(9)).kind).toBe("closed");
    expect(opened).toEqual({ kind: "open", openedAt: at(90) });
  });
  test("R5 failures older than the window do not count", () => {
    expect(run(CLOSED_BREAKER, ...failures(9), ["failure", 60_000]).kind).toBe("closed");
    expect(run(CLOSED_BREAKER, ...failures(9, 2), ["failure", 60_000]).kind).toBe("open");
  });
  test("R5 a success in between does not hide a failing origin", () => {
    expect(run(CLOSED_BREAKER, ...failures(9), ["success", 95], ["failure", 96]).kind).toBe("open");
  });
  test("R5 open for 60 s, then one probe, and nothing beside it", () => {
    expect(breakerAllows(opened, at(91), defaults)).toEqual({ allowed: false, retryInMs: 59_999 });
    expect(breakerAllows(opened, at(60_089), defaults)).toEqual({ allowed: false, retryInMs: 1 });
    expect(breakerAllows(opened, at(60_090), defaults)).toEqual({ allowed: true, probe: true });
    const probing = run(opened, ["probe_started", 60_090]);
    expect(breakerAllows(probing, at(60_100), defaults)).toEqual({ allowed: false, retryInMs: 59_990 });
  });
  test("R5 the probe's success closes it, its failure opens it anew", () => {
    const probing = run(opened, ["probe_started", 60_090]);
    expect(run(probing, ["success", 60_200])).toEqual(CLOSED_BREAKER);
    expect(run(probing, ["failure", 60_200])).toEqual({ kind: "open", openedAt: at(60_200) });
  });
  test("R5 a probe that never ends is given up after a cooldown", () => {
    const probing = run(opened, ["probe_started", 60_090]);
    expect(breakerAllows(probing, at(120_090), defaults)).toEqual({ allowed: true, probe: true });
    expect(run(probing, ["probe_started", 120_090])).toEqual({ kind: "half_open", probeStartedAt: at(120_090) });
  });
  test("R5 late answers of requests from before do not decide while it is open", () => {
    expect(run(opened, ["success", 100], ["failure", 101])).toEqual(opened);
  });
  test("R5 an operator closes it", () => {
    expect(run(opened, ["reset", 100])).toEqual(CLOSED_BREAKER);
  });
  test("R5 a probe event while closed changes nothing", () => {
    expect(run(CLOSED_BREAKER, ["probe_started", 1], ["success", 2], ["tick", 3])).toEqual(CLOSED_BREAKER);
    expect(run(run(CLOSED_BREAKER, ["failure", 0]), ["tick", 70_000])).toEqual(CLOSED_BREAKER);
  });
  test("R5 a clock set back does not lengthen the cooldown", () => {
    expect(cooldownRemainingMs(opened, at(-10_000_000), defaults)).toBe(60_000);
    const anchored = run(opened, ["tick", -10_000_000]);
    expect(breakerAllows(anchored, at(-10_000_000 + 60_000), defaults)).toEqual({ allowed: true, probe: true });
    const probing = run(opened, ["probe_started", 60_090], ["tick", -10_000_000]);
    expect(probing).toEqual({ kind: "half_open", probeStartedAt: at(-10_000_000) });
  });
  test("R5 closed has no cooldown", () => {
    expect(cooldownRemainingMs(CLOSED_BREAKER, at(0), defaults)).toBe(0);
    expect(breakerAllows(CLOSED_BREAKER, at(0), defaults)).toEqual({ allowed: true, probe: false });
  });

  test("R5 survives a restart; an interrupted probe may be repeated at once", () => {
    expect(parseBreaker(serialiseBreaker(opened), defaults)).toEqual(opened);
    const closed = run(CLOSED_BREAKER, ...failures(3));
    expect(parseBreaker(serialiseBreaker(closed), defaults)).toEqual(closed);
    const probing = run(opened, ["probe_started", 60_090]);
    const again = parseBreaker(serialiseBreaker(probing), defaults);
    expect(breakerAllows(again, at(60_090), defaults)).toEqual({ allowed: true, probe: true });
  });
  test.each([
    undefined,
    "",
    "{",
    "null",
    "[]",
    "7",
    '{"kind":"open"}',
    '{"kind":"open","openedAt":"x"}',
    '{"kind":"half_open"}',
    '{"kind":"closed"}',
  ])("R5 what cannot be read is a closed breaker: %s", (text) => {
    expect(parseBreaker(text, defaults)).toEqual(CLOSED_BREAKER);
  });
  test("R5 what was written for a larger threshold is cut to this one", () => {
    const text = JSON.stringify({ kind: "closed", failures: [1, "x", null, ...Array.from({ length: 50 }, (_, i) => i)] });
    const state = parseBreaker(text, defaults);
    expect(state.kind === "closed" && state.failures).toHaveLength(10);
  });

  test("R5 whatever happens, memory is bounded and a wait ends within the cooldown", () => {
    const types = ["success", "failure", "probe_started", "tick", "reset"] as const;
    const events = fc.array(fc.record({ type: fc.constantFrom(...types), stepMs: fc.integer({ min: -100_000, max: 100_000 }) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(events, (all) => {
        let state: BreakerState = CLOSED_BREAKER;
        let ms = 0;
        for (const { type, stepMs } of all) {
          ms += stepMs;
          state = stepBreaker(state, { type, now: at(ms) }, defaults);
          if (state.kind === "closed") expect(state.failures.length).toBeLessThan(defaults.failureThreshold);
          const answer = breakerAllows(state, at(ms), defaults);
          if (!answer.allowed) expect(answer.retryInMs).toBeLessThanOrEqual(defaults.cooldownMs);
          expect(parseBreaker(serialiseBreaker(state), defaults).kind).not.toBe("half_open");
        }
      }),
    );
  });
});
