import type { OperationResult } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const rejected: Omit<OperationResult, "key"> = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };

/** Entity a with three operations that cannot be read, 1 to 3, and 4 behind them; b is free. */
async function threeHolders(): Promise<SyncEngine> {
  const engine = await world.engine({ autoStart: false });
  await world.enqueue(engine, ["UPDATE a", "UPDATE a", "UPDATE a"]);
  await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
  world.disk.transaction({ ownWrites: 0 }, () => {
    for (const segment of [...world.disk.segments.from(0)].slice(0, 1)) {
      world.disk.segments.set(segment.seqFrom, { ...segment, body: segment.body.map((byte) => byte ^ 1) });
    }
  });
  engine.start();
  expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
  expect(world.backend.appliedIds).toEqual(["b"]);
  return engine;
}
const discard = (engine: SyncEngine, ...seqs: readonly number[]): Promise<number> =>
  world.run(
    engine.quarantine.list().then((all) => engine.failed.discard({ ids: all.filter(({ seq }) => seqs.includes(seq)).map(({ id }) => id) })),
  );
const holders = (): readonly number[] => [...world.disk.lanes.values()].flatMap(({ lane, blockedBy }) => (lane === "" ? [] : [blockedBy]));
const blocked = (): readonly (readonly number[])[] =>
  [...world.disk.states.from(0)].filter(({ phase }) => phase === "blocked").map(({ seq, blockedBy }) => [seq, blockedBy]);

describe("Q2 while several operations hold an entity back", () => {
  test("the first of them is who the others wait for", async () => {
    await threeHolders();
    expect([holders(), blocked()]).toEqual([[1], [[4, 1]]]);
  });

  test.each([
    [[1], 2],
    [[1, 2], 3],
    [[2], 1],
    [[3], 1],
    [[2, 3], 1],
    [[3, 1], 2],
  ] as const)("the end of %j leaves the entity to %i", async (ended, left) => {
    const engine = await threeHolders();
    for (const seq of ended) expect(await discard(engine, seq)).toBe(1);
    await world.enqueue(engine, ["UPDATE a", "UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.appliedIds).toEqual(["b", "c"]);
    expect(holders()).toEqual([left]);
    expect(blocked()).toEqual([
      [4, left],
      [6, left],
    ]);
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false, differences: [] });
  });

  test("the end of all of them frees it", async () => {
    const engine = await threeHolders();
    expect(await discard(engine, 2, 3, 1)).toBe(3);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["b", "a"]);
    expect(holders()).toEqual([]);
  });
});

test("Q2 one that comes back from the archive holds back again what came after it, also behind a later holder", async () => {
  const engine = await world.engine();
  let refusals = 0;
  world.backend.judge = ({ type }) => (type === "CREATE" && refusals++ < 2 ? rejected : undefined);
  await world.enqueue(engine, ["CREATE a"]);
  await world.drain(engine);
  await world.run(engine.failed.archive({ all: true }));
  await world.enqueue(engine, ["CREATE a", "UPDATE a"]);
  await world.drain(engine);
  expect([holders(), blocked()]).toEqual([[2], [[3, 2]]]);
  await world.run(engine.failed.restore({ all: true }));
  expect(holders()).toEqual([1]);
  const [first, second] = await engine.failed.list();
  await world.run(engine.failed.discard({ ids: [second?.id ?? ""] }));
  expect([holders(), blocked()]).toEqual([[1], [[3, 1]]]);
  await world.run(engine.failed.retry({ ids: [first?.id ?? ""] }));
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(world.backend.applied.map(({ type }) => type)).toEqual(["CREATE", "UPDATE"]);
});
