import { SyncError } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, refused } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const sent = (): readonly (readonly string[])[] =>
  world.transport.to(OPS).map((request) => operationsIn(request).map((one) => one.entity_id));

const numbers = (): readonly (readonly (number | undefined)[])[] =>
  world.transport.to(OPS).map((request) => operationsIn(request).map((one) => one.op_number));

/** Batches of 3; one operation has succeeded already, so that requests are full; then these wait, and are let go. */
async function going(operations: readonly `${"UPDATE" | "CREATE"} ${string}`[], options: object = {}): Promise<SyncEngine> {
  const engine = await world.engine({ batch: { maxOperations: 3 }, ...options });
  await world.enqueue(engine, ["UPDATE warm"]);
  await world.drain(engine);
  await world.run(engine.stop());
  await world.enqueue(engine, operations);
  return engine;
}
/** What the engine does while its `nth` full request is under way. */
function during(nth: number, act: () => unknown): void {
  let seen = 0;
  world.transport.always(
    ({ path }) => path === OPS,
    async (request) => {
      seen += 1;
      if (seen === nth) {
        await act();
      }
      return world.backend.answer(request);
    },
  );
}

describe("a stream of requests", () => {
  test("Q2 X1 keeps the order, one request at a time, and everything is written down", async () => {
    const engine = await going(Array.from({ length: 14 }, (_, n) => `UPDATE d${n}` as const));
    let most = 0;
    world.transport.always(OPS, (request) => {
      most = Math.max(most, world.transport.inFlight);
      return world.backend.answer(request);
    });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(
      sent()
        .slice(1)
        .map((ids) => ids.length),
    ).toEqual([3, 3, 3, 3, 2]);
    expect(world.backend.appliedIds).toEqual(["warm", ...Array.from({ length: 14 }, (_, n) => `d${n}`)]);
    expect(most).toBe(1);
    expect(await engine.status()).toMatchObject({ succeeded: 15, pending: 0, sealed: 0, conserved: true });
  });

  test("Q2 the next request is sealed while the one before has no answer", async () => {
    const engine = await going(Array.from({ length: 10 }, (_, n) => `UPDATE d${n}` as const));
    const sealed: number[] = [];
    world.transport.always(OPS, async (request) => {
      sealed.push((await engine.status()).sealed);
      return world.backend.answer(request);
    });
    engine.start();
    await world.drain(engine);
    expect(sealed).toEqual([6, 6, 3, 1]);
  });

  test("Q6 what is taken back while the one before is under way is not sent as if it had not been", async () => {
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"]);
    const ids: string[] = [];
    engine.on("sealed", ({ operation }) => ids.push(operation.operationId));
    during(1, () => engine.cancel(ids[3] ?? "", "changed my mind"));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["warm", "a", "b", "c", "e", "f"]);
    expect(await engine.status()).toMatchObject({ succeeded: 6, cancelled: 1, conserved: true });
  });

  test("Q9 a pause while a request is under way stops the next one", async () => {
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"]);
    during(1, () => engine.pause("maintenance"));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "maintenance" });
    expect(sent()).toHaveLength(2);
    expect(await engine.status()).toMatchObject({ succeeded: 4, sealed: 3, pending: 0, conserved: true });
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["warm", "a", "b", "c", "d", "e", "f"]);
  });

  test("Q4 an app that cannot say who is signed in does not keep an answer from being written down", async () => {
    let isBroken = false;
    const session = (): typeof world.session => {
      if (isBroken) throw new Error("the app's sign-in is broken");
      return world.session;
    };
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"], { backend: { session } });
    during(1, () => {
      isBroken = true;
    });
    engine.start();
    await world.advance(500);
    expect(await engine.status()).toMatchObject({ succeeded: 4, sealed: 3, conserved: true });
    isBroken = false;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toHaveLength(3);
  });

  test("A5 another account does not send what was sealed for the one before", async () => {
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"]);
    during(1, () => {
      world.session = { account: { space: "home", principal: "bob" }, token: "token-bob" };
    });
    engine.start();
    await world.drain(engine);
    expect(world.backend.appliedIds).toEqual(["warm", "a", "b", "c"]);
  });

  test("Q2 what was sealed behind a creation that is refused waits for it", async () => {
    const engine = await going(["CREATE a", "UPDATE b", "UPDATE c", "UPDATE a", "UPDATE d", "UPDATE e"]);
    world.backend.judge = ({ entity_id }) =>
      entity_id === "a" ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } : undefined;
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.appliedIds).toEqual(["warm", "b", "c", "d", "e"]);
    expect(await engine.status()).toMatchObject({ failed: 1, pending: 1, sealed: 0, conserved: true });
    // It left its number to the one behind it: a server waits for ever for one that is left out.
    expect(numbers()).toEqual([[1], [2, 3, 4], [5, 6]]);
  });

  test("Q2 what was written against a version waits for the answer that gives it", async () => {
    const engine = await going([]);
    for (const [entityId, baseVersion] of [
      ["a", 1],
      ["b", 1],
      ["c", 1],
      ["a", 1],
      ["b", 1],
      ["c", 1],
    ] as const)
      await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId, payload: { on: true }, baseVersion }));
    const sealed: number[] = [];
    world.transport.always(OPS, async (request) => {
      sealed.push((await engine.status()).sealed);
      return world.backend.answer(request);
    });
    engine.start();
    await world.drain(engine);
    expect(sealed[0]).toBe(3);
  });

  test("X1 an answer that is lost repeats the request, with its keys, before anything behind it", async () => {
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"], {
      backoff: { baseMs: 10, maxDelayMs: 10 },
    });
    world.transport.next(OPS, (request) => {
      world.backend.answer(request);
      return answered(500, { error: { code: "INTERNAL_ERROR", message: "lost" } });
    });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["warm", "a", "b", "c", "d", "e", "f"]);
  });

  test("R2 what the origin asks for holds, though what was answered before could not be written down", async () => {
    let isFailing = false;
    const store = tappedStore(world.store, {
      commit: () => {
        if (isFailing) throw new SyncError("STORAGE_UNAVAILABLE", "the disk fails");
      },
    });
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"], { store });
    let seen = 0;
    const calm = world.transport.always(OPS, (request) => {
      seen += 1;
      // The answer to the first cannot be written; the second, under way by then, is asked to wait.
      isFailing = seen === 1;
      return seen === 2 ? refused(429, "RATE_LIMITED", undefined, { "retry-after": "60" })(request) : world.backend.answer(request);
    });
    engine.start();
    await world.advance(1000);
    isFailing = false;
    calm();
    await world.advance(50_000);
    expect(seen).toBe(2);
    expect(world.transport.to(OPS)).toHaveLength(3);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["warm", "a", "b", "c", "d", "e", "f"]);
  });

  test("L2 a holder that lost its lock while a request was under way sends nothing more", async () => {
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE e", "UPDATE f"]);
    const other = await world.engine({ autoStart: false });
    during(1, () => other.forceReleaseLock("test"));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["warm", "a", "b", "c", "d", "e", "f"]);
    const fences = world.transport.to(OPS).map(({ headers }) => headers["Sync-Fence"]);
    expect(new Set(fences).size).toBeGreaterThan(1);
  });
});
