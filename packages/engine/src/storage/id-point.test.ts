import fc from "fast-check";
import { expect, test } from "vitest";
import { idPoint } from "./id-point.ts";

test("the point of a UUID version 7 is its time in milliseconds", () => {
  expect(idPoint("0199c82c-c012-7000-8000-000000000000")).toBe(0x0199c82cc012);
});

test("points are in the order of their ids, whatever the ids are", () => {
  const nearIds = fc.string({ unit: fc.constantFrom(..."0189afgAZ- ~".split("")), maxLength: 16 });
  fc.assert(
    fc.property(fc.oneof(nearIds, fc.uuid(), fc.string()), fc.oneof(nearIds, fc.uuid(), fc.string()), (a, b) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      expect(idPoint(low)).toBeLessThanOrEqual(idPoint(high));
      expect(idPoint(high)).toBeLessThan(2 ** 48);
    }),
    { numRuns: 2000 },
  );
});
