import { expect, test } from "vitest";
import { type EpochMs, isUuid, isUuidV4, uuidV4, uuidV7Maker } from "./ids.ts";

const zeros = (length: number): Uint8Array => new Uint8Array(length);
const ones = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);

test("a UUID v4 carries version and variant whatever the random bytes", () => {
  expect(uuidV4(zeros)).toBe("00000000-0000-4000-8000-000000000000");
  expect(uuidV4(ones)).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
  expect(isUuidV4(uuidV4(ones))).toBe(true);
});

test("a UUID v7 begins with the time of RFC 9562's example", () => {
  const make = uuidV7Maker(() => uuidV4(zeros));
  expect(make(0x017f22e279b0 as EpochMs)).toBe("017f22e2-79b0-7000-8000-000000000000");
});

test("UUID v7s never go back: within a millisecond, a fraction of one, a clock set back, a full counter", () => {
  const make = uuidV7Maker(() => uuidV4(zeros));
  const times = [1000, 1000, 1000.2, 1000.7, 999, 500, 1000, ...Array.from({ length: 5000 }, () => 1000), 1001];
  const ids = times.map((now) => make(now as EpochMs));
  expect(ids).toEqual([...new Set(ids)].sort());
  expect(ids.every(isUuid)).toBe(true);
});

test.each([
  null,
  1,
  "",
  "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30\n",
  "9B2F6C1E-0F4D-4C8A-9B57-2A6E4D1C7F30",
  "9b2f6c1e0f4d4c8a9b572a6e4d1c7f30",
])("%j is no UUID", (value) => {
  expect(isUuid(value)).toBe(false);
  expect(isUuidV4(value)).toBe(false);
});
