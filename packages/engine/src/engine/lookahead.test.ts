import { describe, expect, test } from "vitest";
import type { Fence, Seq } from "../ports/index.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";
import { Lookahead, LOOKAHEAD } from "./lookahead.ts";

const lease = { fence: 1 as Fence, leaseId: "lease" };
const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `d${n}`);

async function looking(count: number): Promise<{ queue: TestQueue; lookahead: Lookahead; look: () => Promise<void> }> {
  const queue = await TestQueue.open(new TestWorld());
  await queue.add(...ids(count));
  const lookahead = new Lookahead();
  const look = async (): Promise<void> => {
    const view = await queue.view();
    lookahead.sync(view, lease);
    for (let isMore = true; isMore; ) isMore = await lookahead.readOn(view);
  };
  await look();
  return { queue, lookahead, look };
}

describe("what was passed over", () => {
  test("Q7 is remembered up to a bound, and nothing is written", async () => {
    const { queue, lookahead } = await looking(LOOKAHEAD + 300);
    expect(lookahead.waiting).toHaveLength(LOOKAHEAD);
    expect([...queue.world.disk.states.entries()]).toEqual([]);
    expect(lookahead.head).toBe(1);
  });
  test("Q2 stays, in order, when others are taken; then more is read", async () => {
    const { lookahead, look, queue } = await looking(LOOKAHEAD + 300);
    const taken = new Set(lookahead.waiting.slice(10, 400).map(({ seq }) => seq));
    expect(lookahead.headWithout(taken)).toBe(1);
    lookahead.forget(taken);
    await look();
    expect(lookahead.waiting).toHaveLength(LOOKAHEAD + 300 - 390);
    expect(lookahead.waiting.map(({ seq }) => seq)).toEqual(lookahead.waiting.map(({ seq }) => seq).toSorted((a, b) => a - b));
    await queue.add("later");
    await look();
    expect(lookahead.waiting.at(-1)?.seq).toBe(LOOKAHEAD + 301);
  });
  test("Q1 is read again under another fence, and when the head is elsewhere", async () => {
    const { queue, lookahead } = await looking(20);
    const view = await queue.view();
    lookahead.sync(view, lease);
    expect(lookahead.waiting).toHaveLength(20);
    lookahead.sync(view, { ...lease, fence: 2 as Fence });
    expect(lookahead.waiting).toHaveLength(0);
    await lookahead.readOn(view);
    lookahead.forget(new Set([1 as Seq]));
    lookahead.sync(view, { ...lease, fence: 2 as Fence });
    expect(lookahead.waiting).toHaveLength(0);
    expect(lookahead.head).toBe(1);
  });
  test("Q1 leaves out what has ended, and what has a row", async () => {
    const queue = await TestQueue.open(new TestWorld());
    await queue.add("a", "b", "c", "d");
    await queue.move(2 as Seq, "cancel_requested");
    await queue.move(3 as Seq, "seal");
    const lookahead = new Lookahead();
    const view = await queue.view();
    lookahead.sync(view, lease);
    await lookahead.readOn(view);
    expect(lookahead.waiting.map(({ seq }) => seq)).toEqual([1, 4]);
    expect(lookahead.headWithout(new Set([1, 4] as Seq[]))).toBe(5);
  });
});
