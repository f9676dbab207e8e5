import { type EpochMs, formatHttpDate, formatIso } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { betterOffset, firstSendAt, measureOffset } from "./clock-offset.ts";

const NOW = 1_772_366_400_000 as EpochMs; // a whole second
const plus = (at: number, ms: number): EpochMs => (at + ms) as EpochMs;

describe("clock offset", () => {
  test("X1 is the server's time half a round trip ago", () => {
    expect(measureOffset({ receivedAt: NOW, elapsedMs: 100, serverTime: formatIso(plus(NOW, 4950)) })).toEqual({
      offsetMs: 5000,
      errorMs: 50,
    });
    expect(measureOffset({ receivedAt: NOW, elapsedMs: 100, serverTime: formatIso(plus(NOW, -50)) })).toEqual({ offsetMs: 0, errorMs: 50 });
  });
  test("X1 a Date header serves when nothing better does", () => {
    expect(measureOffset({ receivedAt: NOW, elapsedMs: 0, date: formatHttpDate(NOW) })).toEqual({ offsetMs: 500, errorMs: 500 });
    const both = { receivedAt: NOW, elapsedMs: 0, date: formatHttpDate(plus(NOW, 9_000_000)), serverTime: formatIso(NOW) };
    expect(measureOffset(both)).toEqual({ offsetMs: 0, errorMs: 0 });
    expect(measureOffset({ ...both, serverTime: "now" })?.offsetMs).toBe(9_000_500);
  });
  test("X1 no time, no offset", () => {
    expect(measureOffset({ receivedAt: NOW, elapsedMs: 10 })).toBeUndefined();
    expect(measureOffset({ receivedAt: NOW, elapsedMs: 10, date: "yesterday", serverTime: "" })).toBeUndefined();
  });
  test("X1 the truth lies within the error, for any true offset and any split of the round trip", () => {
    const ms = fc.integer({ min: 0, max: 20_000 });
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), ms, ms, fc.boolean(), (offset, there, back, exact) => {
        const serverNow = plus(NOW, there + offset);
        const sample = exact ? { serverTime: formatIso(serverNow) } : { date: formatHttpDate(serverNow) };
        const measured = measureOffset({ receivedAt: plus(NOW, there + back), elapsedMs: there + back, ...sample });
        expect(Math.abs((measured?.offsetMs ?? Number.NaN) - offset)).toBeLessThanOrEqual((measured?.errorMs ?? 0) + 1);
      }),
    );
  });
  test("X1 a blurred measurement that agrees does not replace a sharp one; one that disagrees does", () => {
    const sharp = { offsetMs: 100, errorMs: 20 };
    expect(betterOffset(sharp, { offsetMs: 500, errorMs: 500 })).toBe(sharp);
    expect(betterOffset(sharp, { offsetMs: 90_000, errorMs: 500 })).toEqual({ offsetMs: 90_000, errorMs: 500 });
    expect(betterOffset({ offsetMs: 500, errorMs: 500 }, sharp)).toBe(sharp);
    expect(betterOffset(undefined, sharp)).toBe(sharp);
    expect(betterOffset(sharp, undefined)).toBe(sharp);
    expect(betterOffset(undefined, undefined)).toBeUndefined();
  });
  test("X1 a first send without a measured offset is older than anything", () => {
    expect(firstSendAt(NOW, undefined)).toBe(0);
    expect(firstSendAt(NOW, -250)).toBe(NOW - 250);
  });
});
