import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refused, type Reply } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const HELLO = "/api/v1/sync/handshake";
const DAY = 86_400_000;
const requestsAt = (): readonly number[] => world.transport.to(OPS).map(({ at }) => at);

describe("Retry-After", () => {
  const later = refused(429, "RATE_LIMITED", undefined, { "retry-after": "600" });
  const asked = async (reply: Reply = later): Promise<SyncEngine> => {
    const engine = await world.engine();
    world.transport.next(OPS, reply);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(1000);
    return engine;
  };
  const gap = (): number => (requestsAt()[1] ?? Number.NaN) - (requestsAt()[0] ?? 0);

  test("R2 is honoured: never earlier, and at most 5 s later", async () => {
    const engine = await asked();
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "retry_after" });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(gap()).toBeGreaterThanOrEqual(600_000);
    expect(gap()).toBeLessThanOrEqual(606_000);
  });

  test("R2 nothing shortens it: not going online, not new work, not a tap on `resume`, not a new token", async () => {
    const engine = await asked();
    for (let minute = 0; minute < 9; minute++) {
      world.connectivity.turn(false);
      world.connectivity.turn(true);
      await world.enqueue(engine, [`CREATE e${minute}`]);
      await world.run(engine.resume());
      await world.run(engine.auth.refresh());
      await world.advance(60_000);
    }
    expect(requestsAt()).toHaveLength(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(gap()).toBeGreaterThanOrEqual(600_000);
  });

  test("R2 a restart does not shorten it", async () => {
    const engine = await asked();
    await world.run(engine.close());
    const again = await world.engine();
    await world.enqueue(again, ["CREATE d2"]);
    await world.advance(590_000);
    expect(world.transport.requests.filter(({ at }) => at > (requestsAt()[0] ?? 0))).toEqual([]);
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(gap()).toBeGreaterThanOrEqual(600_000);
  });

  test("R2 another account on the same device does not shorten it: it is the origin that asked", async () => {
    const engine = await asked();
    world.session = { account: { space: "home", principal: "bob" }, token: "bob-1" };
    world.backend.account = world.session.account;
    await world.run(engine.auth.refresh());
    const before = world.transport.requests.length;
    await world.enqueue(engine, ["CREATE b1"]);
    await world.advance(500_000);
    expect(world.transport.requests).toHaveLength(before);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["b1"]);
  });

  test("R2 it holds handshakes and questions as well", async () => {
    const engine = await world.engine();
    world.transport.next(HELLO, later);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(590_000);
    expect(world.transport.requests).toHaveLength(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("R2 an HTTP date is read against the answer's own clock", async () => {
    const date = (ms: number): string => new Date(ms).toUTCString();
    const engine = await asked((request) =>
      refused(503, "SERVICE_UNAVAILABLE", undefined, { date: date(0), "retry-after": date(300_000) })(request),
    );
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(gap()).toBeGreaterThanOrEqual(300_000);
    expect(gap()).toBeLessThanOrEqual(306_000);
  });

  test.each(["-5", "soon", "1e9", ""])("R2 an absurd value (%j) is ignored: the backoff counts", async (value) => {
    const engine = await asked(refused(429, "RATE_LIMITED", undefined, { "retry-after": value }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(gap()).toBeLessThanOrEqual(2000);
  });

  test("R2 it ends after a day at the latest", async () => {
    const engine = await asked(refused(429, "RATE_LIMITED", undefined, { "retry-after": "86400" }));
    expect(await world.drain(engine, 2 * DAY)).toEqual({ empty: true });
    expect(gap()).toBeGreaterThanOrEqual(DAY);
    expect(gap()).toBeLessThanOrEqual(DAY + 6000);
  });
});
