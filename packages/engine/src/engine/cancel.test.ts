import type { OperationResult } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, failed, type Reply } from "../testing/scripted-transport.ts";
import { operationsIn, PlainRestBackend } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity } from "./definitions.ts";
import type { Operation } from "./operation.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
type Result = Omit<OperationResult, "key">;
const rejected: Result = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };
const conflict: Result = { status: 409, outcome: "conflict", error: { code: "CONFLICT", message: "no" } };
const once = (result: Result): void => {
  let isFirst = true;
  world.backend.judge = () => {
    const was = isFirst;
    isFirst = false;
    return was ? result : undefined;
  };
};
const cancel = (operation: Operation | undefined): Promise<boolean> => world.run(operation!.cancel("a change of mind"));
/** `a`, or `a!` when only its cancel marker was wanted. */
const sent = (): readonly string[] =>
  world.transport
    .to(OPS)
    .flatMap((request) => operationsIn(request).map(({ entity_id, cancelled }) => `${entity_id}${cancelled === true ? "!" : ""}`));

describe("certain: it was never sent", () => {
  test("Q1 what nobody has looked at is taken back, told at once, and never sent", async () => {
    const engine = await world.engine({ autoStart: false });
    const [first, second] = await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    const told: string[] = [];
    engine.on("cancelled", ({ operation }) => told.push(operation.operationId));
    expect(await cancel(first)).toBe(true);
    expect(await world.run(first!.settled)).toEqual({ verdict: "cancelled", code: "CANCELLED" });
    expect(told).toEqual([first!.id]);
    expect(await engine.status()).toMatchObject({ pending: 1, cancelled: 1, conserved: true });
    expect(await cancel(first)).toBe(false);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toEqual(["b"]);
    expect(await world.run(second!.settled)).toMatchObject({ verdict: "applied" });
    // Nothing is left of it but its receipt.
    expect([...world.disk.states.from(0)]).toEqual([]);
    expect([...world.disk.segments.from(0)]).toEqual([]);
  });

  test("Q7 a queue of which everything was cancelled leaves no rows behind once something is sent", async () => {
    const engine = await world.engine({ autoStart: false });
    for (let i = 0; i < 7; i++) expect(await cancel((await world.enqueue(engine, [`UPDATE d${i}`]))[0])).toBe(true);
    await world.enqueue(engine, ["UPDATE z"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toEqual(["z"]);
    expect([...world.disk.states.from(0)]).toEqual([]);
  });

  test("Q1 one that is blocked is taken back", async () => {
    const engine = await world.engine();
    once(rejected);
    const [, behind] = await world.enqueue(engine, ["CREATE a", "UPDATE a"]);
    // It was sent once, and skipped: its first key may still be under way, so it needs the server's marker.
    await world.drain(engine);
    expect(await behind!.status()).toMatchObject({ state: "blocked" });
    const [later] = await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(await later!.status()).toMatchObject({ state: "blocked" });
    expect(await cancel(later)).toBe(true);
    expect(await engine.status()).toMatchObject({ pending: 1, cancelled: 1, conserved: true });
  });

  test("Q1 a conflict is taken back, and frees its entity", async () => {
    const engine = await world.engine();
    once(conflict);
    const [first] = await world.enqueue(engine, ["UPDATE a", "UPDATE a"]);
    await world.drain(engine);
    expect(await cancel(first)).toBe(true);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ conflict: 0, cancelled: 1, succeeded: 1, conserved: true });
  });
});

describe("not certain: a copy may be under way", () => {
  test("X8 while it is being sent: it goes once more in its place, and the server's marker ends it", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, failed("timeout"));
    const [first] = await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.advance(100);
    expect(await cancel(first)).toBe(false);
    expect(await first!.status()).toMatchObject({ state: "sealed", settled: null });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(first!.settled)).toMatchObject({ verdict: "cancelled", code: "CANCELLED" });
    expect(sent()).toEqual(["a", "b", "a!", "b"]);
    expect(world.backend.appliedIds).toEqual(["b"]);
    expect(world.backend.applied[0]?.op_number).toBe(2);
    expect(await engine.status()).toMatchObject({ cancelled: 1, succeeded: 1, conserved: true });
  });

  test("X1 it had been applied, and only the answer was lost: it settles as applied", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, (request) => {
      world.backend.answer(request);
      return failed("reset");
    });
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    expect(await cancel(operation)).toBe(false);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "applied" });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("X8 it was opened again after a send: the new key carries the wish, and names the old one", async () => {
    const engine = await world.engine({ autoStart: false });
    const [, second] = await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    once(conflict);
    engine.start();
    await world.advance(7);
    await world.run(engine.stop());
    expect(await second!.status()).toMatchObject({ state: "pending" });
    expect(await cancel(second)).toBe(false);
    engine.start();
    await world.drain(engine);
    expect(await world.run(second!.settled)).toMatchObject({ verdict: "cancelled", code: "CANCELLED" });
    expect(sent()).toEqual(["a", "b", "b!"]);
    const [before, after] = world.transport.to(OPS).map((request) => operationsIn(request).at(-1));
    expect(after?.supersedes).toEqual([before?.key]);
  });

  test("X1 nobody could say what became of it: the marker ends it", async () => {
    const engine = await world.engine({ backoff: { maxAttempts: 1 } });
    world.backend.knownSince = "2100-01-01T00:00:00.000Z";
    world.transport.next(OPS, "silence");
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(await operation!.status()).toMatchObject({ state: "parked" });
    world.backend.ledger.clear();
    expect(await cancel(operation)).toBe(false);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toEqual(["a", "a!"]);
    expect(await operation!.status()).toMatchObject({ state: "cancelled", settled: { verdict: "cancelled" } });
    expect(await engine.status()).toMatchObject({ cancelled: 1, failed: 0, conserved: true });
  });

  test("X8 its tries are used up before the marker came: asked for by key, it ends as cancelled", async () => {
    const engine = await world.engine({ backoff: { maxAttempts: 2, baseMs: 10 } });
    const calm = world.transport.always(OPS, { kind: "answer", status: 500, headers: {}, body: "", elapsedMs: 0 });
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(8);
    expect(await cancel(operation)).toBe(false);
    expect(await world.drain(engine)).toEqual({ empty: true });
    calm();
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "cancelled", code: "CANCELLED" });
    expect(await engine.status()).toMatchObject({ cancelled: 1, failed: 0, conserved: true });
  });
});

describe("too late, or unknown", () => {
  test.each([
    ["failed", rejected],
    ["applied", undefined],
  ] as const)("Q6 %s", async (_title, result) => {
    const engine = await world.engine();
    if (result !== undefined) once(result);
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    const before = await operation!.status();
    expect(await cancel(operation)).toBe(false);
    expect(await operation!.status()).toEqual(before);
    if (result === undefined) return;
    await world.run(engine.failed.archive({ all: true }));
    expect(await cancel(operation)).toBe(false);
    expect(await engine.status()).toMatchObject({ archived: 1 });
  });

  test("Q8 an id that nobody knows", async () => {
    const engine = await world.engine();
    await expect(world.run(engine.cancel("019b76da-a800-7000-b43e-5c3023281661"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("where no marker can be had", () => {
  const device = defineEntity("device", { collection: "devices" });
  /** A plain backend that refuses the first write. */
  const plain = (): { readonly rest: PlainRestBackend; readonly backend: Reply } => {
    const rest = new PlainRestBackend();
    let isFirst = true;
    return {
      rest,
      backend: (request) => {
        const refuses = isFirst && request.method === "PATCH";
        if (refuses) isFirst = false;
        return refuses ? answered(422, { code: "VALIDATION_ERROR", message: "no" }) : rest.answer(request);
      },
    };
  };

  test.each([
    ["cancelled", {}],
    ["expired", { expiresAt: 5000 }],
  ] as const)("X8 what was definitely refused, tried again and then %s is not sent any more", async (kind, more) => {
    const { rest, backend } = plain();
    world = new TestWorld({ backend });
    rest.put("a", { name: "old" });
    const engine = await world.engine({ entities: [device] });
    const options = "expiresAt" in more ? { expiresAt: world.now + more.expiresAt } : {};
    const [operation] = await world.enqueue(engine, ["UPDATE a"], options);
    await world.drain(engine);
    expect(await operation!.status()).toMatchObject({ state: "failed" });
    await world.run(engine.pause("look"));
    await world.run(engine.failed.retry({ all: true }));
    if (kind === "cancelled") expect(await cancel(operation)).toBe(false);
    else await world.advance(6000);
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.writes).toEqual([]);
    expect(await operation!.status()).toMatchObject({ state: "cancelled", settled: { verdict: kind } });
    expect(await engine.status()).toMatchObject({ cancelled: 1, pending: 0, sealed: 0, conserved: true });
  });

  test("X8 one that is being sent is looked for, not sent again: applied, it settles so", async () => {
    const rest = new PlainRestBackend();
    world = new TestWorld({ backend: rest.answer });
    rest.put("a", { name: "old" });
    const engine = await world.engine({ entities: [device] });
    world.transport.next("/api/v1/devices/a", (request) => {
      rest.answer(request);
      return failed("timeout");
    });
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    expect(await cancel(operation)).toBe(false);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.writes).toEqual(["PATCH /api/v1/devices/a"]);
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "applied" });
  });

  test("X8 not found as it would be, nobody can say: a person decides", async () => {
    const rest = new PlainRestBackend();
    world = new TestWorld({ backend: rest.answer });
    rest.put("a", { name: "old" });
    const engine = await world.engine({ entities: [device] });
    world.transport.next("/api/v1/devices/a", failed("timeout"));
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    expect(await cancel(operation)).toBe(false);
    await world.drain(engine);
    expect(rest.writes).toEqual([]);
    expect(await operation!.status()).toMatchObject({ state: "parked", settled: { verdict: "failed", code: "OUTCOME_UNKNOWN" } });
  });
});
