import { expect, test } from "vitest";
import { lyingAnswers, restBehaviours, syncBehaviours } from "./http-behaviours.ts";

for (const { name, run } of [...syncBehaviours, ...lyingAnswers, ...restBehaviours]) {
  test(name, async () => {
    expect((await run()).faults).toEqual([]);
  });
}
