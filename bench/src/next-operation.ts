import { sqliteStore } from "guardian-sync/sqlite";
import { systemClock, systemRandom, nodeHash } from "guardian-sync/node";
import { DurableQueue } from "guardian-sync/testing";
import { benchEngine } from "./engine.ts";
import { type Row, spread } from "./measure.ts";
import { updateOf } from "./workload.ts";

const GOAL_MS = 0.5;

/** How long it takes to find and open the next operation when `pending` wait, in a process that has just opened the file. */
export async function nextOperationRow(pending: number, rounds: number, note: (text: string) => void): Promise<Row> {
  const engine = await benchEngine(false);
  try {
    for (let done = 0; done < pending; done += 1000) {
      if (done % 50_000 === 0) note(`next operation: filling ${done} of ${pending}`);
      await engine.sync.enqueueMany(Array.from({ length: 1000 }, (_, i) => updateOf(done + i)));
    }
    const clock = systemClock();
    const random = systemRandom();
    const opened = await sqliteStore({ path: engine.path, encryption: "none" }).open({ clock, random });
    const queue = new DurableQueue(opened, clock, random, nodeHash);
    const account = queue.accountTag({ space: "bench", principal: "bench" });
    const times: number[] = [];
    for (let round = 0; round < rounds * 200; round++) {
      const startedAt = performance.now();
      const view = await queue.view(account);
      const next = await view.waiting(1);
      times.push(performance.now() - startedAt);
      if (next.length !== 1) throw new Error("there is no next operation");
    }
    await opened.store.close();
    const ours = spread(times);
    const limit = { min: GOAL_MS, median: GOAL_MS, max: GOAL_MS };
    const ratio = { min: GOAL_MS / ours.max, median: GOAL_MS / ours.median, max: GOAL_MS / ours.min };
    return {
      suite: "next",
      what: `next operation with ${pending.toLocaleString("en")} pending`,
      unit: " ms",
      ours,
      limit,
      ratio,
      goal: 1,
      met: ours.median <= GOAL_MS,
    };
  } finally {
    await engine.close();
  }
}
