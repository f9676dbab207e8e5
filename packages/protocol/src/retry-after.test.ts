import { describe, expect, test } from "vitest";
import type { EpochMs } from "./ids.ts";
import { formatHttpDate, parseHttpDate, parseRetryAfter } from "./retry-after.ts";

const DATE = "Sat, 22 Nov 2025 09:15:30 GMT";
const HOUR_MS = 3_600_000;

describe("Retry-After", () => {
  test.each([
    ["120", 120_000],
    ["0", 0],
    [" 5 ", 5000],
    ["86400", 24 * HOUR_MS],
    ["86401", 24 * HOUR_MS],
    ["Sat, 22 Nov 2025 09:15:40 GMT", 10_000],
    [DATE, 0],
    ["Mon, 24 Nov 2025 09:15:30 GMT", 24 * HOUR_MS],
  ])("%s is %d ms", (value, waitMs) => {
    expect(parseRetryAfter(value, DATE)).toBe(waitMs);
  });

  test.each([
    ["nothing", null],
    ["nothing at all", undefined],
    ["empty", ""],
    ["negative", "-1"],
    ["fractional", "1.5"],
    ["signed", "+5"],
    ["an exponent", "1e3"],
    ["hexadecimal", "0x10"],
    ["not finite", "Infinity"],
    ["more than ten years", "320000000"],
    ["more digits than a number holds", "9".repeat(400)],
    ["two values", "5, 6"],
    ["a word", "soon"],
    ["a date in the past", "Sat, 22 Nov 2025 09:15:29 GMT"],
    ["a date more than ten years off", "Sun, 22 Nov 2037 09:15:30 GMT"],
    ["the wrong weekday", "Sun, 22 Nov 2025 09:15:40 GMT"],
    ["31 February", "Tue, 31 Feb 2026 09:15:40 GMT"],
    ["25 o'clock", "Sat, 22 Nov 2025 25:15:40 GMT"],
    ["the obsolete RFC 850 form", "Saturday, 22-Nov-25 09:15:40 GMT"],
    ["the obsolete asctime form", "Sat Nov 22 09:15:40 2025"],
    ["another zone", "Sat, 22 Nov 2025 09:15:40 CET"],
    ["ISO 8601", "2025-11-22T09:15:40Z"],
  ])("ignored: %s", (_why, value) => {
    expect(parseRetryAfter(value, DATE)).toBeUndefined();
  });

  test("a date means nothing without the answer's own Date, seconds do", () => {
    expect(parseRetryAfter("Sat, 22 Nov 2025 09:15:40 GMT", null)).toBeUndefined();
    expect(parseRetryAfter("Sat, 22 Nov 2025 09:15:40 GMT", "today")).toBeUndefined();
    expect(parseRetryAfter("10", null)).toBe(10_000);
  });

  test("dates print and read back", () => {
    const at = Date.UTC(1994, 10, 6, 8, 49, 37) as EpochMs;
    expect(formatHttpDate(at)).toBe("Sun, 06 Nov 1994 08:49:37 GMT");
    expect(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(at);
  });
});
