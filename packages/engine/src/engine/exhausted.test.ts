import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failed, refused, type Reply } from "../testing/scripted-transport.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const CHANGES = "/api/v1/sync/changes";
const isQuestion = ({ path }: { path: string }): boolean => path.startsWith(`${OPS}/`);
const broken = refused(500, "INTERNAL_ERROR");
const fast = { backoff: { baseMs: 10, maxDelayMs: 10 } };
/** How many operations each request had. */
const sizes = (): readonly number[] => world.transport.to(OPS).map((request) => operationsIn(request).length);
const questions = (): readonly string[] =>
  world.transport.to(isQuestion).map(({ method, path }) => `${method} ${path.replace(/[0-9a-f-]{36}/, "key")}`);
const KEY_PATH = `${OPS}/key`;
/** Refuses the named entity, alone or in company; all other requests are answered. */
const poison = (entityId: string, reply: Reply = broken): void => {
  world.transport.always((request) => request.path === OPS && operationsIn(request).some(({ entity_id }) => entity_id === entityId), reply);
};
const enqueueEight = (engine: SyncEngine): ReturnType<TestWorld["enqueue"]> =>
  world.enqueue(
    engine,
    [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `UPDATE d${n}`),
  );

describe("a batch that fails as a whole", () => {
  test("X7 is charged to nobody, and halved until one is alone; that one is charged, and the others go on", async () => {
    const engine = await world.engine(fast);
    poison("d3");
    const operations = await enqueueEight(engine);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sizes().slice(0, 3)).toEqual([5, 2, 3]);
    expect(world.backend.appliedIds).toEqual(["d1", "d2", "d4", "d5", "d6", "d7", "d8"]);
    const alone = world.transport
      .to(OPS)
      .filter((request) => operationsIn(request).length === 1 && operationsIn(request)[0]?.entity_id === "d3");
    expect(alone.map((request) => Object.values((request.json as { meta: { attempts: object } }).meta.attempts)[0])).toEqual([
      1, 2, 3, 4, 5,
    ]);
    expect(await world.run(operations[2]!.settled)).toMatchObject({ verdict: "failed", code: "RETRIES_EXHAUSTED" });
    expect(questions()).toEqual([`POST ${KEY_PATH}/cancel`]);
    expect(await engine.failed.list()).toMatchObject([{ entityId: "d3", attempts: 5, code: "RETRIES_EXHAUSTED" }]);
    expect(await engine.status()).toMatchObject({ failed: 1, succeeded: 7, conserved: true });
  });

  test("X7 grows again with success", async () => {
    const engine = await world.engine({ ...fast, autoStart: false, batch: { maxOperations: 8 } });
    world.transport.next(OPS, broken, broken, broken);
    await enqueueEight(engine);
    await world.enqueue(engine, ["UPDATE e1", "UPDATE e2", "UPDATE e3", "UPDATE e4", "UPDATE e5", "UPDATE e6", "UPDATE e7", "UPDATE e8"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sizes()).toEqual([5, 2, 1, 1, 2, 2, 8, 3]);
  });

  test("X7 silence halves, too: what made the server silent may be one of them", async () => {
    const engine = await world.engine(fast);
    poison("d1", "silence");
    await enqueueEight(engine);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sizes().slice(0, 4)).toEqual([5, 2, 1, 1]);
    expect(await engine.status()).toMatchObject({ failed: 1, succeeded: 7 });
  });

  test("Q2 what was sealed with one that is then held waits behind it, though its bytes were fixed already", async () => {
    const engine = await world.engine({ ...fast, autoStart: false });
    world.transport.next(OPS, broken);
    world.backend.judge = ({ entity_id }) =>
      entity_id === "a" ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } : undefined;
    await world.enqueue(engine, ["CREATE a", "UPDATE b", "UPDATE c", "UPDATE d", "UPDATE a"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(
      world.transport.to(OPS).flatMap((request, index) => (index === 0 ? [] : operationsIn(request).map(({ entity_id }) => entity_id))),
    ).toEqual(["a", "b", "c", "d"]);
    expect(await engine.status()).toMatchObject({ failed: 1, succeeded: 3, pending: 1, conserved: true });
  });

  test("X7 one that is too large for the server is found, and alone refused", async () => {
    const engine = await world.engine(fast);
    poison("d2", refused(413, "PAYLOAD_TOO_LARGE"));
    await enqueueEight(engine);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.failed.list()).toMatchObject([{ entityId: "d2", code: "PAYLOAD_TOO_LARGE", attempts: 0 }]);
    expect(await engine.status()).toMatchObject({ failed: 1, succeeded: 7 });
  });
});

describe("silence about one that was alone", () => {
  test("R3 is charged when the origin answers something harmless", async () => {
    const engine = await world.engine(fast);
    poison("d1", "silence");
    const [operation] = await world.enqueue(engine, ["UPDATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sizes()).toEqual([1, 1, 1, 1, 1]);
    expect(world.transport.to(CHANGES)).toHaveLength(5);
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "failed", code: "RETRIES_EXHAUSTED" });
  });

  test.each([
    ["nothing answers", failed("timeout")],
    ["all of it fails", refused(500, "INTERNAL_ERROR")],
  ] as const)("R3 is not charged while %s", async (_title, reply) => {
    const engine = await world.engine(fast);
    poison("d1", failed("reset"));
    const calm = world.transport.always(CHANGES, reply);
    const [operation] = await world.enqueue(engine, ["UPDATE d1"]);
    await world.advance(3_600_000);
    expect(sizes().length).toBeGreaterThan(10);
    expect(await operation!.status()).toMatchObject({ state: "sealed", attempts: 0 });
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await operation!.status()).toMatchObject({ state: "failed" });
  });
});

describe("the definite end", () => {
  const exhausted = async (options: object = {}): Promise<{ engine: SyncEngine; id: string }> => {
    const engine = await world.engine({ ...fast, ...options });
    const [operation] = await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    return { engine, id: operation?.id ?? "" };
  };

  test("X8 it had been applied after all: success, and its number counts", async () => {
    poison("a", (request) => {
      world.backend.answer(request);
      return broken(request);
    });
    const { engine, id } = await exhausted();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await (await engine.operation(id))?.status()).toMatchObject({ state: "applied", settled: { verdict: "applied", version: 1 } });
    expect(world.backend.applied.map(({ entity_id, op_number }) => [entity_id, op_number])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    expect(new Set(world.transport.to(OPS).map(({ headers }) => headers["X-Device-Id"])).size).toBe(1);
  });

  test("X8 nobody answers the question: it stays where it is, sealed, and the engine says why", async () => {
    poison("a");
    const calm = world.transport.always(isQuestion, failed("connection_refused"));
    const { engine, id } = await exhausted();
    await world.advance(30_000);
    expect(await engine.status()).toMatchObject({ state: "waiting", sealed: 2, failed: 0 });
    expect(["origin_failing", "breaker_open"]).toContain((await engine.status()).reason);
    const operation = await engine.operation(id);
    expect(await operation?.status()).toMatchObject({ state: "sealed", attempts: 5 });
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await operation?.status()).toMatchObject({ state: "failed", settled: { code: "RETRIES_EXHAUSTED" } });
    expect(world.backend.appliedIds).toEqual(["b"]);
  });

  test("X8 the reason is `origin_failing` while it waits", async () => {
    poison("a");
    world.transport.always(isQuestion, failed("connection_refused"));
    const { engine } = await exhausted({
      breaker: { failureThreshold: 1000 },
      backoff: { baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 2 },
    });
    await world.advance(60_000);
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "origin_failing" });
    expect(await world.drain(engine, 1000)).toEqual({ empty: false, reason: "origin_failing" });
  });

  test("X8 the ledger no longer reaches so far back: nobody can say, a person decides", async () => {
    world.backend.knownSince = "2100-01-01T00:00:00.000Z";
    poison("a");
    const { engine, id } = await exhausted();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await (await engine.operation(id))?.status()).toMatchObject({
      state: "parked",
      settled: { verdict: "failed", code: "OUTCOME_UNKNOWN" },
    });
    await world.enqueue(engine, ["UPDATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
  });

  describe("of a backend that cannot cancel keys", () => {
    test.each([
      ["unknown", undefined, "parked", "OUTCOME_UNKNOWN"],
      ["rejected", { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } }, "failed", "VALIDATION_ERROR"],
      ["applied", { status: 200, outcome: "applied", version: 3 }, "applied", undefined],
      ["applied without change", { status: 200, outcome: "noop", version: 3 }, "applied", undefined],
    ] as const)("X8 the ledger says %s", async (_title, result, state, code) => {
      world.backend.offers = { cancel: false };
      poison("a", (request) => {
        for (const { key, entity_id } of operationsIn(request)) {
          if (entity_id === "a" && result !== undefined) world.backend.ledger.set(key, { ...result, key });
        }
        return broken(request);
      });
      const { engine, id } = await exhausted();
      await world.drain(engine);
      expect(questions()).toEqual([`GET ${KEY_PATH}`]);
      const status = await (await engine.operation(id))?.status();
      expect([status?.state, status?.settled?.code]).toEqual([state, code]);
      expect(world.backend.appliedIds).toEqual(["b"]);
    });
  });
});

describe("before a doubtful failure the key is asked for", () => {
  const afterSilence = async (reply: Reply): Promise<SyncEngine> => {
    const engine = await world.engine(fast);
    world.transport.next(OPS, failed("reset"), reply);
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    return engine;
  };

  test("X8 a refusal of the whole request after an earlier send: not applied, so it is final", async () => {
    const engine = await afterSilence(refused(403, "FORBIDDEN"));
    expect(questions()).toEqual([`POST ${KEY_PATH}/cancel`]);
    expect(await engine.failed.list()).toMatchObject([{ state: "failed", code: "FORBIDDEN" }]);
  });

  test("X8 it had been applied: the refusal says nothing about it", async () => {
    const engine = await world.engine(fast);
    world.transport.next(
      OPS,
      (request) => {
        world.backend.answer(request);
        return failed("reset");
      },
      refused(403, "FORBIDDEN"),
    );
    await world.enqueue(engine, ["UPDATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ succeeded: 1, failed: 0 });
  });

  test("X8 without an earlier send nothing is asked", async () => {
    const engine = await world.engine(fast);
    world.transport.next(OPS, refused(403, "FORBIDDEN"));
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(questions()).toEqual([]);
    expect(await engine.status()).toMatchObject({ failed: 1 });
  });

  test("X8 what was first sent longer ago than the ledger remembers is asked for, and never sent again blindly", async () => {
    world.backend.offers = { idempotency: { honoured: true, replay_window_s: 60, key_window_s: 3600 } };
    const engine = await world.engine(fast);
    world.transport.next(OPS, failed("reset"));
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(8);
    await world.run(engine.stop());
    await world.advance(2 * 3_600_000);
    world.backend.knownSince = new Date(world.now - 3_600_000).toISOString();
    engine.start();
    await world.drain(engine);
    expect(questions()).toEqual([`GET ${KEY_PATH}`]);
    expect(sizes()).toEqual([1]);
    expect(await engine.failed.list()).toMatchObject([{ state: "parked", code: "OUTCOME_UNKNOWN" }]);
  });
});

test("R3 a clock that is off is corrected once, at once, under the same key; refused again, it backs off", async () => {
  const engine = await world.engine();
  const skewed = (request: Parameters<typeof broken>[0]): ReturnType<typeof broken> =>
    refused(400, "CLOCK_SKEW", undefined, { date: new Date(world.now + 600_000).toUTCString() })(request);
  world.transport.next(OPS, skewed, skewed);
  await world.enqueue(engine, ["UPDATE a"]);
  expect(await world.drain(engine)).toEqual({ empty: true });
  const [first, second, third] = world.transport.to(OPS);
  const stamp = (request: typeof first): number => Date.parse((request!.json as { meta: { timestamp: string } }).meta.timestamp);
  expect(stamp(second) - stamp(first)).toBeGreaterThan(599_000);
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeLessThan(100);
  expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThanOrEqual(500);
  expect(new Set([first, second, third].map((request) => operationsIn(request!)[0]?.key)).size).toBe(1);
});
