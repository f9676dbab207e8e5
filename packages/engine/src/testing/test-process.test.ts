import { afterEach, describe, expect, test } from "vitest";
import { defineEntity } from "../engine/definitions.ts";
import { TestWorld } from "./test-world.ts";

let world: TestWorld;
afterEach(() => world.close());

describe("a process of a test", () => {
  test("Q1 X1 dies after a commit that it never hears of, and the next one goes on where the disk is", async () => {
    world = new TestWorld();
    const first = await world.process();
    await world.run(first.engine.enqueue({ type: "CREATE", entityType: "device", entityId: "a", payload: { name: "a" } }));
    first.crash({ at: "store.commit", side: "after" });
    await world.advance(60_000);
    expect(first.isDead).toBe(true);
    expect(world.backend.appliedIds).toEqual([]);

    const second = await world.process();
    expect(await world.drain(second.engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("Q1 X1 dies once its request has left: the effect happens once", async () => {
    world = new TestWorld();
    const first = await world.process();
    first.crash({ at: "answer", nth: 2 });
    await world.run(first.engine.enqueue({ type: "CREATE", entityType: "device", entityId: "a", payload: { name: "a" } }));
    await world.advance(60_000);
    expect(first.isDead).toBe(true);
    expect(world.backend.appliedIds).toEqual(["a"]);

    const second = await world.process();
    await world.drain(second.engine);
    expect(world.backend.appliedIds).toEqual(["a"]);
    expect(await world.run(second.engine.status())).toMatchObject({ succeeded: 1, pending: 0, conserved: true });
  });

  test("L1 its death frees what its operating system held for it; nothing of it runs any more", async () => {
    world = new TestWorld();
    const first = await world.process();
    world.faults = { requestLost: 1 };
    await world.run(first.engine.enqueue({ type: "CREATE", entityType: "device", entityId: "a", payload: { name: "a" } }));
    await world.advance(1000);
    expect(world.disk.fastLockHolder).toBeDefined();
    first.kill();
    expect(world.disk.fastLockHolder).toBeUndefined();
    const asked = world.transport.requests.length;
    await world.advance(3_600_000);
    expect(world.transport.requests).toHaveLength(asked);

    world.faults = {};
    const second = await world.process();
    expect(await world.drain(second.engine, 5000)).toEqual({ empty: true });
  });

  test("L2 one that slept hears everything when it wakes, and its lock is gone by then", async () => {
    world = new TestWorld();
    const [first, second] = [await world.process(), await world.process()];
    world.faults = { requestDelayMs: [2000, 2000] };
    await world.run(first.engine.enqueueMany([{ type: "CREATE", entityType: "device", entityId: "a", payload: { name: "a" } }]));
    await world.advance(1000);
    first.freeze();
    expect(await world.drain(second.engine)).toEqual({ empty: true });
    first.thaw();
    await world.advance(60_000);
    expect(world.backend.appliedIds).toEqual(["a"]);
    expect(await world.run(first.engine.status())).toMatchObject({ succeeded: 1, conserved: true });
  });

  test("X1 a network that loses answers makes no second effect", async () => {
    world = new TestWorld({ seed: "losses" });
    world.faults = { answerLost: 0.3, resetAfter: 0.2, duplicate: 0.2, duplicateDelayMs: [0, 5000] };
    const { engine } = await world.process({ coalesce: false });
    await world.enqueue(engine, ["CREATE a", "UPDATE a", "CREATE b", "UPDATE b", "DELETE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "a", "b", "b", "a"]);
  });
});

describe("a backend's own code", () => {
  test("A3 answers in real time, and virtual time waits for it", async () => {
    const rows = new Map<string, unknown>();
    const fetch = async (request: Request): Promise<Response> => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (request.method !== "POST" || !request.url.endsWith("/api/v1/devices")) return new Response(null, { status: 404 });
      const body = (await request.json()) as { readonly id: string };
      rows.set(body.id, body);
      return Response.json(body, { status: 201 });
    };
    world = new TestWorld({ backend: { fetch } });
    const device = defineEntity("device", { collection: "devices" });
    const { engine } = await world.process({ entities: [device], backend: { timeoutMs: 10 } });
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "a", payload: { id: "a" } }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect([...rows]).toEqual([["a", { id: "a" }]]);
  });
});
