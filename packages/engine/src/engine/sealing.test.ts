import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failed } from "../testing/scripted-transport.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const device = defineEntity("device", { collection: "devices" });
const lamp = defineEntity("lamp", { collection: "lamps" });
interface Rename {
  readonly id: string;
  readonly name: string;
}
const rename = (options: object = {}): ReturnType<typeof defineOperation<Rename>> =>
  defineOperation<Rename>("device.rename", {
    entity: ({ id }) => device.ref(id),
    apply: (draft, { name }) => {
      draft.name = name;
    },
    ...options,
  });
/** What each request carried, as `id:number` in order. */
const batches = (): readonly (readonly string[])[] =>
  world.transport.to(OPS).map((request) => operationsIn(request).map(({ entity_id, op_number }) => `${entity_id}:${op_number}`));

describe("a request", () => {
  test("Q2 X7 carries operations in order of seq, numbered without a gap, across requests", async () => {
    const engine = await world.engine({ autoStart: false, batch: { maxOperations: 3 } });
    await world.enqueue(engine, ["CREATE a", "CREATE b", "UPDATE a"]);
    await world.enqueue(engine, ["CREATE c", "UPDATE b"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(batches()).toEqual([
      ["a:1", "b:2", "a:3"],
      ["c:4", "b:5"],
    ]);
    expect(world.backend.appliedIds).toEqual(["a", "b", "a", "c", "b"]);
  });

  test("X1 what is sent again is what was sent: same keys, same bytes, another attempt", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, failed("timeout"), failed("reset"));
    await world.enqueue(engine, ["CREATE a"], { expiresAt: world.now + 1000 });
    expect(await world.drain(engine)).toEqual({ empty: true });
    const sent = world.transport
      .to(OPS)
      .map((request) => JSON.stringify((request.json as { payload: { operations: object[] } }).payload.operations));
    expect(sent).toHaveLength(3);
    expect(new Set(sent).size).toBe(1);
    expect(world.transport.to(OPS).map(({ headers }) => [headers["Sync-Fence"], headers["X-Device-Id"]])).toEqual(
      Array.from({ length: 3 }, () => ["1", world.transport.requests[0]?.headers["X-Device-Id"]]),
    );
  });

  test("X8 sealed means sent: what a crash left sealed goes first, as it was, under the same key and number", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, "silence");
    await world.enqueue(engine, ["CREATE a", "CREATE b"]);
    await world.advance(100);
    const before = world.transport.to(OPS).map(({ json }) => json);
    const disk = world.disk.copy();
    const after = new TestWorld({ disk, seed: 2 });
    const again = await after.engine();
    await after.enqueue(again, ["UPDATE a"]);
    expect(await after.drain(again, 300_000)).toEqual({ empty: true });
    const operations = (json: unknown): unknown => (json as { payload: { operations: unknown } }).payload.operations;
    expect(operations(after.transport.to(OPS)[0]?.json)).toEqual(operations(before[0]));
    expect(after.backend.applied.map(({ entity_id, type, op_number }) => [entity_id, type, op_number])).toEqual([
      ["a", "CREATE", 1],
      ["b", "CREATE", 2],
      ["a", "UPDATE", 3],
    ]);
    await after.close();
    await world.advance(60_000);
  });

  test("X7 is bounded by bytes: the server's bound, and the option's", async () => {
    world.backend.offers = { batch: { max_operations: 500, max_bytes: 100_000 } };
    const engine = await world.engine({ autoStart: false });
    const payload = { text: "ü".repeat(15_000) };
    await world.enqueue(engine, ["CREATE a", "CREATE b", "CREATE c", "CREATE d", "CREATE e"], { payload });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(batches().map((batch) => batch.length)).toEqual([3, 2]);
    const bytes = world.transport.to(OPS).map(({ body = "" }) => new TextEncoder().encode(body).length);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(100_000);
  });

  test("X7 one that is larger than the bound goes alone: a refusal is an answer, silence is none", async () => {
    world.backend.offers = { batch: { max_operations: 500, max_bytes: 20_000 } };
    const engine = await world.engine({ autoStart: false });
    await world.enqueue(engine, ["CREATE a", "CREATE b"]);
    await world.enqueue(engine, ["CREATE big"], { payload: { text: "x".repeat(30_000) } });
    await world.enqueue(engine, ["CREATE c"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(batches()).toEqual([["a:1", "b:2"], ["big:3"], ["c:4"]]);
  });

  test("X7 a REST operation goes alone, and cuts the batch around it; it has no number", async () => {
    const ping = rename({
      request: ({ entityId }: { entityId: string }) => ({ method: "POST", path: `/api/v1/devices/${entityId}/ping` }),
    });
    const engine = await world.engine({ entities: [device], operations: [ping], autoStart: false });
    await world.enqueue(engine, ["CREATE a", "CREATE b"]);
    await world.run(engine.run(ping, { id: "a", name: "x" }).stored);
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    world.transport.always("/api/v1/devices/a/ping", (request) => ({
      kind: "answer",
      status: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ meta: (request.json as { meta: object }).meta, data: {} }),
      elapsedMs: 0,
    }));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(batches()).toEqual([
      ["a:1", "b:2"],
      ["a:3", "b:4"],
    ]);
    const order = world.transport.requests.map(({ path }) => path).filter((path) => path === OPS || path.endsWith("ping"));
    expect(order).toEqual([OPS, "/api/v1/devices/a/ping", OPS]);
  });

  test("A2 a declared operation goes by its name where the backend knows it", async () => {
    world.backend.offers = { operations: ["device.rename"] };
    const definition = rename();
    const engine = await world.engine({ entities: [device], operations: [definition] });
    await world.run(engine.run(definition, { id: "a", name: "x" }).stored);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied).toMatchObject([{ type: "device.rename", entity_id: "a", payload: { id: "a", name: "x" } }]);
  });
});

describe("what does not go", () => {
  test("Q1 an operation that its app gave a last moment expires, before it was ever sent and only then", async () => {
    const engine = await world.engine({ autoStart: false });
    const [late, fine] = [
      ...(await world.enqueue(engine, ["UPDATE a"], { expiresAt: world.now + 1000 })),
      ...(await world.enqueue(engine, ["UPDATE a"], { expiresAt: world.now + 100_000 })),
    ];
    await world.advance(5000);
    const cancelled: string[] = [];
    engine.on("cancelled", ({ operation }) => cancelled.push(operation.operationId));
    world.transport.next(OPS, "silence", "silence", "silence", "silence");
    engine.start();
    await world.advance(100);
    expect(await world.run(late!.settled)).toEqual({ verdict: "expired", code: "EXPIRED" });
    expect(cancelled).toEqual([late!.id]);
    // Sealed, it outlives its moment.
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.now).toBeGreaterThan(100_000);
    expect(await world.run(fine!.settled)).toMatchObject({ verdict: "applied" });
    expect(await engine.status()).toMatchObject({ cancelled: 1, succeeded: 1, conserved: true });
  });

  test("X2 one whose key stands in the success record is not sent again", async () => {
    const engine = await world.engine();
    await world.enqueue(engine, ["CREATE a", "CREATE b", "CREATE c"]);
    world.transport.next(OPS, (request) => {
      world.backend.judge = ({ entity_id }) => (entity_id === "b" ? { status: 503, outcome: "retry" } : undefined);
      return world.backend.answer(request);
    });
    await world.advance(500);
    await world.run(engine.close());
    expect(world.backend.appliedIds).toEqual(["a"]);
    const sent = world.transport.requests.length;
    // A damaged head: everything looks as if nobody had looked at it.
    world.disk.transaction({ ownWrites: 0 }, () => {
      for (const lane of Array.from(world.disk.lanes.values()))
        world.disk.lanes.set(`${lane.account} ${lane.lane}`, { ...lane, head: 1 as never });
    });
    world.backend.judge = () => undefined;
    const again = await world.engine();
    await world.drain(again);
    const keys = world.transport.requests.slice(sent).flatMap((request) => operationsIn(request).map(({ entity_id }) => entity_id));
    expect(keys).not.toContain("a");
    expect(world.backend.appliedIds).toEqual(["a", "b", "c"]);
  });

  test("Q1 a type that nobody knows is parked, holds its entity, and comes back when its definition does", async () => {
    world.backend.offers = { operations: ["device.rename"] };
    const definition = rename();
    const engine = await world.engine({ entities: [device], operations: [definition], autoStart: false });
    const operation = engine.run(definition, { id: "a", name: "x" });
    await world.run(operation.stored);
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.run(engine.close());

    const without = await world.engine({ entities: [device] });
    const parked: string[] = [];
    without.on("parked", ({ code }) => parked.push(code));
    expect(await world.drain(without)).toEqual({ empty: false, reason: "blocked" });
    expect(await without.status()).toMatchObject({ failed: 1, pending: 1, succeeded: 1 });
    expect(await without.failed.list()).toMatchObject([{ state: "parked", code: "UNKNOWN_TYPE", type: "device.rename", entityId: "a" }]);
    expect((await without.failed.list())[0]?.lastError).toMatch(/"device.rename" version 1 is not registered/);
    expect(world.backend.appliedIds).toEqual(["b"]);
    expect(parked).toEqual(["UNKNOWN_TYPE"]);
    await world.run(without.close());

    const again = await world.engine({ entities: [device], operations: [definition] });
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(world.backend.applied.map(({ type, entity_id }) => [type, entity_id])).toEqual([
      ["UPDATE", "b"],
      ["device.rename", "a"],
      ["UPDATE", "a"],
    ]);
    expect(await again.status()).toMatchObject({ failed: 0, succeeded: 3, conserved: true });
  });

  test("Q1 so does a plain write of a collection that nobody names, when the app or the server does", async () => {
    const engine = await world.engine();
    await world.run(engine.enqueue({ type: "CREATE", entityType: "lamp", entityId: "l1", payload: {} }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.failed.list()).toMatchObject([{ code: "UNKNOWN_TYPE", lastError: expect.stringContaining("register its entity") }]);
    await world.run(engine.close());
    world.transport.always("/api/v1/lamps", (request) => ({
      kind: "answer",
      status: 201,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ meta: (request.json as { meta: object }).meta, data: { id: "l1" } }),
      elapsedMs: 0,
    }));
    const again = await world.engine({ entities: [lamp] });
    await world.advance(100);
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(await again.status()).toMatchObject({ failed: 0, succeeded: 1 });
  });

  test("Q1 an old version is converted, or parked until it can be", async () => {
    world.backend.offers = { operations: ["device.rename"] };
    const first = rename();
    const engine = await world.engine({ operations: [first], autoStart: false });
    await world.run(engine.run(first, { id: "a", name: "x" }).stored);
    await world.run(engine.close());

    const second = await world.engine({ operations: [rename({ version: 2 })] });
    await world.drain(second);
    expect(await second.failed.list()).toMatchObject([{ code: "UNKNOWN_TYPE" }]);
    await world.run(second.close());

    const migrate = (input: object, from: number): object => ({ ...input, name: `from ${from}` });
    const third = await world.engine({ operations: [rename({ version: 2, migrate })] });
    expect(await world.drain(third)).toEqual({ empty: true });
    expect(world.backend.applied).toMatchObject([{ payload: { id: "a", name: "from 1" } }]);
  });

  test("Q1 a definition that throws parks its operation, never the engine", async () => {
    const bad = rename({
      request: ({ patch }: { patch: { name?: string } }) => {
        if (patch.name === "x") throw new TypeError("secret");
        return { method: "POST", path: "/x" };
      },
    });
    const engine = await world.engine({ operations: [rename({ request: () => ({ method: "POST", path: "/x" }) })], autoStart: false });
    const [known] = [engine];
    const definition = rename({ request: () => ({ method: "POST", path: "/x" }) });
    await world.run(known.close());
    const queueing = await world.engine({ operations: [definition], autoStart: false });
    await world.run(queueing.run(definition, { id: "a", name: "x" }).stored);
    await world.enqueue(queueing, ["UPDATE b"]);
    await world.run(queueing.close());
    const sending = await world.engine({ entities: [device], operations: [bad] });
    await world.drain(sending);
    expect(await sending.failed.list()).toMatchObject([
      { code: "INVALID_OPERATION", lastError: expect.stringContaining("threw TypeError") },
    ]);
    expect(JSON.stringify(await sending.failed.list())).not.toContain("secret");
    expect(world.backend.appliedIds).toEqual(["b"]);
  });
});
