import { SyncError } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refused } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { Operation, OperationStatus } from "./operation.ts";
import { Watchers } from "./watchers.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const rejected = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } as const;
const id = "019b76da-a800-7000-b43e-5c3023281661" as Operation["id"];
const status = (state: OperationStatus["state"], settled: OperationStatus["settled"] = null): OperationStatus => ({
  state,
  attempts: 0,
  nextAttemptAt: null,
  lastError: null,
  settled,
});
/** The states that a listener hears of. */
const heard = (operation: Operation | undefined): string[] => {
  const seen: string[] = [];
  operation?.subscribe(({ state }) => seen.push(state));
  return seen;
};

describe("watchers", () => {
  test("Q7 settled: one promise for everybody, resolved once, forgotten then", async () => {
    const watchers = new Watchers(() => {});
    const first = watchers.settled(id);
    expect(watchers.settled(id)).toEqual({ promise: first.promise, isNew: false });
    expect([first.isNew, watchers.watched, watchers.isEmpty]).toEqual([true, [id], false]);
    watchers.tell(id, status("pending"));
    expect(watchers.isWatched(id)).toBe(true);
    watchers.tell(id, status("applied", { verdict: "applied" }));
    watchers.tell(id, status("failed", { verdict: "failed" }));
    expect(await first.promise).toEqual({ verdict: "applied" });
    expect([watchers.isWatched(id), watchers.isEmpty]).toEqual([false, true]);
    expect(watchers.settled(id).isNew).toBe(true);
  });

  test("Q7 listeners hear of each change once, until they leave; leaving twice takes nobody else away", () => {
    const watchers = new Watchers(() => {});
    const seen: string[] = [];
    const listener = (name: string) => (told: OperationStatus) => void seen.push(`${name} ${told.state}`);
    const offA = watchers.watch(id, listener("a"));
    watchers.tell(id, status("pending"));
    watchers.tell(id, status("pending"));
    offA();
    const offB = watchers.watch(id, listener("b"));
    offA();
    watchers.tell(id, status("pending"));
    watchers.tell(id, status("sealed"));
    offB();
    watchers.tell(id, status("applied"));
    expect(seen).toEqual(["a pending", "b pending", "b sealed"]);
    expect(watchers.isEmpty).toBe(true);
  });

  test("Q7 the same function may listen twice, and leaves one by one", () => {
    const watchers = new Watchers(() => {});
    let calls = 0;
    const listener = (): void => {
      calls += 1;
    };
    const offs = [watchers.watch(id, listener), watchers.watch(id, listener)];
    watchers.tell(id, status("pending"));
    offs[0]?.();
    watchers.tell(id, status("sealed"));
    expect(calls).toBe(3);
  });

  test("Q7 a listener that throws harms neither the others nor `settled`", async () => {
    const errors: unknown[] = [];
    const watchers = new Watchers((error) => errors.push(error));
    const bang = new Error("bang");
    watchers.watch(id, () => {
      throw bang;
    });
    const seen: string[] = [];
    watchers.watch(id, ({ state }) => seen.push(state));
    const { promise } = watchers.settled(id);
    watchers.tell(id, status("applied", { verdict: "applied" }));
    expect([await promise, seen, errors]).toEqual([{ verdict: "applied" }, ["applied"], [bang]]);
  });
});

describe("a subscription", () => {
  test("tells how it is now, and every change after", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, refused(500, "INTERNAL_ERROR"));
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    const told: OperationStatus[] = [];
    operation?.subscribe((one) => told.push(one));
    await world.drain(engine);
    expect(told.map(({ state, attempts, nextAttemptAt }) => [state, attempts, nextAttemptAt !== null])).toEqual([
      ["pending", 0, false],
      ["sealed", 0, false],
      ["sealed", 1, true],
      ["applied", 1, false],
    ]);
    expect(told[2]?.lastError).toMatch(/^INTERNAL_ERROR 500/);
    const late: OperationStatus[] = [];
    operation?.subscribe((one) => late.push(one));
    await world.advance(1000);
    expect(late.map(({ state }) => state)).toEqual(["applied"]);
  });

  test("Q6 of one that failed, waits again, and is applied", async () => {
    const engine = await world.engine();
    let isFirst = true;
    world.backend.judge = () => {
      const was = isFirst;
      isFirst = false;
      return was ? rejected : undefined;
    };
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    const seen = heard(operation);
    await world.drain(engine);
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "rejected" });
    await world.run(engine.failed.archive({ all: true }));
    await world.run(engine.failed.restore({ all: true }));
    await world.run(engine.failed.retry({ all: true }));
    await world.drain(engine);
    expect(seen).toEqual(["pending", "sealed", "failed", "archived", "failed", "pending", "sealed", "applied"]);
  });

  test("Q2 of one that was blocked, and of one that was let go", async () => {
    const engine = await world.engine();
    let isFirst = true;
    world.backend.judge = () => {
      const was = isFirst;
      isFirst = false;
      return was ? rejected : undefined;
    };
    const [, operation] = await world.enqueue(engine, ["CREATE a", "UPDATE a"]);
    const seen = heard(operation);
    await world.drain(engine);
    await world.run(engine.failed.discard({ all: true }));
    await world.drain(engine);
    expect(seen).toEqual(["pending", "sealed", "pending", "blocked", "pending", "sealed", "applied"]);
  });

  test("Q1 what cannot be read any more settles as failed, for those who wait for it", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, "silence");
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    const seen = heard(operation);
    const { settled } = operation!;
    await world.advance(100);
    world.disk.transaction({ ownWrites: 0 }, () => {
      for (const pack of Array.from(world.disk.packs.values()))
        world.disk.packs.set(pack.packId, { ...pack, body: pack.body.map((byte) => byte ^ 1) });
    });
    expect(await world.run(settled)).toMatchObject({ verdict: "failed", code: "UNREADABLE" });
    expect(seen.at(-1)).toBe("quarantined");
    expect(await engine.status()).toMatchObject({ quarantined: 1, sealed: 0, conserved: true });
  });
});

describe("two engines on one disk", () => {
  test("L1 the one that does not send hears of the verdict, once, and then looks no more", async () => {
    const sending = await world.engine();
    const waiting = await world.engine();
    world.transport.next(OPS, "silence");
    await world.enqueue(sending, ["UPDATE a"]);
    await world.advance(100);
    const [operation] = await world.enqueue(waiting, ["UPDATE b"]);
    const seen = heard(operation);
    let settled = 0;
    for (let i = 0; i < 2; i++) void operation?.settled.then(() => settled++);
    await world.advance(1000);
    expect(await waiting.status()).toMatchObject({
      state: "waiting",
      reason: "another_process",
      lock: { mine: false, owner: "process-1" },
    });
    expect(await world.drain(sending)).toEqual({ empty: true });
    await world.advance(1000);
    expect([settled, seen.at(-1)]).toEqual([2, "applied"]);
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
    expect(world.transport.requests.every(({ headers }) => headers["Sync-Fence"] === "1")).toBe(true);
  });

  test("L1 a file that cannot be read for a moment is read again; nobody's process ends of it", async () => {
    let isBroken = true;
    const store = tappedStore(world.store, {
      dataVersion: () => {
        if (isBroken) throw new SyncError("STORAGE_UNAVAILABLE", "busy");
      },
    });
    const waiting = await world.engine({ store, autoStart: false });
    const sending = await world.engine();
    const [operation] = await world.enqueue(waiting, ["UPDATE a"]);
    const { settled } = operation!;
    await world.run(sending.resume());
    await world.advance(5000);
    expect(world.logged.filter((line) => line === "warning look_failed STORAGE_UNAVAILABLE").length).toBeGreaterThan(5);
    isBroken = false;
    expect(await world.run(settled)).toMatchObject({ verdict: "applied" });
  });
});
