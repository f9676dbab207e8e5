import type { JsonObject, OperationResult } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failed, refused } from "../testing/scripted-transport.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { type TestEngineOptions, TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import type { EntityView } from "./live-view.ts";
import type { OperationStatus } from "./operation.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";
let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const device = defineEntity("device", { collection: "devices" });
const start = (options: TestEngineOptions = {}): Promise<SyncEngine> =>
  world.engine({ autoStart: false, coalesce: true, entities: [device], ...options });
const edit = (entityId: string, payload: JsonObject) => ({ type: "UPDATE", entityType: "device", entityId, payload }) as const;
const make = (entityId: string, payload: JsonObject) => ({ ...edit(entityId, payload), type: "CREATE" }) as const;
const remove = (entityId: string) => ({ type: "DELETE", entityType: "device", entityId }) as const;
const queue = (engine: SyncEngine, ...inputs: Parameters<SyncEngine["enqueueMany"]>[0]): ReturnType<SyncEngine["enqueueMany"]> =>
  world.run(engine.enqueueMany(inputs));
async function send(engine: SyncEngine): Promise<unknown> {
  engine.start();
  return world.drain(engine);
}
/** What each request carried. */
const sent = (): readonly (readonly unknown[])[] =>
  world.transport.to(OPS).map((request) => operationsIn(request).map(({ type, entity_id, payload }) => [`${type} ${entity_id}`, payload]));
const rejected: Omit<OperationResult, "key"> = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };

describe("what is sent", () => {
  test("X6 neighbours of one entity travel as one; each settles with it, and counts", async () => {
    const engine = await start();
    const folded: unknown[] = [];
    engine.on("folded", ({ operation, into }) => folded.push([operation.seq, into]));
    const [first, second, third, other] = await queue(
      engine,
      make("a", { x: 1 }),
      edit("a", { y: 2 }),
      edit("a", { x: 3 }),
      edit("b", { x: 1 }),
    );
    expect(await send(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([
      [
        ["CREATE a", { x: 3, y: 2 }],
        ["UPDATE b", { x: 1 }],
      ],
    ]);
    expect(operationsIn(world.transport.to(OPS)[0] as never)[0]).toMatchObject({ operation_id: first?.id, op_number: 1 });
    expect(folded).toEqual([2, 3].map((seq) => [seq, first?.id]));
    for (const operation of [first, second, third, other])
      expect(await operation!.settled).toMatchObject({ verdict: "applied", version: 1 });
    expect(await third!.status()).toMatchObject({ state: "applied" });
    expect(await engine.status()).toMatchObject({ enqueued: 4, succeeded: 4, pending: 0, conserved: true });
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false, operations: 0 });
  });

  test("X6 Q7 a thousand edits of one thing are one request of one operation", async () => {
    const engine = await start();
    await queue(engine, ...Array.from({ length: 1000 }, (_, i) => edit("a", { n: i })));
    expect(await send(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([[["UPDATE a", { n: 999 }]]]);
    expect(await engine.status()).toMatchObject({ succeeded: 1000, conserved: true });
  });

  test("X6 Q2 others stand between, and keep the order; where order is the entity's, they do not", async () => {
    for (const [coalesce, expected] of [
      [true, ["UPDATE a", "UPDATE b", "UPDATE a"]],
      ["entity", ["UPDATE a", "UPDATE b"]],
      [false, ["UPDATE a", "UPDATE b", "UPDATE a"]],
    ] as const) {
      const engine = await start({ coalesce });
      const before = sent().length;
      await queue(engine, edit("a", { x: 1 }), edit("b", { x: 1 }), edit("a", { y: 1 }));
      expect(await send(engine)).toEqual({ empty: true });
      const words = (sent().slice(before).flat() as readonly [string, unknown][]).map(([word]) => word);
      expect(words).toEqual(expected);
      expect(await engine.status()).toMatchObject({ pending: 0, sealed: 0, conserved: true });
      await world.run(engine.stop());
    }
  });

  test("X6 what is created and deleted before anybody has heard of it is never sent", async () => {
    const engine = await start();
    const all = await queue(engine, make("a", { x: 1 }), edit("a", { x: 2 }), remove("a"));
    expect(await send(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([]);
    for (const operation of all) expect(await operation.settled).toEqual({ verdict: "superseded" });
    expect(await engine.status()).toMatchObject({ enqueued: 3, succeeded: 3, conserved: true });
  });

  test("X6 X8 a CREATE that may have been sent is not annihilated, and nothing is folded into it", async () => {
    const engine = await start();
    world.transport.next(OPS, failed("timeout"));
    await queue(engine, make("a", { x: 1 }));
    engine.start();
    await world.advance(100);
    await queue(engine, edit("a", { x: 2 }), edit("a", { y: 3 }), remove("a"));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent().flat()).toEqual([
      ["CREATE a", { x: 1 }],
      ["CREATE a", { x: 1 }],
      ["DELETE a", null],
    ]);
  });

  test("X6 X1 one whose key was ended is never the place of others: a late copy of it would hide them", async () => {
    const engine = await start();
    let isBusy = true;
    world.backend.judge = () => (isBusy ? { status: 409, outcome: "skipped" } : undefined);
    await queue(engine, edit("a", { x: 1 }));
    engine.start();
    await world.advance(100);
    isBusy = false;
    await queue(engine, edit("a", { x: 2 }), edit("a", { y: 3 }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied.map(({ payload }) => payload)).toEqual([{ x: 1 }, { x: 2, y: 3 }]);
  });

  test("X6 one that asks to stay by itself does, and stands between the others", async () => {
    const engine = await start();
    await queue(engine, edit("a", { x: 1 }), { ...edit("a", { x: 2 }), coalesce: false }, edit("a", { x: 3 }), edit("a", { y: 4 }));
    expect(await send(engine)).toEqual({ empty: true });
    expect(sent().flat()).toEqual([{ x: 1 }, { x: 2 }, { x: 3, y: 4 }].map((payload) => ["UPDATE a", payload]));
  });

  test("X6 an UPDATE that is deleted goes as the DELETE", async () => {
    const engine = await start();
    await queue(engine, edit("a", { x: 1 }), edit("a", { y: 1 }), remove("a"));
    expect(await send(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([[["DELETE a", null]]]);
  });

  test("X6 declared ones fold as their definition says; one that throws is reported, and they go one by one", async () => {
    const options = { entity: ({ id }: { id: string }) => device.ref(id) };
    const add = defineOperation<{ readonly id: string; readonly by: number }>("device.add", {
      ...options,
      apply: (draft, { by }) => {
        draft.sum = by;
      },
      coalesce: (a, b) => (b.by < 0 ? null : { ...b, by: a.by + b.by }),
    });
    const odd = defineOperation<{ readonly id: string }>("device.odd", {
      ...options,
      coalesce: () => {
        throw new Error("a fault of the app");
      },
    });
    world.backend.offers = { operations: [add.name, odd.name] };
    const engine = await start({ operations: [add, odd] });
    for (const by of [1, 2, -5]) engine.run(add, { id: "a", by });
    for (const id of ["b", "b"]) engine.run(odd, { id });
    expect(await send(engine)).toEqual({ empty: true });
    expect(sent().flat()).toEqual([
      ["device.add a", { id: "a", by: 3 }],
      ["device.add a", { id: "a", by: -5 }],
      ["device.odd b", { id: "b" }],
      ["device.odd b", { id: "b" }],
    ]);
    expect(world.logged).toContain("warning coalesce_failed Error");
  });

  test("X6 X4 what was made on top of a folded one follows its survivor, in a later request, too", async () => {
    const note = defineEntity("note", { collection: "notes", fields: { tags: "set" }, onChanged: "ask" });
    world.backend.offers = { collections: { note: "notes" } };
    world.backend.write("note", "n", { tags: [], x: 0 });
    world.connectivity.turn(true);
    const engine = await start({ entities: [note], batch: { maxOperations: 1 } });
    const seen: EntityView[] = [];
    const off = engine.entity(note, "n").subscribe((view) => seen.push(view));
    await world.run(engine.pull());
    const n = { entityType: "note", entityId: "n" };
    for (const x of [1, 2]) await world.run(engine.enqueue({ ...n, type: "UPDATE", payload: { x } }));
    await world.run(engine.enqueue({ ...n, type: "UPDATE", entityId: "m", payload: { x: 1 } }));
    await world.run(engine.enqueue({ ...n, type: "DELETE" }));
    expect(seen.at(-1)?.value).toBeNull();
    expect(await send(engine)).toEqual({ empty: true });
    expect(world.backend.applied.map(({ type, base }) => [type, base])).toEqual([
      ["UPDATE", { version: 1 }],
      ["UPDATE", undefined],
      ["DELETE", { version: 2 }],
    ]);
    expect(await engine.conflicts.list()).toEqual([]);
    off();
  });
});

describe.each([1, 10])("in requests of %d", (maxOperations) => {
  test("X6 X5 what another process made on top of the survivor alone is merged with what was folded into it", async () => {
    const note = defineEntity("note", { collection: "notes", fields: { tags: "set" }, onChanged: "ask" });
    world.backend.offers = { collections: { note: "notes" } };
    world.backend.write("note", "n", { tags: [] });
    const options = { entities: [note], batch: { maxOperations } };
    const [engine, other] = [await start(options), await start(options)];
    const shown = [engine, other].map((one) => {
      const seen: EntityView[] = [];
      one.entity(note, "n").subscribe((view) => seen.push(view));
      return seen;
    });
    await world.run(engine.pull());
    await world.run(other.pull());
    const tagged = (one: SyncEngine, tags: readonly string[]): Promise<unknown> =>
      one.enqueue({ type: "UPDATE", entityType: "note", entityId: "n", payload: { tags } });
    await world.run(tagged(engine, ["first"]));
    await world.advance(1000);
    expect(shown.map((seen) => seen.at(-1)?.value)).toEqual([{ tags: ["first"] }, { tags: ["first"] }]);
    // Neither has seen what the other one does.
    await world.run(Promise.all([tagged(engine, ["first", "mine"]), tagged(other, ["first", "theirs"])]));
    expect(await send(engine)).toEqual({ empty: true });
    expect(world.backend.feed.documents.get("n")).toMatchObject({ tags: ["first", "mine", "theirs"] });
  });
});

describe("who travels with another", () => {
  async function stuck(): Promise<{ engine: SyncEngine; all: Awaited<ReturnType<typeof queue>> }> {
    const engine = await start();
    world.transport.next(OPS, ...Array.from({ length: 3 }, () => refused(503, "SERVICE_UNAVAILABLE")));
    const all = await queue(engine, edit("a", { x: 1 }), edit("a", { y: 2 }), edit("a", { z: 3 }));
    engine.start();
    await world.advance(50);
    return { engine, all };
  }

  test("X6 says so, and cannot be taken back by itself", async () => {
    const { engine, all } = await stuck();
    const [first, second] = all;
    expect(await second!.status()).toMatchObject({ state: "folded", foldedInto: first?.id, settled: null });
    expect(await world.run(second!.cancel())).toBe(false);
    expect(await engine.pending.list()).toMatchObject([{ id: first?.id, state: "sealed", payload: { x: 1, y: 2, z: 3 } }]);
    expect(await engine.status()).toMatchObject({ sealed: 1, succeeded: 2, conserved: true });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await second!.settled).toMatchObject({ verdict: "applied" });
  });

  test("X6 is told every step: folded, then the survivor's end", async () => {
    const engine = await start();
    const [, second] = await queue(engine, edit("a", { x: 1 }), edit("a", { y: 2 }));
    const told: OperationStatus["state"][] = [];
    second!.subscribe(({ state }) => told.push(state));
    await world.advance(10);
    expect(await send(engine)).toEqual({ empty: true });
    await world.advance(10);
    expect(told[0]).toBe("pending");
    expect(told.at(-1)).toBe("applied");
    expect(new Set(told).size).toBeLessThanOrEqual(3);
  });

  test("X6 Q6 fails with it, and is retried with it as one", async () => {
    const engine = await start();
    world.backend.judge = () => rejected;
    const [first, second] = await queue(engine, edit("a", { x: 1 }), edit("a", { y: 2 }));
    await send(engine);
    for (const operation of [first, second])
      expect(await operation!.settled).toMatchObject({ verdict: "rejected", code: "VALIDATION_ERROR" });
    expect(await second!.status()).toMatchObject({ state: "folded", foldedInto: first?.id });
    expect(await engine.status()).toMatchObject({ failed: 1, succeeded: 1, conserved: true });
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false });
    world.backend.judge = () => undefined;
    await world.run(engine.failed.retry({ all: true }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent().at(-1)).toEqual([["UPDATE a", { x: 1, y: 2 }]]);
    expect(await second!.status()).toMatchObject({ state: "applied" });
    expect(await engine.status()).toMatchObject({ failed: 0, succeeded: 2, conserved: true });
  });

  test("X6 Q1 goes with it when a person gives it up", async () => {
    const engine = await start();
    world.backend.judge = () => rejected;
    const [, second] = await queue(engine, edit("a", { x: 1 }), edit("a", { y: 2 }));
    await send(engine);
    await world.run(engine.failed.discard({ all: true }));
    expect(await second!.status()).toMatchObject({ state: "cancelled" });
    expect(await engine.status()).toMatchObject({ failed: 0, succeeded: 0, cancelled: 2, conserved: true });
  });

  describe.each(["mine", "theirs"] as const)("where somebody else wrote, too, and %s is chosen", (choice) => {
    test("X6 X4 is part of its conflict, and of the decision", async () => {
      const note = defineEntity("note", { collection: "notes", fields: { title: { policy: "ask" } } });
      world.backend.offers = { collections: { note: "notes" } };
      world.backend.write("note", "n", { title: "a", x: 0 });
      const engine = await start({ entities: [note] });
      const off = engine.entity(note, "n").subscribe(() => undefined);
      await world.run(engine.pull());
      const at = { type: "UPDATE", entityType: "note", entityId: "n" } as const;
      world.connectivity.turn(false);
      world.backend.write("note", "n", { title: "b", x: 0 });
      const first = await world.run(engine.enqueue({ ...at, payload: { title: "c" } }));
      const second = await world.run(engine.enqueue({ ...at, payload: { x: 1 } }));
      world.connectivity.turn(true);
      await send(engine);
      expect(await second.settled).toMatchObject({ verdict: "conflict" });
      const [conflict] = await engine.conflicts.list();
      expect(conflict).toMatchObject({
        id: first.id,
        payload: { title: "c", x: 1 },
        before: { title: "a", x: 0 },
        fields: [{ path: "title" }],
      });
      await world.run(engine.conflicts.resolve(first.id, choice));
      expect(await world.drain(engine)).toEqual({ empty: true });
      await world.advance(60_000);
      const isMine = choice === "mine";
      expect(world.backend.feed.documents.get("n")).toEqual(isMine ? { title: "c", x: 1 } : { title: "b", x: 0 });
      for (const operation of [first, second]) expect((await operation.status()).state).toBe(isMine ? "applied" : "superseded");
      expect(await engine.status()).toMatchObject({ succeeded: 2, conflict: 0, conserved: true });
      off();
    });
  });

  test("X6 O2 is shown by it: what is looked at never changes", async () => {
    const engine = await start();
    const seen: EntityView[] = [];
    const off = engine.entity(device, "a").subscribe((view) => seen.push(view));
    await world.run(engine.pull());
    await queue(engine, make("a", { x: 1 }), edit("a", { y: 2 }), edit("a", { x: 3 }));
    const from = seen.length;
    expect(await send(engine)).toEqual({ empty: true });
    await world.advance(60_000);
    for (const { value } of seen.slice(from)) expect(value).toMatchObject({ x: 3, y: 2 });
    expect(seen.at(-1)).toMatchObject({ value: { x: 3, y: 2 }, syncState: "synced", pending: 0 });
    off();
  });
});

describe("while nothing can be sent", () => {
  async function offline(count: number, options: TestEngineOptions = {}): Promise<SyncEngine> {
    world.connectivity.turn(false);
    const engine = await start({ ...options, autoStart: true });
    await queue(engine, ...Array.from({ length: count }, (_, i) => edit("a", { n: i })));
    await world.advance(1000);
    return engine;
  }
  const waits = async (engine: SyncEngine): Promise<unknown> => (await engine.pending.list()).map(({ seq, payload }) => [seq, payload]);

  test("X6 long runs become one, and take in what comes later", async () => {
    const engine = await offline(600);
    expect(await engine.status()).toMatchObject({ pending: 1, sealed: 0, succeeded: 599, conserved: true });
    expect(await waits(engine)).toEqual([[1, { n: 599 }]]);
    await queue(engine, ...Array.from({ length: 300 }, (_, i) => edit("a", { m: i })));
    await world.advance(1000);
    expect(await waits(engine)).toEqual([[1, { n: 599, m: 299 }]]);
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false });
    world.connectivity.turn(true);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([[["UPDATE a", { n: 599, m: 299 }]]]);
    expect(await engine.status()).toMatchObject({ succeeded: 900, conserved: true });
  });

  test("X6 Q2 in windows, with what stands between in its place; a restart goes on from there", async () => {
    const engine = await offline(1200);
    await queue(engine, edit("b", { n: 1 }), ...Array.from({ length: 300 }, (_, i) => edit("a", { m: i })), edit("c", { n: 1 }));
    await world.advance(1000);
    expect(await waits(engine)).toEqual([
      [1, { n: 1000 }],
      [1002, { n: 1199 }],
      [1201, { n: 1 }],
      [1202, { m: 299 }],
      [1502, { n: 1 }],
    ]);
    await world.run(engine.close());
    world.connectivity.turn(true);
    const again = await start();
    expect(await send(again)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "a", "b", "a", "c"]);
    expect(await again.status()).toMatchObject({ enqueued: 1502, succeeded: 1502, conserved: true });
  });

  test("X6 Q2 under entity ordering: what was folded far behind does not go before what stands in front of it unread", async () => {
    const engine = await start({ ordering: "entity", batch: { maxOperations: 1 } });
    world.connectivity.turn(false);
    const run = (id: string): ReturnType<typeof edit>[] => Array.from({ length: 9 }, (_, n) => edit(id, { n: n + 1 }));
    const single = Array.from({ length: 40 }, (_, n) => edit(`c${n}`, { n }));
    await queue(engine, { ...edit("a", { n: 0 }), lane: "x" }, ...run("a"), ...run("b"), ...single);
    engine.start();
    await world.advance(5);
    expect(await engine.status()).toMatchObject({ pending: 43 });
    world.connectivity.turn(true);
    expect(await send(engine)).toEqual({ empty: true });
    const applied = world.backend.applied.map(({ entity_id, payload }) => [entity_id, payload]);
    expect(applied.filter(([id]) => id === "a")).toEqual([
      ["a", { n: 0 }],
      ["a", { n: 9 }],
    ]);
    expect(applied).toHaveLength(43);
  });

  test("X6 taking the survivor back takes back all that is in it", async () => {
    const engine = await offline(250);
    expect(await world.run(engine.cancel((await engine.pending.list())[0]?.id ?? ""))).toBe(true);
    expect(await engine.status()).toMatchObject({ pending: 0, succeeded: 0, cancelled: 250, conserved: true });
    world.connectivity.turn(true);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([]);
  });

  test("X6 Q7 a queue in which nothing folds is looked at once, and stays as it is; little is not worth a look", async () => {
    world.connectivity.turn(false);
    const engine = await start({ autoStart: true });
    await queue(engine, ...Array.from({ length: 300 }, (_, i) => edit(`d${i}`, { n: i })));
    await world.advance(1000);
    const revisionNow = (): number | undefined => [...world.disk.accounts.values()][0]?.revision;
    const revision = revisionNow();
    await queue(engine, edit("x", { n: 1 }), edit("x", { n: 2 }));
    await world.advance(120_000);
    expect(revisionNow()).toBe(revision);
    expect(await engine.status()).toMatchObject({ pending: 302, lock: null });
  });
});
