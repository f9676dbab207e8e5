import { expect, test } from "vitest";
import { SeededRandom } from "./seeded-random.ts";

test("the seed decides everything, and these numbers stay: recorded seeds must replay", () => {
  const random = new SeededRandom(42);
  const again = new SeededRandom(42);
  const drawn = Array.from({ length: 100 }, () => random.fraction());
  expect(drawn).toEqual(Array.from({ length: 100 }, () => again.fraction()));
  expect(new SeededRandom(43).fraction()).not.toBe(drawn[0]);
  expect(Buffer.from(new SeededRandom("a seed").bytes(7)).toString("hex")).toMatchInlineSnapshot(`"c098354cd0e517"`);
});

test("a fork is a stream of its own: draws from one do not move the other", () => {
  const random = new SeededRandom(7);
  const fork = random.fork("network").fraction();
  random.fraction();
  expect(random.fork("network").fraction()).toBe(fork);
  expect(random.fork("disk").fraction()).not.toBe(fork);
});

test("draws are uniform enough, and within their bounds", () => {
  const random = new SeededRandom(1);
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 100_000; i++) {
    const bucket = random.integer(0, 9);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  expect(random.bytes(5)).toHaveLength(5);
  expect(random.chance(0)).toBe(false);
  expect(random.chance(1)).toBe(true);
  expect(random.between(3, 4)).toBeGreaterThanOrEqual(3);
  expect(() => random.pick([])).toThrow(RangeError);
});
