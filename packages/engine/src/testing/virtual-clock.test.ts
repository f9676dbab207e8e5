import { expect, test } from "vitest";
import { Timeline, VirtualClock } from "./virtual-clock.ts";

test("tasks run in the order of their moment, then of their insertion", async () => {
  const timeline = new Timeline();
  const ran: string[] = [];
  timeline.after(20, () => ran.push("late"));
  timeline.after(10, () => ran.push("first"));
  timeline.after(10, () => ran.push("second"));
  await timeline.run();
  expect(ran).toEqual(["first", "second", "late"]);
  expect(timeline.nowMs).toBe(20);
});

test("everything that promises set off comes to rest before the next task", async () => {
  const timeline = new Timeline();
  const ran: string[] = [];
  timeline.after(0, () => {
    let chain = Promise.resolve();
    for (let i = 0; i < 50; i++) chain = chain.then(() => {});
    void chain.then(() => ran.push("promises"));
  });
  timeline.after(0, () => ran.push("next task"));
  await timeline.run();
  expect(ran).toEqual(["promises", "next task"]);
});

test("a cancelled task does not run, does not count and does not move time", async () => {
  const timeline = new Timeline();
  const cancel = timeline.after(1000, () => {
    throw new Error("ran");
  });
  timeline.after(5, () => {});
  cancel();
  cancel();
  expect(timeline.waiting).toBe(1);
  await timeline.run();
  expect(timeline.nowMs).toBe(5);
});

test("`run` stops when told to, at a moment, and with the error of a task", async () => {
  const timeline = new Timeline();
  let ran = 0;
  for (let ms = 1; ms <= 10; ms++) {
    timeline.after(ms, () => {
      ran += 1;
    });
  }
  await timeline.run({ stop: () => ran === 3 });
  expect(ran).toBe(3);
  await timeline.run({ untilMs: 5 });
  expect([ran, timeline.nowMs]).toEqual([5, 5]);
  timeline.after(0, () => {
    throw new Error("of a task");
  });
  await expect(timeline.run()).rejects.toThrow("of a task");
});

test("`advance` moves time also when nothing is due", async () => {
  const clock = new VirtualClock({ startMs: 1_000_000 });
  let ran = false;
  clock.schedule(60_000, () => {
    ran = true;
  });
  await clock.advance(59_999);
  expect([ran, clock.now(), clock.monotonic()]).toEqual([false, 1_059_999, 59_999]);
  await clock.advance(1);
  expect(ran).toBe(true);
});

test("wall time can be set, monotonic time cannot; clocks of one timeline differ only in what was set", async () => {
  const timeline = new Timeline();
  const [a, b] = [new VirtualClock({ timeline, startMs: 1000 }), new VirtualClock({ timeline, startMs: 1000 })];
  await a.advance(500);
  a.jump(-3_600_000);
  expect([a.now(), b.now()]).toEqual([1500 - 3_600_000, 1500]);
  expect(a.monotonic()).toBe(b.monotonic());
});
