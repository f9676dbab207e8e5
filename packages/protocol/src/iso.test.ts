import { expect, test } from "vitest";
import type { EpochMs } from "./ids.ts";
import { formatIso, parseIso } from "./iso.ts";

test.each([
  ["2025-11-22T09:15:30.125Z", Date.UTC(2025, 10, 22, 9, 15, 30, 125)],
  ["2025-11-22T09:15:30Z", Date.UTC(2025, 10, 22, 9, 15, 30)],
  ["2025-11-22T09:15:30.1Z", Date.UTC(2025, 10, 22, 9, 15, 30, 100)],
  ["2025-11-22T09:15:30.123999999Z", Date.UTC(2025, 10, 22, 9, 15, 30, 123)],
  ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
  ["1969-12-31T23:59:59.999Z", -1],
])("%s is read", (text, ms) => {
  expect(parseIso(text)).toBe(ms);
});

test.each([
  "",
  "2025-11-22",
  "2025-11-22T09:15Z",
  "2025-11-22T09:15:30",
  "2025-11-22T09:15:30+00:00",
  "2025-11-22 09:15:30Z",
  "2025-02-29T00:00:00Z",
  "2025-04-31T00:00:00Z",
  "2025-13-01T00:00:00Z",
  "2025-11-22T24:00:00Z",
  "2025-11-22T23:59:60Z",
  "2025-11-22T09:15:30.Z",
  "+002025-11-22T09:15:30Z",
  `2025-11-22T09:15:30.${"1".repeat(1_000_000)}Z`,
])("%.40s is refused", (text) => {
  expect(parseIso(text)).toBeUndefined();
});

test("prints what it reads, and only four-digit years", () => {
  expect(formatIso(0 as EpochMs)).toBe("1970-01-01T00:00:00.000Z");
  expect(() => formatIso(8.64e15 as EpochMs)).toThrow(RangeError);
});
