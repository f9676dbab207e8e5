import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";

describe("the base", () => {
  const bases = (): readonly unknown[] => world.backend.applied.map(({ entity_id, base }) => [entity_id, base]);

  test("B2 inside a request names the operation before it; after own results, their version", async () => {
    const engine = await world.engine({ autoStart: false });
    world.backend.versions.set("a", 7);
    await world.enqueue(engine, ["UPDATE a", "UPDATE a", "UPDATE b", "UPDATE a"], { baseVersion: 7 });
    world.backend.versions.set("b", 7);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    const keys = operationsIn(world.transport.to(OPS)[0]!).map(({ key }) => key);
    expect(bases()).toEqual([
      ["a", { version: 7 }],
      ["a", { after: keys[0] }],
      ["b", { version: 7 }],
      ["a", { after: keys[1] }],
    ]);
    // Written against version 7, which only own operations have replaced since.
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 8 });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied.at(-1)?.base).toEqual({ version: 10 });
    expect(await engine.status()).toMatchObject({ conflict: 0, succeeded: 5 });
  });

  test("B2 is not lifted over a version that somebody else wrote", async () => {
    const engine = await world.engine();
    world.backend.versions.set("a", 7);
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 7 });
    await world.drain(engine);
    world.backend.versions.set("a", 20);
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 7 });
    await world.drain(engine);
    expect(operationsIn(world.transport.to(OPS)[1]!)[0]?.base).toEqual({ version: 8 });
    expect(await engine.status()).toMatchObject({ conflict: 1 });
    await world.run(engine.failed.discard({ all: true }));
    world.backend.versions.set("a", 21);
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 21 });
    await world.drain(engine);
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 7 });
    await world.drain(engine);
    expect(operationsIn(world.transport.to(OPS)[3]!)[0]?.base).toEqual({ version: 7 });
  });
});

test("B2 a result that changed nothing does not break the chain of own versions", async () => {
  const engine = await world.engine();
  world.backend.versions.set("a", 7);
  await world.enqueue(engine, ["UPDATE a"], { baseVersion: 7 });
  await world.drain(engine);
  world.backend.judge = () => ({ status: 200, outcome: "noop", version: 8 });
  await world.enqueue(engine, ["UPDATE a"], { baseVersion: 8 });
  await world.drain(engine);
  world.backend.judge = () => undefined;
  await world.enqueue(engine, ["UPDATE a"], { baseVersion: 7 });
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(world.backend.applied.at(-1)?.base).toEqual({ version: 8 });
});
