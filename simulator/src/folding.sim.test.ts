import { expect, test } from "vitest";
import { compareFolding } from "./folding.ts";
import { machinery } from "./main.ts";

const SCHEDULES = 60;

test("X6 with folding and without, the server ends with the same, whatever the schedule", async () => {
  let folded = 0;
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const result = await compareFolding(seed, machinery);
    expect(result.difference, `npm run simulate -- --folding --seed ${seed}`).toBeNull();
    folded += result.folded;
  }
  // Otherwise nothing was compared.
  expect(folded).toBeGreaterThan(10 * SCHEDULES);
});
