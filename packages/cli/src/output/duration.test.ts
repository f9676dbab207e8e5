import { expect, test } from "vitest";
import { CliError } from "../exit.ts";
import { formatBytes, formatDuration, parseDuration } from "./duration.ts";

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["12h", 43_200_000],
  ["30d", 2_592_000_000],
  ["2w", 1_209_600_000],
  [" 0s ", 0],
  ["5 m", 300_000],
])("C2 the duration %s is %i ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each(["", "30", "d", "-1d", "1.5h", "30 days", "1y", "9999999999d", "1d2h"])(
  "C2 %o is no duration, and that is wrong usage",
  (text) => {
    expect(() => parseDuration(text)).toThrow(CliError);
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ exitCode: 2 }));
  },
);

test("durations and sizes are shown in one unit, rounded down", () => {
  expect([-5, 999, 59_999, 60_000, 3_599_999, 86_399_999, 86_400_000 * 40].map(formatDuration)).toEqual([
    "0 s",
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "23 h",
    "40 d",
  ]);
  expect([0, 1023, 1536, 5 * 1024 ** 2, 3 * 1024 ** 3].map(formatBytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.0 GiB"]);
});
