import { expect, test } from "vitest";
import { chromiumPath } from "../../../../scripts/chromium.mjs";
import { cutProxy } from "./cut-proxy.ts";
import { killClient } from "./kill-client.ts";
import { killRenderer } from "./kill-renderer.ts";
import { killServer } from "./kill-server.ts";

const NOTHING_WRONG = { lost: 0, duplicated: 0, reordered: 0, wrong_versions: 0 };

test("Q1 Q2 X1 a client killed at random moments loses nothing, repeats nothing and keeps the order", async () => {
  const { figures, faults } = await killClient({ kills: 8, seed: 1 });
  expect(faults).toEqual([]);
  expect(figures).toMatchObject({ kills: 8, ...NOTHING_WRONG });
  expect(figures.acknowledged).toBeGreaterThan(50);
});

test("Q1 Q2 X1 B1 a server killed at random moments neither loses nor repeats what its client sends", async () => {
  const { figures, faults } = await killServer({ kills: 8, seed: 1 });
  expect(faults).toEqual([]);
  expect(figures).toMatchObject({ kills: 8, ...NOTHING_WRONG });
  expect(figures.acknowledged).toBeGreaterThan(50);
});

test("Q1 Q2 X1 a page whose renderer is killed at random moments loses nothing, repeats nothing and keeps the order", async () => {
  const executablePath = chromiumPath() ?? "";
  const { figures, faults } = await killRenderer({ kills: 5, seed: 1, executablePath });
  expect(faults).toEqual([]);
  expect(figures).toMatchObject({ kills: 5, ...NOTHING_WRONG });
  expect(figures.acknowledged).toBeGreaterThan(50);
});

test.each([
  { operations: 60, maxOperations: 1, clock: "real" as const },
  { operations: 200, maxOperations: 50, clock: "real" as const },
  { operations: 60, maxOperations: 50, clock: "virtual" as const },
])(
  "X1 X8 the answer cut off three times for each of $operations operations, $maxOperations in a request, $clock clock: one effect each",
  async (options) => {
    const { figures, faults } = await cutProxy({ ...options, cuts: 3 });
    expect(faults).toEqual([]);
    expect(figures).toMatchObject({
      effects: options.operations,
      keys: options.operations,
      keys_with_different_bytes: 0,
      ...NOTHING_WRONG,
    });
    expect(Number(figures.updates)).toBeGreaterThanOrEqual(options.operations / 2);
    expect(Number(figures.fewest_cuts_of_an_operation)).toBeGreaterThanOrEqual(3);
  },
);
