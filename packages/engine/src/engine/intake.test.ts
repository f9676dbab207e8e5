import { SyncError } from "@guardian-sync/protocol";
import { afterEach, describe, expect, test } from "vitest";
import { tappedStore } from "../testing/tapped-store.ts";
import { type TestEngineOptions, TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation, type StandardSchema } from "./definitions.ts";
import type { EnqueueInput } from "./intake.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
afterEach(() => world.close());

const named: StandardSchema<{ name: string }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const { name } = value as { name?: unknown };
      return typeof name === "string" ? { value: { name } } : { issues: [{ message: "must be a string", path: ["name", { key: 0 }] }] };
    },
  },
};
const late: StandardSchema = { "~standard": { version: 1, vendor: "test", validate: (value) => Promise.resolve({ value }) } };
const rename = defineOperation<{ id: string; name: string }>("device.rename", {
  entity: ({ id }) => ({ entityType: "device", entityId: id }),
  apply: (draft, { name }) => {
    draft.name = name;
  },
});
const route = (path: string): ReturnType<typeof defineOperation<{ id: string }>> =>
  defineOperation<{ id: string }>("device.route", {
    entity: ({ id }) => ({ entityType: "device", entityId: id }),
    apply: (draft) => {
      draft.room = "r1";
    },
    request: () => ({ method: "POST", path }),
  });

async function engine(options: TestEngineOptions = {}): Promise<SyncEngine> {
  world = new TestWorld();
  return world.engine({
    entities: [defineEntity("device", { schema: named }), defineEntity("slow", { schema: late })],
    operations: [rename],
    autoStart: false,
    ...options,
  });
}
const errorOf = async (work: () => unknown): Promise<unknown> => {
  try {
    await world.run(Promise.resolve(work()));
  } catch (error) {
    return error;
  }
  return undefined;
};
const create = (more: object = {}): EnqueueInput =>
  ({ type: "CREATE", entityType: "lamp", payload: { on: true }, ...more }) as EnqueueInput;
const nested = (levels: number): object => (levels === 1 ? {} : { in: nested(levels - 1) });

describe("Q8 bad input is refused at the call, with what is wrong, and nothing is queued", () => {
  const cycle: { self?: object } = {};
  cycle.self = cycle;

  test.each([
    ["INVALID_OPERATION", null, /enqueue needs an object/],
    ["INVALID_OPERATION", "CREATE", /enqueue needs an object/],
    ["UNKNOWN_TYPE", create({ type: "PATCH" }), /"PATCH" is no plain type.*defineOperation/],
    ["UNKNOWN_TYPE", create({ type: undefined }), /"undefined" is no plain type/],
    ["INVALID_OPERATION", create({ type: "device.rename" }), /declared operation: call run\(\)/],
    ["INVALID_OPERATION", create({ entityType: "" }), /entityType must be a string of 1 to 255/],
    ["INVALID_OPERATION", create({ entityType: 7 }), /entityType must be a string/],
    ["INVALID_OPERATION", create({ entityId: "" }), /entityId must be a string/],
    ["INVALID_OPERATION", create({ entityId: "x".repeat(256) }), /entityId must be a string of 1 to 255/],
    ["INVALID_OPERATION", create({ entityId: "a\nb" }), /entityId must be .*without control characters/],
    ["INVALID_OPERATION", { type: "UPDATE", entityType: "lamp", payload: {} }, /entityId must be a string/],
    ["INVALID_OPERATION", { type: "UPDATE", entityType: "lamp", entityId: "1" }, /UPDATE of lamp needs a payload object/],
    ["INVALID_OPERATION", create({ payload: [] }), /CREATE of lamp needs a payload object/],
    ["INVALID_OPERATION", { type: "DELETE", entityType: "lamp", entityId: "1", payload: {} }, /DELETE carries no payload/],
    ["INVALID_OPERATION", create({ baseVersion: -1 }), /baseVersion must be a whole number >= 0, got -1/],
    ["INVALID_OPERATION", create({ baseVersion: 1.5 }), /got 1.5/],
    ["INVALID_OPERATION", create({ expiresAt: Number.NaN }), /expiresAt must be in milliseconds.*got NaN/],
    ["INVALID_OPERATION", create({ expiresAt: 0 }), /expiresAt.*got 0/],
    ["INVALID_OPERATION", create({ lane: "" }), /lane must be a string of 1 to 255/],
    ["INVALID_OPERATION", create({ lane: 7 as never }), /lane must be a string/],
    ["INVALID_OPERATION", create({ priority: Number.NaN }), /priority must be a number, got NaN/],
    ["INVALID_OPERATION", create({ priority: "high" as never }), /priority must be a number, got high/],
    ["INVALID_OPERATION", create({ traceId: "trace" }), /traceId must be a lowercase UUID/],
    ["INVALID_INPUT", create({ payload: { at: new Date(0) } }), /CREATE lamp: "at" must be JSON, not a Date: give an ISO 8601 string/],
    ["INVALID_INPUT", create({ payload: { rooms: [{ size: Number.NaN }] } }), /"rooms\[0\].size" must be a finite number, not NaN/],
    ["INVALID_INPUT", create({ payload: { on: () => true } }), /"on" must be JSON, not a function/],
    ["INVALID_INPUT", create({ payload: cycle }), /"self" contains itself/],
    ["INVALID_INPUT", create({ payload: nested(33) }), /nested deeper than 32 levels/],
    ["INVALID_INPUT", create({ payload: JSON.parse('{"__proto__": 1}') as object }), /"__proto__" has a name that is not allowed/],
    ["OPERATION_TOO_LARGE", create({ payload: { text: "x".repeat(262_144) } }), /must not be larger than 262144 bytes/],
    ["INVALID_INPUT", create({ entityType: "device", payload: { name: 7 } }), /CREATE device: "name.0" is not valid \(must be a string\)/],
  ] as const)("%s %#", async (code, input, message) => {
    const own = await engine();
    for (const call of [() => own.enqueue(input as never), () => own.enqueueMany([create(), input as never, create()])]) {
      const error = await errorOf(call);
      expect(error).toBeInstanceOf(SyncError);
      expect([(error as SyncError).code, (error as SyncError).message]).toEqual([code, expect.stringMatching(message)]);
      expect((error as SyncError).message).toContain("Nothing was queued");
    }
    expect(await own.status()).toMatchObject({ enqueued: 0, pending: 0 });
    expect([...world.disk.segments.from(0)]).toEqual([]);
  });

  test("what is at the bounds is taken", async () => {
    const own = await engine();
    const inputs = [
      create({ entityId: "x".repeat(255), entityType: "y".repeat(255) }),
      create({ payload: nested(32) }),
      create({ payload: { text: "x".repeat(262_144 - 12) } }),
      create({ baseVersion: 0, expiresAt: 1, traceId: "6f1a1e04-9f0e-4c55-8a63-0d8f6a1b2c3d" }),
      create({ entityType: "device", payload: { name: "x", more: [undefined, 1].slice(1), gone: undefined } }),
      { type: "DELETE" as const, entityType: "device", entityId: "1", payload: null },
      { type: "UPDATE" as const, entityType: "device", entityId: "2", payload: { name: 7 } },
    ];
    expect(await world.run(own.enqueueMany(inputs))).toHaveLength(7);
    expect(await own.status()).toMatchObject({ enqueued: 7 });
  });
});

describe("Q8 a declared operation", () => {
  const wrong = defineOperation("device.rename", { entity: () => ({ entityType: "device", entityId: "1" }) });
  const noEntity = defineOperation("no.entity", { entity: () => ({}) as never });
  const odd = defineOperation("odd.patch", {
    entity: () => ({ entityType: "device", entityId: "1" }),
    apply: (draft) => Object.assign(draft, { f: () => 1 }),
  });
  const checked = defineOperation("checked", { input: named as never, entity: () => ({ entityType: "device", entityId: "1" }) });
  const slow = defineOperation("slow", { input: late, entity: () => ({ entityType: "device", entityId: "1" }) });

  test.each([
    ["UNREGISTERED_OPERATION", wrong, {}, /"device.rename" is not registered with this engine/],
    ["UNREGISTERED_OPERATION", undefined, {}, /"undefined" is not registered/],
    ["INVALID_OPERATION", noEntity, {}, /entityType of no.entity must be a string/],
    ["INVALID_INPUT", rename, { id: "1", name: 1n }, /device.rename: "name" must be JSON, not a bigint/],
    ["INVALID_INPUT", odd, {}, /patch of odd.patch: "f" must be JSON, not a function/],
    ["INVALID_INPUT", checked, {}, /checked: "name.0" is not valid \(must be a string\)/],
  ] as const)("%s %#", async (code, definition, input, message) => {
    const own = await engine({ operations: [rename, noEntity, odd, checked] });
    const error = await errorOf(() => own.run(definition as never, input as never));
    expect([(error as SyncError).code, (error as SyncError).message]).toEqual([code, expect.stringMatching(message)]);
    expect((error as SyncError).message).toContain("Nothing was queued");
    expect(await own.status()).toMatchObject({ enqueued: 0 });
  });

  test("A2 a path parameter that is missing is missing for ever: refused before anything is queued", async () => {
    const bad = route("/api/v1/houses/{house_id}/rooms/{room}/{colour}");
    const own = await engine({ operations: [bad] });
    const error = await errorOf(() => own.run(bad, { id: "1" }));
    expect(error).toMatchObject({
      code: "MISSING_PATH_PARAMETER",
      message: expect.stringMatching(/needs colour, which the body does not have/),
    });
    const good = route("/api/v1/houses/{house_id}/rooms/{room}");
    const other = await engine({ operations: [good] });
    await world.run(other.run(good, { id: "1" }).stored);
    expect(await other.status()).toMatchObject({ enqueued: 1 });
  });

  test("Q8 a schema that answers later is a mistake of the program: the effect is shown in the same tick", async () => {
    const own = await engine({ operations: [slow] });
    for (const call of [() => own.run(slow, {}), () => own.enqueue(create({ entityType: "slow" }))]) {
      const error = await errorOf(call);
      expect(error).toMatchObject({ code: "INVALID_OPERATION", message: expect.stringMatching(/asynchronously.*Nothing was queued/) });
    }
    expect(await own.status()).toMatchObject({ enqueued: 0 });
  });

  test("A2 its handle exists in the same tick: id, entity and what it writes; `stored` says when it is on disk", async () => {
    const own = await engine();
    const operation = own.run(rename, { id: "d1", name: "lamp" });
    expect(operation).toMatchObject({ type: "device.rename", entityType: "device", entityId: "d1", patch: { name: "lamp" } });
    expect(operation.txnToken).toBe(`txn-${operation.id}`);
    expect(world.disk.segments.from(0).next().done).toBe(true);
    await world.run(operation.stored);
    expect(await operation.status()).toMatchObject({ state: "pending" });
  });
});

describe("Q8 the queue itself refuses", () => {
  test("NO_ACCOUNT: nobody is signed in", async () => {
    world = new TestWorld();
    world.session = null;
    const own = await world.engine();
    for (const call of [() => own.enqueue(create()), () => own.enqueueMany([create()]), () => own.pause("why"), () => own.failed.list()]) {
      expect(await errorOf(call)).toMatchObject({ code: "NO_ACCOUNT", message: expect.stringContaining("Nobody is signed in") });
    }
    expect([...world.disk.segments.from(0)]).toEqual([]);
  });

  test("STOPPED: the engine was closed", async () => {
    const own = await engine();
    await world.run(own.close());
    expect(await errorOf(() => own.enqueue(create()))).toMatchObject({ code: "STOPPED" });
    expect(await errorOf(() => own.start())).toMatchObject({ code: "STOPPED" });
  });

  test("STORAGE_FULL: the call rejects, the queue stays as it was, the next call is fine", async () => {
    let isFull = true;
    world = new TestWorld();
    const store = tappedStore(world.store, {
      append: () => {
        if (isFull) throw new SyncError("STORAGE_FULL", "no room");
      },
    });
    const own = await world.engine({ store, autoStart: false });
    const operation = own.enqueue(create());
    expect(await errorOf(() => operation)).toMatchObject({ code: "STORAGE_FULL" });
    expect(await own.status()).toMatchObject({ enqueued: 0, pending: 0 });
    isFull = false;
    await world.run(own.enqueue(create()));
    expect(await own.status()).toMatchObject({ enqueued: 1 });
  });

  test("QUEUE_FULL: what waits is counted, across restarts, and what went makes room", async () => {
    const own = await engine({ maxPending: 3 });
    await world.run(
      own.enqueueMany([create({ entityType: "device", payload: { name: "a" } }), create({ entityType: "device", payload: { name: "b" } })]),
    );
    expect(await errorOf(() => own.enqueueMany([create(), create()]))).toMatchObject({ code: "QUEUE_FULL", retryable: true });
    await world.run(own.enqueue(create({ entityType: "device", payload: { name: "c" } })));
    expect(await errorOf(() => own.enqueue(create()))).toMatchObject({
      code: "QUEUE_FULL",
      message: expect.stringMatching(/3 operations wait, and maxPending is 3. Nothing was queued/),
    });
    await world.run(own.close());
    const again = await world.engine({ maxPending: 3, autoStart: false });
    expect(await errorOf(() => again.enqueue(create()))).toMatchObject({ code: "QUEUE_FULL" });
    again.start();
    await world.drain(again);
    await world.run(again.enqueue(create({ entityType: "device", payload: { name: "d" } })));
    expect(await again.status()).toMatchObject({ enqueued: 4 });
  });

  test("QUEUE_FULL: a sender that never comes to rest makes room, too", async () => {
    world = new TestWorld();
    const own = await world.engine({ maxPending: 4, batch: { maxOperations: 1 } });
    for (let i = 0; i < 40; i++) {
      await world.run(own.enqueue(create({ entityType: "device" })));
      await world.advance(6);
    }
    expect(await world.drain(own)).toEqual({ empty: true });
  });
});
