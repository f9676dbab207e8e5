import type { OperationResult, WireOperation } from "@guardian-sync/protocol";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failed, refused, type Reply } from "../testing/scripted-transport.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
type Result = Omit<OperationResult, "key">;
const conflict: Result = { status: 409, outcome: "conflict", error: { code: "CONFLICT", message: "somebody else wrote" } };
const rejected: Result = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };
const busy: Result = { status: 503, outcome: "retry", error: { code: "SERVICE_UNAVAILABLE", message: "busy" } };
/** These results for the next operations of an entity, one each; then they are applied. */
const script = (results: Readonly<Record<string, readonly Result[]>>): void => {
  const left = new Map(Object.entries(results).map(([id, all]) => [id, [...all]]));
  world.backend.judge = ({ entity_id }) => left.get(entity_id)?.shift();
};
const sent = (): readonly (readonly WireOperation[])[] => world.transport.to(OPS).map(operationsIn);
const numbers = (): readonly (readonly string[])[] =>
  sent().map((operations) => operations.map(({ entity_id, op_number }) => `${entity_id}:${op_number}`));
const blocked = async (): Promise<readonly (readonly [number, number])[]> =>
  [...world.disk.states.from(0)].filter(({ phase }) => phase === "blocked").map(({ seq, blockedBy }) => [seq, blockedBy] as const);

describe("numbers", () => {
  test("Q2 a conflict consumes none: what was skipped behind it takes its number, under a new key that names the old one", async () => {
    const engine = await world.engine();
    script({ b: [conflict] });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b", "UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(numbers()).toEqual([["a:1", "b:2", "c:3"], ["c:2"]]);
    const [first, second] = sent();
    expect(second?.[0]?.key).not.toBe(first?.[2]?.key);
    expect(second?.[0]?.supersedes).toEqual([first?.[2]?.key]);
    expect(await engine.status()).toMatchObject({ conflict: 1, succeeded: 2, conserved: true });
  });

  test("Q2 a refusal consumes one", async () => {
    const engine = await world.engine();
    script({ a: [rejected] });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b", "UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    await world.enqueue(engine, ["UPDATE d"]);
    await world.drain(engine);
    expect(numbers()).toEqual([["a:1", "b:2", "c:3"], ["d:4"]]);
  });

  test("Q2 behind a refusal the skipped ones of its entity go next, in order, before what came after them", async () => {
    const engine = await world.engine();
    script({ a: [rejected] });
    await world.enqueue(engine, ["UPDATE a", "UPDATE a", "UPDATE b", "UPDATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(numbers()).toEqual([
      ["a:1", "a:2", "b:3", "a:4"],
      ["a:2", "b:3", "a:4"],
    ]);
    expect(world.backend.appliedIds).toEqual(["a", "b", "a"]);
  });

  test("X8 behind one that is stuck, keys and numbers stay as they are", async () => {
    const engine = await world.engine();
    script({ b: [busy] });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b", "UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(numbers()).toEqual([["a:1", "b:2", "c:3"], ["b:2"], ["c:3"]]);
    const keys = sent().map((operations) => operations.map(({ key }) => key));
    expect(keys[1]).toEqual([keys[0]?.[1]]);
    expect(keys[2]).toEqual([keys[0]?.[2]]);
  });

  test("Q2 a conflict in half of what is sealed does not let the other half overtake what it skipped", async () => {
    const engine = await world.engine();
    script({ a: [conflict] });
    world.transport.next(OPS, failed("timeout"));
    await world.enqueue(engine, ["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(numbers()[1]).toEqual(["a:1", "b:2"]);
    expect(world.backend.appliedIds).toEqual(["b", "c", "d"]);
  });

  test("X1 the server counts otherwise: a new client id, numbers from 1, the same keys, a notice", async () => {
    const engine = await world.engine();
    const notices: string[] = [];
    engine.on("notice", ({ code }) => notices.push(code));
    world.transport.next(OPS, refused(409, "OUT_OF_ORDER", { expected: 7 }));
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    const [first, second] = world.transport.to(OPS);
    expect(second?.headers["X-Device-Id"]).not.toBe(first?.headers["X-Device-Id"]);
    expect(sent()[1]).toEqual(sent()[0]);
    expect(notices).toEqual(["NEW_CLIENT_ID"]);
  });

  test("L2 a fork that the server sees while the lock is held: a new client id", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, refused(409, "CLIENT_FORKED"));
    await world.enqueue(engine, ["UPDATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    const [first, second] = world.transport.to(OPS);
    expect(second?.headers["X-Device-Id"]).not.toBe(first?.headers["X-Device-Id"]);
    expect(world.backend.appliedIds).toEqual(["a"]);
  });
});

describe("what holds an entity back", () => {
  test.each([
    ["a rejected CREATE", "CREATE", rejected, { failed: 1 }],
    ["a conflict", "UPDATE", conflict, { conflict: 1 }],
  ] as const)("Q2 %s: later operations of its entity wait, visibly; others go on", async (_title, type, result, counts) => {
    const engine = await world.engine();
    script({ a: [result] });
    await world.enqueue(engine, [`${type} a`, "UPDATE a", "UPDATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    await world.enqueue(engine, ["DELETE a", "UPDATE c"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.appliedIds).toEqual(["b", "c"]);
    expect(await blocked()).toEqual([
      [2, 1],
      [4, 1],
    ]);
    expect(await engine.status()).toMatchObject({ ...counts, pending: 2, conserved: true, lock: null });
  });

  test.each(["UPDATE", "DELETE"])("Q2 a rejected %s holds nothing", async (type) => {
    const engine = await world.engine();
    script({ a: [rejected] });
    await world.enqueue(engine, [`${type} a`, `${type} a`]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("Q6 what a server says and a user wrote is kept with a failed operation, redacted where it is told", async () => {
    const engine = await world.engine();
    const error = { code: "VALIDATION_ERROR", message: "eve@example.com is taken", details: { field: "mail" } };
    world.backend.judge = () => ({ status: 422, outcome: "rejected", error });
    const [operation] = await world.enqueue(engine, ["CREATE a"]);
    await world.drain(engine);
    const [kept] = await engine.failed.list();
    expect(kept).toMatchObject({ state: "failed", code: "VALIDATION_ERROR", attempts: 0, payload: { name: expect.any(String) } });
    expect(kept?.lastError).toMatch(/^VALIDATION_ERROR 422 /);
    expect(kept?.lastError).not.toContain("eve@example.com");
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "rejected", code: "VALIDATION_ERROR", status: 422 });
  });
});

describe("any luck", () => {
  const answers = fc.constantFrom<Result | undefined>(undefined, undefined, undefined, conflict, rejected, busy);
  const weather = fc.constantFrom<"fine" | "before" | "after" | "gateway">("fine", "fine", "fine", "before", "after", "gateway");

  test("Q2 X1 effects come in order, once, with numbers that the server expects, whatever is refused, skipped, stuck or lost", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 12 }),
        fc.array(answers, { maxLength: 12 }),
        fc.array(weather, { maxLength: 12 }),
        fc.integer({ min: 1, max: 6 }),
        async (ids, judged, forecast, maxOperations) => {
          world = new TestWorld();
          const engine = await world.engine({ autoStart: false, batch: { maxOperations } });
          const notices: string[] = [];
          engine.on("notice", ({ code }) => notices.push(code));
          const left = [...judged];
          world.backend.judge = () => left.shift();
          const replies: readonly Reply[] = forecast.map((kind) => {
            if (kind === "fine") return world.backend.answer;
            if (kind === "before") return failed("reset");
            return (request) => {
              world.backend.answer(request);
              return kind === "after" ? failed("timeout") : refused(502, "INTERNAL_ERROR")(request);
            };
          });
          world.transport.next(OPS, ...replies);
          const operations = await world.enqueue(
            engine,
            ids.map((id) => `UPDATE ${id}`),
          );
          engine.start();
          for (let i = 0; i < 5; i++) {
            const { reason } = await world.drain(engine);
            if (reason === "mass_rejection") await world.run(engine.resume());
          }
          expect(notices).toEqual([]);
          const status = await engine.status();
          expect(status).toMatchObject({ conserved: true, sealed: 0 });
          const seqOf = new Map(operations.map(({ id }, index) => [id as string, index]));
          const order = world.backend.applied.map(({ operation_id }) => seqOf.get(operation_id) ?? -1);
          expect(new Set(order).size).toBe(order.length);
          expect(order).toEqual(order.toSorted((x, y) => x - y));
          expect(status.succeeded).toBe(order.length);
          await world.close();
        },
      ),
      { numRuns: 150 },
    );
  });
});
