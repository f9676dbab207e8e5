import { afterEach, beforeEach, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import { failed } from "../testing/scripted-transport.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

test("L1 who got the lease while a rival just tried the fast lock gets it a moment later, so that its death is noticed at once", async () => {
  const engine = await world.engine();
  // The origin is away: there is work, and so the lock is held.
  world.transport.always("/api/v1/sync/handshake", failed("offline"));
  const rival = {};
  world.disk.fastLockHolder = rival;
  await world.enqueue(engine, ["CREATE d1"]);
  await world.advance(5);
  expect(world.disk.lock).toMatchObject({ released: false, holdsFastLock: false });
  world.disk.fastLockHolder = undefined;
  await world.advance(20);
  expect(world.disk.lock).toMatchObject({ released: false, holdsFastLock: true });
});

test("L1 beside a frozen holder of the fast lock it asks ever more rarely", async () => {
  const engine = await world.engine();
  world.transport.always("/api/v1/sync/handshake", failed("offline"));
  const frozen = {};
  world.disk.fastLockHolder = frozen;
  await world.enqueue(engine, ["CREATE d1"]);
  await world.advance(100_000);
  // 20 ms, doubled to ten seconds, then a heartbeat each ten seconds.
  expect(world.disk.lock?.beats).toBeLessThan(25);
  expect(world.disk.lock).toMatchObject({ released: false, holdsFastLock: false });
  world.disk.fastLockHolder = undefined;
  await world.advance(10_000);
  expect(world.disk.lock).toMatchObject({ holdsFastLock: true });
});
