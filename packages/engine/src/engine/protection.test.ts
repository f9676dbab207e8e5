import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, answeredHtml, failed, refused, type Reply } from "../testing/scripted-transport.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const HELLO = "/api/v1/sync/handshake";
const HOUR = 3_600_000;
const requestsAt = (path = OPS): readonly number[] => world.transport.to(path).map(({ at }) => at);
let calm = (): void => {};
const weather = (path: string, reply: Reply): void => {
  calm = world.transport.always(path, reply);
};

describe("what burns no attempt", () => {
  const environmental: readonly (readonly [string, Reply])[] = [
    ["offline", failed("offline")],
    ["no name", failed("dns_failed")],
    ["refused", failed("connection_refused")],
    ["unreachable", failed("unreachable")],
    ["a portal", answeredHtml(200)],
    ["a page of a deploy", answeredHtml(404)],
    ["a proxy that wants a login", answered(407, undefined)],
    ["a network that wants a login", answered(511, undefined)],
    ["a redirect elsewhere", { ...answered(302, undefined), crossOrigin: true } as Reply],
    ["429", refused(429, "RATE_LIMITED")],
    ["503 with Retry-After", refused(503, "SERVICE_UNAVAILABLE", undefined, { "retry-after": "30" })],
  ];

  test.each(environmental)("R3 %s: hours of it park nothing, fail nothing, and end in one delivery", async (_title, reply) => {
    const engine = await world.engine();
    weather(OPS, reply);
    const [operation] = await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(3 * HOUR);
    expect(await engine.status()).toMatchObject({ sealed: 1, failed: 0, conserved: true });
    expect(await operation!.status()).toMatchObject({ state: "sealed", attempts: 0, settled: null });
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["d1"]);
    const tries = world.transport.to(OPS).length;
    expect(tries).toBeGreaterThan(3);
    expect(new Set(world.transport.to(OPS).flatMap((request) => operationsIn(request).map(({ key }) => key))).size).toBe(1);
  });

  test("R3 an interface that is down is not even tried, and its return is noticed at once", async () => {
    const engine = await world.engine();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(HOUR);
    expect(world.transport.requests).toEqual([]);
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "offline", connection: "offline" });
    const seen: boolean[] = [];
    engine.on("connection", ({ online }) => seen.push(online));
    world.connectivity.turn(true);
    await world.advance(100);
    expect([world.backend.appliedIds, seen]).toEqual([["d1"], [true]]);
    await world.close();
    expect(world.connectivity.listeners).toBe(0);
  });

  test("R3 a hint that never comes costs half a minute, not a day", async () => {
    const engine = await world.engine();
    const { connectivity } = world;
    connectivity.turn(false);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(1000);
    connectivity.online = () => true;
    await world.advance(60_000);
    expect(world.backend.appliedIds).toEqual(["d1"]);
  });
});

describe("the breaker", () => {
  const broken = refused(500, "INTERNAL_ERROR");
  const policy = { baseMs: 100, maxDelayMs: 100, maxAttempts: 100 };

  test("R5 opens at ten failures within a minute, waits a minute, probes once; a failed probe opens it again", async () => {
    const engine = await world.engine({ backoff: policy });
    const states: string[] = [];
    engine.on("breaker", ({ state }) => states.push(state));
    weather(OPS, broken);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(30_000);
    expect(requestsAt()).toHaveLength(10);
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "breaker_open", breaker: { state: "open" } });
    await world.advance(60_000);
    expect(requestsAt()).toHaveLength(11);
    const opened = requestsAt()[9] ?? 0;
    expect((requestsAt()[10] ?? 0) - opened).toBeGreaterThanOrEqual(60_000);
    expect(states).toEqual(["open", "half_open", "open"]);
    await world.advance(120_000);
    expect(requestsAt()).toHaveLength(13);
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect((await engine.status()).breaker).toEqual({ state: "closed", cooldownRemainingMs: 0 });
    expect(states.at(-1)).toBe("closed");
  });

  test("R5 survives a restart: no request before the cooldown is over, then one probe, the handshake", async () => {
    const engine = await world.engine({ backoff: policy });
    weather(OPS, broken);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(10_000);
    await world.run(engine.close());
    calm();
    const before = world.transport.requests.length;
    const again = await world.engine({ backoff: policy });
    weather(HELLO, broken);
    await world.advance(40_000);
    expect(world.transport.requests).toHaveLength(before);
    expect(await again.status()).toMatchObject({ reason: "breaker_open" });
    await world.advance(70_000);
    expect(world.transport.requests).toHaveLength(before + 1);
    calm();
    expect(await world.drain(again)).toEqual({ empty: true });
  });

  test("R5 an operator can close it at once", async () => {
    const engine = await world.engine({ backoff: policy });
    weather(OPS, broken);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(10_000);
    calm();
    await world.run(engine.resetBreaker());
    await world.advance(1000);
    expect(world.backend.appliedIds).toEqual(["d1"]);
  });

  test.each([
    ["429", refused(429, "RATE_LIMITED")],
    ["being offline", failed("offline")],
    ["4xx", refused(409, "CONCURRENT_REQUEST")],
  ] as const)("R5 does not count %s", async (title, reply) => {
    const engine = await world.engine({ backoff: policy });
    weather(OPS, reply);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(60_000);
    expect(requestsAt().length).toBeGreaterThan(20);
    // One that runs already is asked for every two seconds, however short the app's own backoff is.
    expect(requestsAt().length).toBeLessThan(title === "4xx" ? 40 : 1000);
    expect((await engine.status()).breaker.state).toBe("closed");
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });
});

describe("the brake", () => {
  const refuseAll = (): void => {
    world.backend.judge = () => ({ status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } });
  };
  const eight = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `UPDATE d${n}` as const);

  test.each([1, 3, 50])(
    "R3 five operations refused in a row pause, %i in a request: a bad deploy must not burn the queue",
    async (maxOperations) => {
      const engine = await world.engine({ autoStart: false, batch: { maxOperations } });
      refuseAll();
      await world.enqueue(engine, eight);
      engine.start();
      expect(await world.drain(engine)).toEqual({ empty: false, reason: "mass_rejection" });
      expect(await engine.status()).toMatchObject({ failed: 5, pending: 3, conserved: true });
      world.backend.judge = () => undefined;
      await world.run(engine.resume());
      expect(await world.drain(engine)).toEqual({ empty: true });
      expect(world.backend.appliedIds).toEqual(["d6", "d7", "d8"]);
    },
  );

  test("R3 after a restart one operation is tried: refused too, it pauses again; accepted, all go on", async () => {
    const first = await world.engine();
    refuseAll();
    await world.enqueue(first, eight);
    await world.drain(first);
    await world.run(first.close());
    const second = await world.engine();
    expect(await world.drain(second)).toEqual({ empty: false, reason: "mass_rejection" });
    expect(await second.status()).toMatchObject({ failed: 6, pending: 2, conserved: true });
    await world.run(second.close());
    world.backend.judge = () => undefined;
    const third = await world.engine();
    expect(await world.drain(third)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["d7", "d8"]);
  });

  test("R3 once one has succeeded, requests are full", async () => {
    const engine = await world.engine({ autoStart: false });
    await world.enqueue(
      engine,
      Array.from({ length: 30 }, (_, n) => `UPDATE d${n}` as const),
    );
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.transport.to(OPS).map(({ json }) => (json as { payload: { operations: unknown[] } }).payload.operations.length)).toEqual([
      5, 25,
    ]);
  });

  test("R3 a success in between releases it", async () => {
    const engine = await world.engine({ batch: { maxOperations: 1 } });
    world.backend.judge = ({ entity_id }) =>
      entity_id === "d5" ? undefined : { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };
    await world.enqueue(
      engine,
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `UPDATE d${n}`),
    );
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ failed: 8, succeeded: 1 });
  });
});

describe("a connection that cannot be trusted", () => {
  test.each([
    ["tls_failed", OPS, "tls_failed"],
    ["pin_mismatch", OPS, "pin_mismatch"],
    ["tls_failed", HELLO, "tls_failed"],
  ] as const)("A4 %s at %s: one retry, then a pause with a security event", async (failure, path, reason) => {
    const engine = await world.engine();
    const codes: string[] = [];
    engine.on("security", ({ code }) => codes.push(code));
    world.transport.next(path, failed(failure), failed(failure));
    await world.enqueue(engine, ["CREATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason });
    expect([requestsAt(path).length, codes]).toEqual([2, [reason.toUpperCase()]]);
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("A4 a single failure is retried", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, failed("tls_failed"));
    await world.enqueue(engine, ["CREATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("R3 a browser that may have been refused by CORS pauses", async () => {
    const engine = await world.engine();
    world.transport.next("/api/v1/sync/handshake", failed("cors_suspected"));
    await world.enqueue(engine, ["CREATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "cors_suspected" });
  });
  test("R3 one whose backend ever answered a handshake was not refused: it goes on by itself", async () => {
    const first = await world.engine();
    await world.enqueue(first, ["CREATE d1"]);
    await world.drain(first);
    await world.run(first.close());
    const second = await world.engine();
    world.transport.next("/api/v1/sync/handshake", failed("cors_suspected"), failed("cors_suspected"));
    world.transport.next(OPS, failed("cors_suspected"));
    await world.enqueue(second, ["CREATE d2"]);
    expect(await world.drain(second)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["d1", "d2"]);
  });
});

test("R6 requests, not operations, are limited", async () => {
  const engine = await world.engine({ batch: { maxOperations: 1 }, rateLimit: { requestsPerSecond: 2, burst: 3 } });
  await world.enqueue(
    engine,
    [1, 2, 3, 4, 5, 6, 7].map((n) => `CREATE d${n}`),
  );
  expect(await world.drain(engine)).toEqual({ empty: true });
  const [first = 0, ...rest] = requestsAt();
  expect(rest.map((at) => Math.round((at - first) / 100) / 10)).toEqual([0, 0, 0.5, 1, 1.5, 2]);
});
