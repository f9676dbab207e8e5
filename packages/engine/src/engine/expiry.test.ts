import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";

const OPS = "/api/v1/sync/ops";
let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

describe("Q1 an operation that its app gave a last moment", () => {
  test("expires also while the app was not running, counts as cancelled, and leaves a receipt", async () => {
    const engine = await world.engine({ autoStart: false });
    const [operation] = await world.enqueue(engine, ["UPDATE a"], { expiresAt: world.now + 1000 });
    await world.enqueue(engine, ["UPDATE a"]);
    await world.run(engine.close());
    await world.advance(5000);
    const again = await world.engine();
    const told: string[] = [];
    again.on("cancelled", ({ operation: { operationId } }) => told.push(operationId));
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
    expect(told).toEqual([operation?.id]);
    expect(await again.status()).toMatchObject({ cancelled: 1, succeeded: 1, conserved: true });
    await world.run(again.close());
    const third = await world.engine();
    const handle = await third.operation(operation?.id ?? "");
    expect(await world.run(handle?.settled as Promise<unknown>)).toMatchObject({ verdict: "expired", code: "EXPIRED" });
  });

  test("X8 never once it is sealed: not across a restart, and not when its clock was set on", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, "silence");
    const [operation] = await world.enqueue(engine, ["UPDATE a"], { expiresAt: world.now + 1000 });
    await world.advance(100);
    expect(await engine.status()).toMatchObject({ sealed: 1 });
    await world.run(engine.close());
    await world.advance(86_400_000);
    const again = await world.engine();
    expect(await world.drain(again)).toEqual({ empty: true });
    const handle = await again.operation(operation?.id ?? "");
    expect(await handle?.status()).toMatchObject({ settled: { verdict: "applied" } });
    expect(await again.status()).toMatchObject({ succeeded: 1, cancelled: 0, conserved: true });
  });

  test("offline it waits, and expires when it could go; one behind it goes", async () => {
    const engine = await world.engine();
    world.connectivity.turn(false);
    const [operation] = await world.enqueue(engine, ["UPDATE a"], { expiresAt: world.now + 60_000 });
    await world.enqueue(engine, ["UPDATE b"]);
    await world.advance(3_600_000);
    expect(await engine.status()).toMatchObject({ pending: 2 });
    world.connectivity.turn(true);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(operation?.settled as Promise<unknown>)).toMatchObject({ verdict: "expired" });
    expect(world.backend.appliedIds).toEqual(["b"]);
  });
});
