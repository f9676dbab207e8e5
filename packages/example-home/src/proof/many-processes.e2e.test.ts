import { expect, test } from "vitest";
import { freezeHolder, killHolder, manyWriters, storm } from "./many-processes.ts";

const NOTHING_WRONG = { lost: 0, duplicated: 0, reordered: 0, wrong_versions: 0 };

test.each([
  ["while both have work", false],
  ["while one of them only looks on", true],
] as const)(
  "L1 the holder of the lock is killed %s: the other process takes over within a second, with the lock's ordinary times",
  async (_, oneWriter) => {
    const { figures, faults } = await killHolder({ rounds: 4, seed: 1, oneWriter });
    expect(faults).toEqual([]);
    expect(figures).toMatchObject(NOTHING_WRONG);
  },
);

test("L1 L2 a holder frozen past the stale time is replaced; when it wakes it changes nothing, and goes on as a follower", async () => {
  const { figures, faults } = await freezeHolder({ rounds: 4, seed: 1 });
  expect(faults).toEqual([]);
  expect(figures).toMatchObject({ ...NOTHING_WRONG, recorded_by_the_woken: 0 });
});

test("Q1 Q2 five processes enqueue into one file at once: one row of numbers without a gap, every effect once and in order", async () => {
  const { figures, faults } = await manyWriters({ processes: 5, each: 100, seed: 1 });
  expect(faults).toEqual([]);
  expect(figures).toMatchObject({ acknowledged: 500, effects: 500, ...NOTHING_WRONG });
});

test("Q1 Q2 L2 X1 three processes that never rest, killed and frozen at random", async () => {
  const { figures, faults } = await storm({ processes: 3, strikes: 5, seed: 3 });
  expect(faults).toEqual([]);
  expect(figures).toMatchObject(NOTHING_WRONG);
});
