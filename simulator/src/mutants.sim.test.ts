import { expect, test } from "vitest";
import { machinery } from "./main.ts";
import { MUTANTS } from "./mutants/all.ts";
import { runTask } from "./tasks.ts";

const ENOUGH_SEEDS = 200;

test.each(MUTANTS.map(({ name, wrong }) => [name, wrong] as const))("X1 the oracle catches the mutant %s: %s", async (name) => {
  const result = await runTask({ kind: "mutant", name, firstSeed: 1, maxSeeds: ENOUGH_SEEDS }, machinery);
  expect(result).toMatchObject({ kind: "mutant", mutant: { name, caught: true } });
});

test("there are sixteen of them, and an unknown one is an error", async () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(16);
  await expect(runTask({ kind: "mutant", name: "no such thing", firstSeed: 1, maxSeeds: 1 }, machinery)).rejects.toThrow(RangeError);
});
