import type { EpochMs } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Clock, Exchange, HttpRequest, MonotonicMs, StoreCommit, Transport } from "../ports/index.ts";
import { failed } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestWorld } from "../testing/test-world.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const lock = (): NonNullable<TestWorld["disk"]["lock"]> => {
  if (world.disk.lock === undefined) throw new Error("there is no lock row");
  return world.disk.lock;
};
const fences = (): readonly string[] => world.transport.to(OPS).map(({ headers }) => headers["Sync-Fence"] ?? "");
const changesOf = (engine: SyncEngine): string[] => {
  const changes: string[] = [];
  engine.on("lock", ({ change, fence }) => changes.push(`${change} ${fence}`));
  return changes;
};

/** A process that can be stopped and continued: neither its timers nor its answers arrive meanwhile. */
class Process implements Clock, Transport {
  #isFrozen = false;
  #waiting: (() => void)[] = [];

  freeze(): void {
    this.#isFrozen = true;
  }
  thaw(): void {
    this.#isFrozen = false;
    for (const task of this.#waiting.splice(0)) task();
  }
  now(): EpochMs {
    return world.clock.now();
  }
  monotonic(): MonotonicMs {
    return world.clock.monotonic();
  }
  schedule(delayMs: number, task: () => void): () => void {
    let isCancelled = false;
    const cancel = world.clock.schedule(delayMs, () => this.#when(() => isCancelled || task()));
    return () => {
      isCancelled = true;
      cancel();
    };
  }
  defer(task: () => void): void {
    world.clock.defer(() => this.#when(task));
  }
  async exchange(request: HttpRequest): Promise<Exchange> {
    const exchange = await world.transport.exchange(request);
    await new Promise<void>((resolve) => this.#when(resolve));
    return exchange;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  engine(): Promise<SyncEngine> {
    return world.engine({ platform: { clock: this, transport: this } });
  }
  #when(task: () => void): void {
    if (this.#isFrozen) this.#waiting.push(task);
    else task();
  }
}
/** Its process dies: the operating system frees the fast lock. */
const die = (process: Process): void => {
  process.freeze();
  world.disk.fastLockHolder = undefined;
};

describe("a holder", () => {
  test("L1 beats while there is work, and gives the lock back when there is none", async () => {
    const engine = await world.engine({ lock: { heartbeatMs: 1000, staleMs: 10_000 } });
    const changes = changesOf(engine);
    await world.advance(60_000);
    expect(world.disk.lock).toBeUndefined();
    world.transport.next(OPS, "silence");
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(20_500);
    expect(lock()).toMatchObject({ owner: "process-1", fence: 1, beats: 20, holdsFastLock: true, released: false });
    expect(await engine.status()).toMatchObject({ state: "sending", lock: { owner: "process-1", fence: 1, mine: true } });
    await world.drain(engine);
    expect(lock()).toMatchObject({ fence: 1, released: true, holdsFastLock: false });
    expect(world.disk.fastLockHolder).toBeUndefined();
    expect(changes).toEqual(["acquired 1", "released 1"]);
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect([changes.slice(2), fences()]).toEqual([
      ["acquired 2", "released 2"],
      ["1", "1", "2"],
    ]);
  });

  test("L1 one that cannot renew stops starting sends after half the stale time", async () => {
    let isBroken = false;
    const store = tappedStore(world.store, {
      writeLock: () => {
        if (isBroken) throw new Error("EIO");
      },
    });
    const engine = await world.engine({ store, backoff: { baseMs: 200_000, maxDelayMs: 200_000 } });
    world.transport.next(OPS, failed("offline"));
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    isBroken = true;
    await world.advance(600_000);
    expect(fences()).toEqual(["1"]);
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "lock_not_renewed", sealed: 1 });
    isBroken = false;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.logged.filter((line) => line.startsWith("warning heartbeat_failed")).length).toBeGreaterThan(10);
  });

  test("L1 a heartbeat under way when the lock is given back leaves nothing behind", async () => {
    const store = tappedStore(world.store, {
      readLock: () => new Promise((resolve) => void world.clock.schedule(50, resolve)),
    });
    const engine = await world.engine({ store, lock: { heartbeatMs: 100, staleMs: 10_000 } });
    world.transport.next(OPS, async (request) => {
      await new Promise<void>((resolve) => void world.clock.schedule(120, resolve));
      return world.backend.answer(request);
    });
    for (let wait = 0; wait < 200; wait += 20) {
      await world.enqueue(engine, ["UPDATE a"]);
      await world.advance(100 + wait);
      await world.run(engine.stop());
      expect([lock().released, world.disk.fastLockHolder]).toEqual([true, undefined]);
      // The hourly upkeep.
      expect(world.timeline.waiting).toBe(1);
      engine.start();
    }
    await world.drain(engine);
  });
});

describe("another process", () => {
  test("L1 waits while the holder lives, and goes on when it gives the lock back", async () => {
    const first = await world.engine();
    const second = await world.engine();
    world.transport.next(OPS, "silence");
    await world.enqueue(first, ["UPDATE a"]);
    await world.enqueue(second, ["UPDATE b"]);
    await world.advance(10_000);
    expect(await second.status()).toMatchObject({ state: "waiting", reason: "another_process", lock: { owner: "process-1", mine: false } });
    expect(await world.drain(second)).toEqual({ empty: true });
    expect(new Set(fences())).toEqual(new Set(["1"]));
  });

  test("L1 replaces a dead holder at once, and sends what it left sealed, as it was", async () => {
    const dead = new Process();
    const first = await dead.engine();
    world.transport.next(OPS, "silence");
    await world.enqueue(first, ["UPDATE a"]);
    await world.advance(100);
    const second = await world.engine();
    const changes = changesOf(second);
    die(dead);
    const diedAt = world.now;
    await world.advance(1000);
    expect(world.backend.appliedIds).toEqual(["a"]);
    expect(changes).toEqual(["taken_over 2", "released 2"]);
    const [before, after] = world.transport.to(OPS);
    expect((after?.at ?? 0) - diedAt).toBeLessThan(5000);
    expect(operationsIn(after!)).toEqual(operationsIn(before!));
    dead.thaw();
  });

  test("L1 L2 replaces a frozen one when it is stale; thawed, that one changes nothing and says that it lost the lock", async () => {
    const frozen = new Process();
    const first = await frozen.engine();
    const lost = changesOf(first);
    world.transport.next(OPS, (request) => {
      world.backend.answer(request);
      return world.backend.answer(request);
    });
    await world.enqueue(first, ["UPDATE a", "UPDATE b"]);
    await world.advance(7);
    frozen.freeze();
    const second = await world.engine();
    const changes = changesOf(second);
    await world.advance(118_000);
    expect(changes).toEqual([]);
    await world.advance(4000);
    expect(changes).toEqual(["taken_over 2", "released 2"]);
    // It does not have the fast lock: its frozen holder still does.
    expect(world.disk.fastLockHolder).toBeDefined();
    const status = await second.status();
    expect(status).toMatchObject({ succeeded: 2, conserved: true });
    frozen.thaw();
    await world.advance(1000);
    expect(lost).toEqual(["acquired 1", "lost 1"]);
    expect(world.disk.fastLockHolder).toBeUndefined();
    expect(await first.status()).toMatchObject({ succeeded: 2, sealed: 0, conserved: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
  });

  test("L1 a clock that jumps three hours steals nothing", async () => {
    const first = await world.engine();
    const second = await world.engine();
    world.transport.next(OPS, "silence");
    await world.enqueue(first, ["UPDATE a"]);
    await world.advance(1000);
    for (const hours of [3, -6, 3]) {
      world.clock.jump(hours * 3_600_000);
      second.start();
      await world.run(second.resume());
      await world.advance(5000);
      expect(lock()).toMatchObject({ owner: "process-1", fence: 1, released: false });
    }
    await world.drain(first);
    expect(fences()).toEqual(["1", "1"]);
  });

  test("L1 one that took over by staleness gets the fast lock as soon as it can, and is then replaceable at once", async () => {
    const frozen = new Process();
    const first = await frozen.engine();
    world.transport.next(OPS, "silence");
    await world.enqueue(first, ["UPDATE a"]);
    await world.advance(100);
    frozen.freeze();
    const second = await world.engine({ backoff: { baseMs: 600_000, maxDelayMs: 600_000 } });
    world.transport.next(OPS, failed("offline"));
    await world.advance(130_000);
    expect(lock()).toMatchObject({ owner: "process-2", fence: 2, holdsFastLock: false });
    frozen.thaw();
    await world.advance(11_000);
    expect(lock()).toMatchObject({ owner: "process-2", fence: 2, holdsFastLock: true });
    await world.drain(second);
  });
});

describe("an operator", () => {
  test("L3 forces the lock free: the fence rises, the holder's next write is refused, and processing goes on", async () => {
    const first = await world.engine();
    const second = await world.engine({ autoStart: false });
    const changes = changesOf(first);
    const forced = changesOf(second);
    world.transport.next(OPS, "silence");
    await world.enqueue(first, ["UPDATE a"]);
    await world.advance(100);
    expect(await world.run(second.forceReleaseLock("it hangs"))).toMatchObject({ owner: "process-1", fence: 1 });
    expect(forced).toEqual(["forced 2"]);
    expect(lock()).toMatchObject({ fence: 2, released: true });
    expect(await world.drain(first)).toEqual({ empty: true });
    expect([changes, fences()]).toEqual([
      ["acquired 1", "lost 1", "acquired 3", "released 3"],
      ["1", "3"],
    ]);
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("L3 nobody has it: nothing to force; a reason is needed", async () => {
    const engine = await world.engine();
    expect(await world.run(engine.forceReleaseLock("why not"))).toBeUndefined();
    await expect(engine.forceReleaseLock("")).rejects.toThrow("needs a reason");
  });
});

test("L2 every write of a processor carries its fence", async () => {
  const commits: StoreCommit[] = [];
  let isProcessing = false;
  const store = tappedStore(world.store, {
    commit: (change) => {
      if (isProcessing) commits.push(change);
    },
  });
  const engine = await world.engine({ store, backoff: { baseMs: 10, maxDelayMs: 10 }, autoStart: false });
  const { backend, transport } = world;
  const echo = (request: Parameters<typeof backend.answer>[0]): Exchange => backend.answer(request);
  backend.judge = ({ entity_id }) =>
    entity_id === "no"
      ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } }
      : entity_id === "theirs"
        ? { status: 409, outcome: "conflict", error: { code: "CONFLICT", message: "no" } }
        : undefined;
  await world.enqueue(engine, ["UPDATE a", "UPDATE no", "UPDATE theirs", "UPDATE b"]);
  await world.run(engine.enqueue({ type: "CREATE", entityType: "unknown", payload: {} }));
  const status =
    (code: number, name: string, headers = {}) =>
    (request: Parameters<typeof backend.answer>[0]) => {
      const body = JSON.stringify({ meta: (request.json as { meta: object }).meta, error: { code: name, message: "no" } });
      return { kind: "answer", status: code, headers: { "content-type": "application/json", ...headers }, body, elapsedMs: 0 } as const;
    };
  transport.next(
    OPS,
    status(500, "INTERNAL_ERROR"),
    status(429, "RATE_LIMITED", { "retry-after": "1" }),
    status(401, "UNAUTHORIZED"),
    status(400, "CLOCK_SKEW", { date: new Date(world.now + 600_000).toUTCString() }),
    status(409, "OUT_OF_ORDER"),
    status(409, "CLIENT_FORKED"),
    echo,
    status(426, "CLIENT_TOO_OLD"),
  );
  isProcessing = true;
  engine.start();
  await world.advance(600_000);
  expect(await engine.status()).toMatchObject({ state: "paused", reason: "client_too_old" });
  expect(commits.length).toBeGreaterThan(8);
  // What the origin asked for holds for every process, whoever heard it: that row alone goes without.
  expect(commits.filter(({ fence, putMeta }) => fence === undefined && putMeta === undefined)).toEqual([]);
});
