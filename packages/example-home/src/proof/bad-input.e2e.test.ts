import { expect, test } from "vitest";
import { badInput } from "./bad-input.ts";

test("Q8 Q3 A2 what is wrong is refused with its code and a message that helps; nothing is queued, changed or lost", async () => {
  const { refusals, faults } = await badInput();
  expect(faults).toEqual([]);
  expect(refusals.length).toBeGreaterThanOrEqual(38);
  // For an app that tells its cases apart, each has a code; for a person, each is a sentence.
  for (const { message } of refusals) expect(message).toMatch(/^["A-Za-z0-9/_.-].{20,}/);
});
