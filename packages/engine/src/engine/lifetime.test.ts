import { SyncError } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failed } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const rejected = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } as const;

describe("drain", () => {
  test("resolves when everything is sent; what is enqueued meanwhile counts", async () => {
    const engine = await world.engine({ autoStart: false });
    expect(await world.drain(engine)).toEqual({ empty: true });
    await world.enqueue(engine, ["UPDATE a"]);
    engine.start();
    const drained = engine.drain();
    void engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "b", payload: {} });
    expect(await world.run(drained)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
  });

  test("counts what is on its way to the disk when it is called", async () => {
    const engine = await world.engine();
    const stored = engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "a", payload: {} });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
    await stored;
  });

  test.each([
    ["stopped", async () => {}],
    ["maintenance", (engine: Awaited<ReturnType<TestWorld["engine"]>>) => world.run(engine.pause("maintenance"))],
  ] as const)("says at once why it cannot: %s", async (reason, make) => {
    const engine = await world.engine({ autoStart: reason !== "stopped" });
    await make(engine);
    await world.enqueue(engine, ["UPDATE a"]);
    const before = world.now;
    expect(await world.drain(engine)).toEqual({ empty: false, reason });
    expect(world.now - before).toBeLessThan(10);
  });

  test("waits for what waits, and says for what when the time is up", async () => {
    const engine = await world.engine();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE a"]);
    const before = world.now;
    expect(await world.run(engine.drain({ timeoutMs: 5000 }))).toEqual({ empty: false, reason: "offline" });
    expect(world.now - before).toBe(5000);
    world.transport.next(OPS, "silence");
    world.connectivity.turn(true);
    expect(await world.run(engine.drain({ timeoutMs: 5000 }))).toEqual({ empty: false, reason: "still_sending" });
  });

  test.each(["stop", "close"] as const)("ends when the engine is told to %s, and leaves no timer behind", async (end) => {
    const engine = await world.engine();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE a"]);
    const drained = engine.drain({ timeoutMs: 3_600_000 });
    await world.advance(1000);
    const before = world.now;
    await world.run(engine[end]());
    expect(await world.run(drained)).toEqual({ empty: false, reason: "stopped" });
    expect(world.now - before).toBeLessThan(10);
    if (end === "close") expect(world.timeline.waiting).toBe(0);
  });
});

describe("stop and start", () => {
  test("L1 stop waits for the request under way, records its answer, and gives the lock back", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, async (request) => {
      await new Promise<void>((resolve) => void world.clock.schedule(5000, resolve));
      return world.backend.answer(request);
    });
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    await world.run(engine.stop());
    expect(await engine.status()).toMatchObject({ state: "stopped", succeeded: 1, sealed: 0, lock: null });
    await world.enqueue(engine, ["UPDATE b"]);
    await world.advance(60_000);
    expect(world.backend.appliedIds).toEqual(["a"]);
    engine.start();
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("whoever starts last is obeyed: a start right after a stop starts", async () => {
    const engine = await world.engine();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    const stopped = engine.stop();
    engine.start();
    await world.run(stopped);
    world.connectivity.turn(true);
    expect(await world.drain(engine, 120_000)).toEqual({ empty: true });
  });

  test("closing twice is closing once; a closed engine says so", async () => {
    const engine = await world.engine();
    await world.run(Promise.all([engine.close(), engine.close()]));
    await world.run(engine.close());
    expect(() => engine.start()).toThrow(SyncError);
    expect(world.transport.isClosed).toBe(true);
  });

  test("Q1 what was enqueued just before closing is stored", async () => {
    const engine = await world.engine({ autoStart: false });
    const stored = engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "a", payload: {} });
    await world.run(engine.close());
    await world.run(stored);
    const again = await world.engine();
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test.each([
    ["while it sends", "silence" as const],
    ["while it waits for the network", failed("offline")],
  ])("closing %s leaves no timer, lock or request behind", async (_title, reply) => {
    const engine = await world.engine();
    world.transport.always(OPS, reply);
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    operation!.subscribe(() => {});
    void operation!.settled;
    await world.advance(100);
    await world.close();
    expect([world.timeline.waiting, world.disk.lock?.released]).toEqual([0, true]);
  });
});

describe("a pause by an operator", () => {
  test("Q9 holds across restarts, with who and why, until it is lifted", async () => {
    const engine = await world.engine();
    const told: string[] = [];
    engine.on("paused", ({ reason, by }) => told.push(`paused ${reason} ${by}`));
    engine.on("resumed", ({ by }) => told.push(`resumed ${by}`));
    await world.run(engine.pause("the server moves", "eve"));
    await world.enqueue(engine, ["UPDATE a"]);
    expect(told).toEqual(["paused the server moves operator"]);
    await world.run(engine.close());
    const again = await world.engine();
    await world.advance(3_600_000);
    expect(world.transport.requests).toEqual([]);
    expect(await again.status()).toMatchObject({
      state: "paused",
      reason: "the server moves",
      paused: { by: "eve" },
      pending: 1,
      lock: null,
    });
    await world.run(again.auth.refresh());
    expect(await again.status()).toMatchObject({ state: "paused" });
    await world.run(again.resume());
    expect(await world.drain(again)).toEqual({ empty: true });
    expect((await again.status()).paused).toBeNull();
    await expect(again.pause("")).rejects.toThrow("needs a reason");
  });
});

describe("status", () => {
  test("tells what waits, for how long, and why", async () => {
    const engine = await world.engine({ batch: { maxOperations: 2 } });
    world.backend.judge = ({ entity_id }) => (entity_id === "no" ? rejected : undefined);
    world.connectivity.turn(false);
    await world.enqueue(engine, ["CREATE no", "UPDATE no", "UPDATE a"]);
    await world.advance(90_000);
    expect(await engine.status()).toMatchObject({
      state: "waiting",
      reason: "offline",
      pending: 3,
      sealed: 0,
      oldestPendingAgeMs: 90_000,
      level: null,
      connection: "offline",
      account: { space: "home", principal: "ada" },
    });
    world.connectivity.turn(true);
    await world.drain(engine);
    expect(await engine.status()).toMatchObject({
      state: "idle",
      reason: "blocked",
      pending: 1,
      failed: 1,
      succeeded: 1,
      enqueued: 3,
      conserved: true,
      level: 4,
      connection: "online",
    });
    await world.run(engine.failed.discard({ all: true }));
    await world.drain(engine);
    expect(await engine.status()).toMatchObject({ state: "idle", reason: "empty", pending: 0, oldestPendingAgeMs: null });
  });
});

describe("a store that fails for a while", () => {
  test("Q1 Q4 turns are tried again, ever more rarely, and nothing is lost", async () => {
    let isBroken = false;
    const store = tappedStore(world.store, {
      commit: () => {
        if (isBroken) throw new SyncError("STORAGE_FULL", "no room", { retryable: true });
      },
    });
    const engine = await world.engine({ store });
    await world.drain(engine);
    isBroken = true;
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.advance(600_000);
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "storage_full", pending: 2, conserved: true });
    const faults = world.logged.filter((line) => line === "error turn_failed STORAGE_FULL").length;
    expect(faults).toBeGreaterThan(8);
    expect(faults).toBeLessThan(30);
    expect(world.backend.appliedIds).toEqual([]);
    isBroken = false;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
  });

  test("X1 an answer that could not be written down is asked for again, under the same keys", async () => {
    let failures = 0;
    const store = tappedStore(world.store, {
      commit: ({ putReceipts }) => {
        if ((putReceipts?.length ?? 0) > 0 && failures++ < 3) throw new SyncError("STORAGE_UNAVAILABLE", "away", { retryable: true });
      },
    });
    const engine = await world.engine({ store });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
    expect(await engine.status()).toMatchObject({ succeeded: 2, conserved: true });
  });
});

test("X2 receipts go after their time, hourly; the operation is then unknown", async () => {
  const engine = await world.engine({ receiptRetentionMs: 86_400_000 });
  const [operation] = await world.enqueue(engine, ["UPDATE a"]);
  await world.drain(engine);
  await world.advance(86_400_000 - 10_000);
  expect(await operation!.status()).toMatchObject({ state: "applied" });
  await world.advance(3_700_000);
  expect(await operation!.status()).toMatchObject({ state: "unknown", settled: null });
  expect(await engine.operation(operation!.id)).toBeUndefined();
});
