import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Seq } from "../ports/index.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const rejected = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } as const;
/** As a version with a mistake would have written it: together with a new revision. */
const setHead = (head: number): void =>
  world.disk.transaction({ ownWrites: 0 }, () => {
    for (const row of Array.from(world.disk.accounts.values()))
      world.disk.accounts.set(row.account, { ...row, revision: row.revision + 1 });
    for (const lane of Array.from(world.disk.lanes.values())) {
      if (lane.lane === "") world.disk.lanes.set(`${lane.account} `, { ...lane, head: head as Seq });
    }
  });
const sentIds = (): readonly string[] =>
  world.transport.to(OPS).flatMap((request) => operationsIn(request).map(({ entity_id }) => entity_id));

/** One segment: a and b are applied, a CREATE is refused, and one waits behind it. */
async function halfDone(): Promise<SyncEngine> {
  const engine = await world.engine();
  world.backend.judge = ({ type }) => (type === "CREATE" ? rejected : undefined);
  await world.enqueue(engine, ["UPDATE a", "UPDATE b", "CREATE x", "UPDATE x"]);
  expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
  expect([...world.disk.segments.from(0)].map(({ live }) => live)).toEqual([2]);
  world.backend.judge = () => undefined;
  return engine;
}

describe("an index that was damaged", () => {
  test("X2 Q1 a head that fell back: what has ended is neither sent again nor counted again, and what has not keeps its content", async () => {
    const engine = await halfDone();
    const before = world.backend.appliedIds.length;
    setHead(1);
    await world.enqueue(engine, ["UPDATE c"]);
    await world.drain(engine);
    expect(world.backend.appliedIds.slice(before)).toEqual(["c"]);
    expect(sentIds().filter((id) => id === "a" || id === "b")).toEqual(["a", "b"]);
    expect(await engine.status()).toMatchObject({ succeeded: 3, failed: 1, pending: 1, conserved: true });
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false, differences: [] });
    await world.run(engine.failed.retry({ all: true }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds.slice(before)).toEqual(["c", "x", "x"]);
    expect([...world.disk.segments.from(0)]).toEqual([]);
  });

  test("Q5 a head that ran ahead hides what waits, until the index is rebuilt", async () => {
    const engine = await halfDone();
    setHead(1000);
    await world.enqueue(engine, ["UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await engine.status()).toMatchObject({ pending: 2, conserved: true });
    expect(await world.run(engine.rebuildIndex())).toMatchObject({
      changed: true,
      differences: ["the global lane pointed at 1000 instead of 5"],
    });
    await world.drain(engine);
    expect(sentIds()).toContain("c");
  });

  test("Q5 holds that were lost are found again", async () => {
    const engine = await halfDone();
    world.disk.transaction({ ownWrites: 0 }, () => {
      for (const lane of Array.from(world.disk.lanes.values()))
        if (lane.lane !== "") world.disk.lanes.delete(`${lane.account} ${lane.lane}`);
    });
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: true, differences: ["a held entity was missing"] });
    await world.enqueue(engine, ["UPDATE x"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(sentIds().filter((id) => id === "x")).toHaveLength(2);
  });
});

describe("content that was damaged", () => {
  test("Q1 a sealed text that is not the one that was sealed is not sent: a person has to look", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, "silence");
    const [operation] = await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.advance(100);
    world.disk.transaction({ ownWrites: 0 }, () => {
      for (const pack of Array.from(world.disk.packs.values()))
        world.disk.packs.set(pack.packId, { ...pack, body: pack.body.map((byte) => byte ^ 1) });
    });
    await world.enqueue(engine, ["UPDATE a", "UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.appliedIds).toEqual(["c"]);
    expect(await engine.quarantine.list()).toMatchObject([{ code: "UNREADABLE" }, { code: "UNREADABLE" }]);
    expect(await operation!.status()).toMatchObject({ state: "quarantined", settled: { verdict: "failed", code: "UNREADABLE" } });
    expect(await engine.status()).toMatchObject({ quarantined: 2, sealed: 0, conserved: true });
  });
});
