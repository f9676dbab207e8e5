import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AccountRow, COUNTERS, type EntityTag, type LaneRow, type OpenedStore, type Seq, type StoreAdapter } from "../ports/index.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";
import { rebuildIndex, type RebuildReport, verifyIndex } from "./rebuild.ts";

/**
 * A queue with something in every place: 1 and 2 went, 3 is a failed CREATE that holds a with 4 blocked behind it, 5 is in
 * conflict and holds b with 6 behind it, 7 is parked and holds c, 8 a failed UPDATE, 9 sealed, 10 and 11 nobody has looked at,
 * 12 was cancelled before anybody looked, 13 waits.
 */
async function full(): Promise<TestQueue> {
  const queue = await TestQueue.open(new TestWorld());
  const contents = ["x", "x", "a", "a", "b", "b", "c", "d", "e"].map((id, index) =>
    queue.content(id, { type: index === 2 ? "CREATE" : "UPDATE" }),
  );
  await queue.world.run(queue.append(...contents));
  await queue.add("f", "g");
  await queue.add("h", "i");
  await queue.change(async (view, change) => {
    const all = await view.bySeq([1, 2, 3, 4, 5, 6, 7, 8, 9] as Seq[]);
    const [one, two, three, four, five, six, seven, eight, nine] = all as [(typeof all)[0], ...(typeof all)[0][]];
    change.putGlobalLane({ ...view.global, head: 10 as Seq });
    for (const operation of [one, two, three, five, seven, eight, nine]) if (operation !== undefined) change.move(operation, "seal");
    for (const [operation, by] of [
      [four, 3],
      [six, 5],
    ] as const) {
      if (operation !== undefined) change.move(operation, "block", { blockedBy: by as Seq });
    }
  });
  for (const [seq, event] of [
    [1, "applied"],
    [2, "noop"],
    [3, "reject"],
    [5, "conflict"],
    [7, "park"],
    [8, "reject"],
    [12, "cancel_requested"],
  ] as const) {
    await queue.move(seq as Seq, event);
  }
  await queue.hold("a", 3 as Seq);
  await queue.hold("b", 5 as Seq);
  await queue.hold("c", 7 as Seq);
  return queue;
}

/** Changes the index behind everybody's back. */
function damage(
  { world, account, queue }: TestQueue,
  {
    lanes = {},
    counts = {},
  }: { readonly lanes?: Readonly<Record<string, Partial<LaneRow> | null>>; readonly counts?: Partial<AccountRow["counts"]> },
): void {
  world.disk.transaction({ ownWrites: 0 }, () => {
    for (const [entity, change] of Object.entries(lanes)) {
      const lane: EntityTag | "" = entity === "" ? "" : queue.entityTag(account, "device", entity);
      const key = `${account} ${lane}`;
      const old = world.disk.lanes.get(key) ?? { account, lane, head: 1 as Seq, dueAt: 0, failures: 0, blockedBy: 0 };
      if (change === null) world.disk.lanes.delete(key);
      else world.disk.lanes.set(key, { ...old, ...change });
    }
    const row = world.disk.accounts.get(account);
    if (row !== undefined) world.disk.accounts.set(account, { ...row, counts: { ...row.counts, ...counts } });
  });
}
const rebuild = (queue: TestQueue): Promise<RebuildReport> => rebuildIndex(queue.queue, queue.account);
const indexOf = async (queue: TestQueue): Promise<unknown> => {
  const lanes = await queue.queue.opened.store.readLanes(queue.account);
  return { counts: await queue.counts(), lanes: lanes.toSorted((a, b) => (a.lane < b.lane ? -1 : 1)) };
};

describe("an index that is right", () => {
  test("Q5 is left alone", async () => {
    const queue = await full();
    const before = await queue.view();
    expect(await rebuild(queue)).toEqual({ changed: false, differences: [], operations: 10 });
    expect((await queue.view()).row).toEqual(before.row);
  });

  test("Q5 of an empty queue, of an account that nobody saw, and of one that only ever cancelled, too", async () => {
    const queue = await TestQueue.open(new TestWorld());
    expect(await rebuild(queue)).toMatchObject({ changed: false, operations: 0 });
    const [seq] = (await queue.add("a")) as [Seq];
    await queue.move(seq, "cancel_requested");
    expect(await rebuild(queue)).toMatchObject({ changed: false, operations: 0 });
  });
});

describe("each kind of damage is repaired and reported", () => {
  test.each([
    ["a head that runs ahead", { lanes: { "": { head: 12 as Seq } } }, ["the global lane pointed at 12 instead of 10"]],
    ["a head that fell back", { lanes: { "": { head: 1 as Seq } } }, ["the global lane pointed at 1 instead of 10"]],
    ["a lost global lane", { lanes: { "": null } }, ["the global lane was missing"]],
    ["a lost hold", { lanes: { a: null } }, ["a held entity was missing"]],
    ["a hold by the wrong one", { lanes: { b: { blockedBy: 6 as Seq } } }, ["a held entity was held by 6 instead of 5"]],
    ["a hold that ended", { lanes: { c: { blockedBy: 0 as const } } }, ["a held entity was held by 0 instead of 7"]],
    ["a hold for nothing", { lanes: { d: { blockedBy: 8 as Seq } } }, ["an entity was held by 8 for nothing"]],
    ["a counter too high", { counts: { pending: 9 } }, ["pending was 9 instead of 5"]],
    ["a counter below 0", { counts: { conflict: -1 } }, ["conflict was -1 instead of 1"]],
    ["successes that nobody counted", { counts: { succeeded: 0 } }, ["succeeded was 0 instead of 2"]],
    [
      "all at once",
      { lanes: { "": { head: 3 as Seq }, a: null }, counts: { failed: 0, sealed: 7 } },
      ["the global lane pointed at 3 instead of 10", "a held entity was missing", "sealed was 7 instead of 1", "failed was 0 instead of 2"],
    ],
  ] as const)("Q5 %s", async (_title, what, differences) => {
    const queue = await full();
    const right = await indexOf(queue);
    damage(queue, what);
    expect(await verifyIndex(queue.queue, queue.account)).toEqual({ changed: false, differences, operations: 10 });
    expect(await rebuild(queue)).toEqual({ changed: true, differences, operations: 10 });
    expect(await indexOf(queue)).toEqual(right);
    expect(await rebuild(queue)).toMatchObject({ changed: false, differences: [] });
  });

  test("Q5 any damage to heads, holds and counters ends in the index that was right", async () => {
    const seq = fc.integer({ min: 0, max: 20 });
    const lane = fc.option(fc.record({ head: seq, blockedBy: seq }));
    const anything = fc.record({
      lanes: fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e"), lane),
      head: fc.option(fc.integer({ min: 1, max: 13 })),
      counts: fc.dictionary(
        fc.constantFrom(...COUNTERS.filter((counter) => counter !== "enqueued" && counter !== "cancelled")),
        fc.integer({ min: -5, max: 50 }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(anything, async ({ lanes, head, counts }) => {
        const queue = await full();
        const right = await indexOf(queue);
        damage(queue, { lanes: lanes as never, counts });
        damage(queue, { lanes: { "": head === null ? null : { head: head as Seq } } });
        await rebuild(queue);
        const after = (await indexOf(queue)) as { lanes: LaneRow[] };
        // The head of a hold is for people: what holds is what counts.
        expect({ ...after, lanes: after.lanes.map(({ lane: name, blockedBy }) => [name, blockedBy]) }).toEqual({
          ...(right as object),
          lanes: (right as { lanes: LaneRow[] }).lanes.map(({ lane: name, blockedBy }) => [name, blockedBy]),
        });
      }),
      { numRuns: 100 },
    );
  });
});

describe("a queue in which later ones have overtaken earlier ones", () => {
  test("Q5 the head is the first that nobody has taken, wherever the others stand", async () => {
    const queue = await TestQueue.open(new TestWorld());
    await queue.add("a", "b", "a", "c", "d");
    await queue.add("a", "e");
    for (const seq of [2, 4, 7] as Seq[]) await queue.move(seq, "seal");
    for (const seq of [2, 7] as Seq[]) await queue.move(seq, "applied");
    expect(await verifyIndex(queue.queue, queue.account)).toEqual({ changed: false, differences: [], operations: 5 });
    for (const head of [2, 3, 6, 8]) {
      await queue.headTo(head);
      expect((await rebuildIndex(queue.queue, queue.account)).changed).toBe(true);
      expect((await queue.view()).global.head).toBe(1);
    }
    await queue.headTo(3);
    await queue.move(1 as Seq, "seal").catch(() => undefined);
    expect(await queue.counts()).toMatchObject({ enqueued: 7, pending: 4, sealed: 1, succeeded: 2 });
  });
});

describe("while others write", () => {
  /** The queue in another process, which is interrupted whenever it is about to repair. */
  const interrupted = (queue: TestQueue, meddle: () => Promise<void>): Promise<TestQueue> =>
    TestQueue.open(queue.world, tappedStore(queue.world.store, { commit: meddle }));
  const fail = (queue: TestQueue): Promise<boolean> =>
    queue.change((view, change) => change.putGlobalLane({ ...view.global, failures: view.global.failures + 1 }));

  test("Q5 a rebuild that meets a change looks again", async () => {
    const queue = await full();
    damage(queue, { counts: { pending: 0 } });
    let meetings = 0;
    const other = await interrupted(queue, async () => {
      if (meetings++ < 3) await fail(queue);
    });
    expect(await rebuild(other)).toMatchObject({ changed: true });
    expect(meetings).toBe(4);
    expect(await queue.counts()).toMatchObject({ pending: 5 });
    expect((await queue.view()).global.failures).toBe(3);
  });

  test("Q5 a queue that never rests is not repaired, and that is said", async () => {
    const queue = await full();
    damage(queue, { counts: { pending: 0 } });
    const other = await interrupted(queue, async () => {
      await fail(queue);
    });
    expect(await rebuild(other)).toMatchObject({ changed: false, differences: [expect.stringContaining("stop its processor")] });
  });

  test("Q1 what is appended between the look and the repair is counted", async () => {
    const queue = await full();
    damage(queue, { counts: { failed: 40 } });
    let hasAppended = false;
    const other = await interrupted(queue, async () => {
      if (hasAppended) return;
      hasAppended = true;
      await queue.add("n", "o");
    });
    expect(await rebuild(other)).toMatchObject({ changed: true });
    expect(await queue.counts()).toMatchObject({ enqueued: 15, pending: 7, failed: 2 });
    expect(await rebuild(queue)).toMatchObject({ changed: false, differences: [] });
  });

  test.each([
    ["a store that reads one moment", true],
    ["one that reads as it goes", false],
  ])("Q1 what is appended during the look is no difference: %s", async (_title, canFreeze) => {
    const queue = await full();
    let appended = 0;
    const tapped = tappedStore(queue.world.store, {
      readSegments: async () => {
        if (appended++ < 2) await queue.add("n");
      },
    });
    const unfrozen = async (world: Parameters<StoreAdapter["open"]>[0]): Promise<OpenedStore> => {
      const { freeze: _freeze, ...opened } = await tapped.open(world);
      return opened;
    };
    const store = canFreeze ? tapped : { ...tapped, open: unfrozen };
    expect(await rebuild(await TestQueue.open(queue.world, store))).toMatchObject({ changed: false, differences: [] });
    expect(await queue.counts()).toMatchObject({ enqueued: 15, pending: 7 });
  });
});

test("Q7 long segments are read in pages", async () => {
  const queue = await TestQueue.open(new TestWorld());
  await queue.add(...Array.from({ length: 1200 }, () => "a"));
  await queue.hold("a", 1 as Seq);
  await queue.change(async (view, change) => {
    for (const operation of await view.fresh(1200)) change.move(operation, operation.seq === 1 ? "park" : "block", { blockedBy: 1 as Seq });
    change.putGlobalLane({ ...view.global, head: 1201 as Seq });
  });
  const limits: number[] = [];
  const store = tappedStore(queue.world.store, {
    readStates: ({ limit }) => {
      limits.push(limit);
    },
  });
  expect(await rebuild(await TestQueue.open(queue.world, store))).toEqual({ changed: false, differences: [], operations: 1200 });
  expect(new Set(limits)).toEqual(new Set([500]));
});
