import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PageLifeEvent } from "../ports/index.ts";
import { openEngine } from "../open-engine.ts";
import { syncHash, TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import * as processing from "./processing.ts";
import type { ProcessingModule } from "./processing-keeper.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

/** The chunk of a page: each request for it waits until the test says how it ends. */
class Chunk {
  requests = 0;
  readonly #open: { resolve: (module: ProcessingModule) => void; reject: (error: Error) => void }[] = [];
  readonly load = (): Promise<ProcessingModule> => {
    this.requests += 1;
    return new Promise((resolve, reject) => {
      this.#open.push({ resolve, reject });
    });
  };
  async arrive(): Promise<void> {
    for (const { resolve } of this.#open.splice(0)) resolve(processing);
    await world.advance(0);
  }
  async fail(): Promise<void> {
    for (const { reject } of this.#open.splice(0)) reject(new Error("Failed to fetch dynamically imported module"));
    await world.advance(0);
  }
}
const engineWith = async (chunk: Chunk, more: Parameters<TestWorld["engine"]>[0] = {}): Promise<SyncEngine> =>
  world.engine({ load: chunk.load, ...more });
const standing = async (engine: SyncEngine): Promise<string> => {
  const { state, reason } = await world.run(engine.status());
  return `${state} ${reason ?? ""}`.trim();
};
/** `kind code`, of alerts, and waits. */
const heard = (engine: SyncEngine): string[] => {
  const lines: string[] = [];
  engine.on("alert", ({ code }) => lines.push(`alert ${code}`));
  engine.on("waiting", ({ reason, delayMs }) => lines.push(`waiting ${reason} ${delayMs}`));
  return lines;
};

test("given as an option it is not loaded", async () => {
  const chunk = new Chunk();
  const { store, clock, random, transport } = world;
  const backend = { baseUrl: "https://api.example.test", session: () => world.session };
  const platform = { clock, random, transport, hash: syncHash, owner: "worker" };
  const engine = await world.run(openEngine({ store, backend, processing }, platform, chunk.load));
  world.engines.push(engine);
  await world.enqueue(engine, ["UPDATE a"]);
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(chunk.requests).toBe(0);
});

describe("before the code is here", () => {
  test("Q1 what is enqueued is on disk and shown, and goes out when it arrives", async () => {
    const chunk = new Chunk();
    const device = defineEntity("device");
    const engine = await engineWith(chunk, { entities: [device] });
    const shown: unknown[] = [];
    const off = engine.entity(device, "a").subscribe(({ value, syncState }) => shown.push([value?.name, syncState]));
    const [operation] = await world.enqueue(engine, ["CREATE a"]);
    await world.advance(0);
    expect(shown.at(-1)).toEqual([expect.stringContaining("a at"), "pending"]);
    expect(await world.run(operation?.status() ?? Promise.reject(new Error("no handle")))).toMatchObject({ state: "pending" });
    expect(await world.run(engine.status())).toMatchObject({
      state: "waiting",
      reason: "code_loading",
      pending: 1,
      level: null,
      lock: null,
    });
    expect(world.transport.requests).toEqual([]);
    await chunk.arrive();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect([world.backend.appliedIds, chunk.requests]).toEqual([["a"], 1]);
    off();
  });

  test("is asked for at once, also by an engine that is not started; that one then does nothing", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk, { autoStart: false });
    expect([chunk.requests, await standing(engine)]).toEqual([1, "stopped stopped"]);
    await world.enqueue(engine, ["UPDATE a"]);
    await chunk.arrive();
    await world.advance(60_000);
    expect(world.transport.requests).toEqual([]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test.each(["stop", "close"] as const)("a drain ends when the engine is told to %s, which waits for nothing", async (end) => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await world.enqueue(engine, ["UPDATE a"]);
    const drained = engine.drain();
    await world.advance(1000);
    await world.run(engine[end](), 10);
    expect(await world.run(drained, 10)).toEqual({ empty: false, reason: "stopped" });
    await chunk.arrive();
    await world.advance(60_000);
    expect(world.transport.requests).toEqual([]);
  });

  test("a drain says for what it waited", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await world.enqueue(engine, ["UPDATE a"]);
    expect(await world.run(engine.drain({ timeoutMs: 1000 }))).toEqual({ empty: false, reason: "code_loading" });
    await chunk.fail();
    expect(await world.run(engine.drain({ timeoutMs: 100 }))).toEqual({ empty: false, reason: "code_unavailable" });
  });

  test("L1 a page that is frozen, or left, begins when it is back", async () => {
    const chunk = new Chunk();
    const listeners = new Set<(event: PageLifeEvent) => void>();
    const happen = (event: PageLifeEvent): void => {
      for (const tell of listeners) tell(event);
    };
    const pageLife = {
      subscribe: (listener: (event: PageLifeEvent) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const engine = await engineWith(chunk, { platform: { pageLife } });
    await world.enqueue(engine, ["UPDATE a"]);
    happen("frozen");
    await chunk.arrive();
    await world.advance(60_000);
    expect(world.transport.requests).toEqual([]);
    happen("resumed");
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("O4 a pull waits for it", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    const pulled = engine.pull();
    await world.advance(1000);
    expect(world.transport.requests).toEqual([]);
    await chunk.arrive();
    await world.run(pulled);
    expect(world.transport.requests.length).toBeGreaterThan(0);
  });

  test("Q6 a call that needs it waits for it; one under way when the engine is closed is told so", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    const cancelled = engine.cancel(operation?.id ?? "");
    await chunk.arrive();
    expect(await world.run(cancelled)).toBe(true);
    const other = await engineWith(new Chunk());
    const listed = expect(other.failed.list()).rejects.toMatchObject({ code: "STOPPED" });
    await world.run(other.close());
    await listed;
    await expect(other.failed.list()).rejects.toMatchObject({ code: "STOPPED" });
  });

  test("R3 a brake that a restart put on trial is on trial", async () => {
    world.backend.judge = () => ({ status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } });
    const first = await world.engine();
    await world.enqueue(
      first,
      ["a", "b", "c", "d", "e", "f", "g", "h"].map((id) => `UPDATE ${id}`),
    );
    expect(await world.drain(first)).toMatchObject({ reason: "mass_rejection" });
    await world.run(first.close());
    const before = world.transport.to("/api/v1/sync/ops").length;
    const chunk = new Chunk();
    const second = await engineWith(chunk);
    await chunk.arrive();
    expect(await world.drain(second)).toMatchObject({ reason: "mass_rejection" });
    expect(world.transport.to("/api/v1/sync/ops").length - before).toBe(1);
  });

  test("Q1 what was parked for want of its definition goes on, though the code came after the engine was opened", async () => {
    world.backend.offers = { operations: ["device.rename"] };
    const device = defineEntity("device");
    const rename = defineOperation("device.rename", { entity: (input: { readonly id: string }) => device.ref(input.id) });
    const first = await world.engine({ operations: [rename], autoStart: false });
    await world.run(first.run(rename, { id: "a" }).stored);
    await world.run(first.close());
    const without = await world.engine();
    await world.drain(without);
    expect(await without.failed.list()).toMatchObject([{ code: "UNKNOWN_TYPE" }]);
    await world.run(without.close());

    const chunk = new Chunk();
    const again = await engineWith(chunk, { operations: [rename] });
    await chunk.arrive();
    await world.advance(100);
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(world.backend.applied.map(({ type }) => type)).toEqual(["device.rename"]);
  });
});

describe("code that cannot be had", () => {
  test("Q1 R1 is said, asked for again after longer and longer, and nothing is lost", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    const lines = heard(engine);
    await world.enqueue(engine, ["UPDATE a"]);
    await chunk.fail();
    const status = await world.run(engine.status());
    expect(status).toMatchObject({ state: "waiting", reason: "code_unavailable", pending: 1, conserved: true });
    expect(status.nextAttemptAt).toBeGreaterThan(world.now);
    expect(lines).toEqual(["alert CODE_UNAVAILABLE", expect.stringMatching(/^waiting code_unavailable \d+$/)]);
    for (let failure = 2; failure < 6; failure++) {
      const { nextAttemptAt = 0 } = await world.run(engine.status());
      await world.advance(nextAttemptAt - world.now - 1);
      expect(chunk.requests).toBe(failure - 1);
      await world.advance(1);
      expect(chunk.requests).toBe(failure);
      expect(await standing(engine)).toBe("waiting code_unavailable");
      await chunk.fail();
    }
    expect(lines.filter((line) => line.startsWith("alert"))).toHaveLength(1);
    await world.enqueue(engine, ["UPDATE b"]);
    await world.advance(60_000);
    await chunk.arrive();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
  });

  test("enqueueing asks for it no sooner; the network, and whoever starts the engine, do", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await chunk.fail();
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    expect(chunk.requests).toBe(1);
    world.connectivity.turn(true);
    expect(chunk.requests).toBe(2);
    await chunk.fail();
    engine.start();
    expect(chunk.requests).toBe(3);
    await chunk.arrive();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("stopped, it stays stopped when the code arrives", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await world.enqueue(engine, ["UPDATE a"]);
    await chunk.fail();
    await world.run(engine.stop());
    expect(await standing(engine)).toBe("stopped stopped");
    await world.advance(60_000);
    await chunk.arrive();
    await world.advance(60_000);
    expect(world.transport.requests).toEqual([]);
  });

  test("Q6 a call that needs it asks at once, and is refused with a code that says what helps", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await chunk.fail();
    const calls = [engine.failed.list(), engine.rebuildIndex(), engine.forceReleaseLock("test"), engine.resetBreaker(), engine.pull()];
    const refused = Promise.all(
      calls.map((call) => expect(call).rejects.toMatchObject({ code: "CODE_UNAVAILABLE", retryable: true, message: /reload the page/ })),
    );
    expect(chunk.requests).toBe(2);
    await chunk.fail();
    await world.run(refused);
  });

  test("a request that neither ends nor fails is a failure after half a minute; should it end after all, that counts", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(29_000);
    expect(await standing(engine)).toBe("waiting code_loading");
    await world.advance(1001);
    expect(await standing(engine)).toBe("waiting code_unavailable");
    await chunk.arrive();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("closed meanwhile, it asks no more and leaves no timer", async () => {
    const chunk = new Chunk();
    const engine = await engineWith(chunk);
    await chunk.fail();
    await world.run(engine.close(), 10);
    expect(world.timeline.waiting).toBe(0);
    await world.advance(120_000);
    expect(chunk.requests).toBe(1);
  });
});
