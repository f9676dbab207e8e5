import { isJsonObject, type WireOperation } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, failed, refused, type SeenRequest } from "../testing/scripted-transport.ts";
import { operationsIn, PlainRestBackend } from "../testing/tiny-backend.ts";
import { type TestEngineOptions, TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";
const HELLO = "/api/v1/sync/handshake";
const isOps = ({ path }: SeenRequest): boolean => path === OPS;
const device = defineEntity("device", { collection: "devices" });

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

/** One operation has succeeded already, so that the engine trusts what it sends; then these wait, and are let go. */
async function going(operations: readonly string[], options: TestEngineOptions = {}): Promise<SyncEngine> {
  const engine = await world.engine({ ordering: "entity", batch: { maxOperations: 3 }, ...options });
  await world.enqueue(engine, ["UPDATE warm"]);
  await world.drain(engine);
  await world.run(engine.stop());
  world.transport.requests.length = 0;
  world.backend.applied.length = 0;
  await world.enqueue(engine, operations);
  return engine;
}
const named = (count: number, name = "d"): readonly `UPDATE ${string}`[] =>
  Array.from({ length: count }, (_, n) => `UPDATE ${name}${n}` as const);
const sent = (): readonly string[] =>
  world.transport.to(isOps).map((request) =>
    operationsIn(request)
      .map((one) => one.entity_id)
      .join(" "),
  );
/** Counts the requests under way, and finds lanes that are in two of them. */
function watchAir(
  isOf: (request: SeenRequest) => boolean,
  lanesIn: (request: SeenRequest) => readonly string[],
): { most: number; shared: number } {
  const seen = { most: 0, shared: 0 };
  const busy = new Map<string, number>();
  const exchange = world.transport.exchange.bind(world.transport);
  let now = 0;
  world.transport.exchange = async (request) => {
    const asked = { ...request, path: new URL(request.url).pathname, json: JSON.parse(request.body ?? "null"), at: 0 } as SeenRequest;
    const lanes = isOf(asked) ? lanesIn(asked) : [];
    if (lanes.length > 0) now += 1;
    seen.most = Math.max(seen.most, now);
    for (const lane of new Set(lanes)) {
      if (busy.has(lane)) seen.shared += 1;
      busy.set(lane, 1);
    }
    try {
      return await exchange(request);
    } finally {
      if (lanes.length > 0) now -= 1;
      for (const lane of lanes) busy.delete(lane);
    }
  };
  return seen;
}
const lanesOfOps = (request: SeenRequest): readonly string[] =>
  operationsIn(request).flatMap(({ entity_id, lane }) => (lane === undefined ? [entity_id] : [entity_id, `lane ${lane}`]));

describe("the sync face", () => {
  test("Q2 requests of free lanes are under way together, no lane twice, without numbers", async () => {
    const engine = await going([...named(12), ...named(12)]);
    const air = watchAir(isOps, lanesOfOps);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(air).toEqual({ most: 4, shared: 0 });
    expect(world.backend.applied).toHaveLength(24);
    expect(world.backend.applied.every(({ op_number }) => op_number === undefined)).toBe(true);
    const envelope = world.transport.to(isOps)[0]?.json;
    expect(isJsonObject(envelope) && isJsonObject(envelope.payload) && envelope.payload.ordering).toBe("entity");
    expect(await engine.status()).toMatchObject({ succeeded: 25, pending: 0, sealed: 0, conserved: true });
  });

  test("Q2 `concurrency` is how many, and one is one", async () => {
    const engine = await going(named(12), { concurrency: 2 });
    const air = watchAir(isOps, lanesOfOps);
    engine.start();
    await world.drain(engine);
    expect(air.most).toBe(2);
  });

  test("Q2 under global ordering one request is under way, whatever it says", async () => {
    const engine = await going(named(12), { ordering: "global", concurrency: 4 });
    const air = watchAir(isOps, lanesOfOps);
    engine.start();
    await world.drain(engine);
    expect(air.most).toBe(1);
  });

  test("Q2 the operations of an entity keep their order, and share a request", async () => {
    const engine = await going(["CREATE a", "CREATE b", "UPDATE a", "UPDATE b", "UPDATE a", "DELETE b"]);
    engine.start();
    await world.drain(engine);
    const of = (id: string): readonly string[] => world.backend.applied.flatMap(({ entity_id, type }) => (entity_id === id ? [type] : []));
    expect([of("a"), of("b")]).toEqual([
      ["CREATE", "UPDATE", "UPDATE"],
      ["CREATE", "UPDATE", "DELETE"],
    ]);
  });

  test("Q2 an explicit lane is one lane across entities, and is said to the server", async () => {
    const engine = await going([]);
    for (let n = 0; n < 8; n++) await world.enqueue(engine, [`UPDATE d${n}`], { lane: "export" });
    await world.enqueue(engine, named(6, "free"));
    const air = watchAir(isOps, lanesOfOps);
    engine.start();
    await world.drain(engine);
    expect(air.shared).toBe(0);
    expect(world.backend.applied.filter(({ lane }) => lane === "export").map(({ entity_id }) => entity_id)).toEqual(
      named(8).map((word) => word.slice(7)),
    );
  });

  test("Q2 priority decides which lane goes first", async () => {
    const engine = await going(named(6), { concurrency: 1 });
    await world.enqueue(engine, ["UPDATE d5", "UPDATE urgent"], { priority: 5 });
    engine.start();
    await world.drain(engine);
    expect(sent()).toEqual(["d5 d5 urgent", "d0 d1 d2", "d3 d4"]);
  });

  test("R1 one that fails alone waits alone; others of its entity wait behind it", async () => {
    const engine = await going(["UPDATE bad", "UPDATE bad", ...named(8)]);
    const bad = ({ entity_id }: WireOperation): ReturnType<typeof world.backend.judge> =>
      entity_id === "bad" ? { status: 500, outcome: "retry", error: { code: "INTERNAL_ERROR", message: "no" } } : undefined;
    world.backend.judge = bad;
    engine.start();
    await world.advance(400);
    expect(new Set(world.backend.appliedIds)).toEqual(new Set(named(8).map((word) => word.slice(7))));
    await world.enqueue(engine, ["UPDATE later"]);
    await world.advance(50);
    expect(world.backend.appliedIds.at(-1)).toBe("later");
    expect(await engine.status()).toMatchObject({ state: "waiting", reason: "backoff", conserved: true });
    world.backend.judge = () => undefined;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds.slice(-2)).toEqual(["bad", "bad"]);
  });

  test("R1 one that fails for ever comes to its end, and holds nobody but its own entity meanwhile", async () => {
    const engine = await going(["UPDATE bad", "UPDATE bad", "UPDATE good"]);
    world.backend.judge = ({ entity_id, payload }) =>
      entity_id === "bad" && isJsonObject(payload)
        ? { status: 500, outcome: "retry", error: { code: "INTERNAL_ERROR", message: "no" } }
        : undefined;
    engine.start();
    await world.advance(600_000);
    expect(await engine.status()).toMatchObject({ failed: 2, succeeded: 2, pending: 0, sealed: 0, conserved: true });
  });

  test("X7 a request that fails as a whole is halved, and charged to nobody", async () => {
    const engine = await going(named(6), { concurrency: 1 });
    const retried: number[] = [];
    engine.on("retried", ({ attempt }) => retried.push(attempt));
    world.transport.next(isOps, answered(500, { message: "no" }));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent().map((ids) => ids.split(" ").length)).toEqual([3, 1, 2, 3]);
    expect(retried).toEqual([]);
    expect(world.backend.appliedIds).toEqual(named(6).map((word) => word.slice(7)));
  });

  test("R2 what the origin asks for stops all that have not started, and what is in the air is written down", async () => {
    const engine = await going(named(12));
    world.transport.next(isOps, refused(429, "RATE_LIMITED", undefined, { "retry-after": "60" }));
    engine.start();
    await world.advance(1000);
    expect(sent()).toHaveLength(4);
    expect(await engine.status()).toMatchObject({ succeeded: 10, sealed: 3, pending: 0, reason: "retry_after", conserved: true });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied).toHaveLength(12);
  });

  test("R1 an outage is one failure, however many requests it met", async () => {
    const engine = await going(named(12));
    const calm = world.transport.always(isOps, failed("connection_refused"));
    engine.start();
    await world.advance(100);
    expect(sent()).toHaveLength(4);
    const { nextAttemptAt = 0 } = await engine.status();
    expect(nextAttemptAt - world.now).toBeLessThan(1500);
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied).toHaveLength(12);
  });

  test("R4 one refresh serves all that were in the air", async () => {
    const engine = await going(named(12));
    world.transport.next(isOps, ...Array.from({ length: 4 }, () => refused(401, "UNAUTHORIZED")));
    const before = world.asked.forced;
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.asked.forced - before).toBe(1);
    expect(world.backend.applied).toHaveLength(12);
  });

  test("Q1 a creation that is refused holds its entity, and nobody else", async () => {
    const engine = await going(["CREATE a", "UPDATE b", "UPDATE a", "UPDATE c", "UPDATE a", "UPDATE d"]);
    world.backend.judge = ({ entity_id }) =>
      entity_id === "a" ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } : undefined;
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.appliedIds.toSorted()).toEqual(["b", "c", "d"]);
    expect(await engine.status()).toMatchObject({ failed: 1, pending: 2, sealed: 0, conserved: true });
    world.backend.judge = () => undefined;
    await world.run(engine.failed.retry({ all: true }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds.slice(-3)).toEqual(["a", "a", "a"]);
  });

  test("X4 conflicts of two entities in one answer: both are kept, all others flow", async () => {
    const engine = await going([]);
    for (const id of ["a", "b"]) world.backend.write("device", id, { name: "theirs" });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"], { baseVersion: 7 });
    await world.enqueue(engine, ["UPDATE a", "UPDATE c", "UPDATE d"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.appliedIds).toEqual(["c", "d"]);
    expect(await engine.status()).toMatchObject({ conflict: 2, pending: 1, sealed: 0, conserved: true });
  });

  test("Q2 who waits behind one that was opened waits, too, in whichever lane it meets it", async () => {
    const engine = await going(["UPDATE a"], { batch: { maxOperations: 5 }, concurrency: 1 });
    await world.enqueue(engine, ["UPDATE a"], { lane: "x" });
    await world.enqueue(engine, ["UPDATE free"]);
    await world.enqueue(engine, ["UPDATE b"], { lane: "x" });
    await world.enqueue(engine, ["UPDATE b"]);
    let refusals = 0;
    world.backend.judge = ({ entity_id }) => {
      if (entity_id !== "a" || refusals++ > 0) return undefined;
      return { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };
    };
    // The request fails as a whole, so that its parts travel one after the other.
    world.transport.next(isOps, answered(500, { message: "no" }));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent().slice(0, 2)).toEqual(["a a free b b", "a a"]);
    const applied = world.backend.applied.filter(({ entity_id }) => entity_id !== "free");
    expect(applied.map(({ entity_id, lane }) => `${entity_id} ${lane ?? "-"}`)).toEqual(["a x", "b x", "b -"]);
    expect(await engine.status()).toMatchObject({ failed: 1, pending: 0, sealed: 0, conserved: true });
  });

  test("Q2 many that wait behind one keep nobody else waiting, and no row is written for them", async () => {
    const engine = await going([...Array.from({ length: 700 }, () => "UPDATE bad" as const), ...named(40)], {
      batch: { maxOperations: 20 },
    });
    world.backend.judge = ({ entity_id }) =>
      entity_id === "bad" ? { status: 500, outcome: "retry", error: { code: "INTERNAL_ERROR", message: "no" } } : undefined;
    engine.start();
    await world.advance(300);
    expect(world.backend.applied).toHaveLength(40);
    expect([...world.disk.states.entries()].filter(([, { phase }]) => phase !== "cancelled").length).toBeLessThan(50);
    world.backend.judge = () => undefined;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied).toHaveLength(740);
    expect(await engine.status()).toMatchObject({ succeeded: 741, conserved: true });
  });

  test("Q6 what is taken back while its lane is busy is not sent", async () => {
    const engine = await going(["UPDATE a", "UPDATE a", "UPDATE b"], { batch: { maxOperations: 1 } });
    const last = await world.enqueue(engine, ["UPDATE a"]);
    world.transport.next(isOps, async (request) => {
      await last[0]?.cancel();
      return world.backend.answer(request);
    });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds.toSorted()).toEqual(["a", "a", "b"]);
    expect(await engine.status()).toMatchObject({ succeeded: 4, cancelled: 1, conserved: true });
  });

  test("L2 a lost lock in the middle: what is in the air goes again under its keys by whoever has it", async () => {
    const engine = await going(named(12));
    world.transport.next(isOps, async (request) => {
      await engine.forceReleaseLock("an operator tries it");
      return world.backend.answer(request);
    });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied).toHaveLength(12);
    expect(await engine.status()).toMatchObject({ succeeded: 13, conserved: true });
  });

  test("A5 another account while requests are in the air: nothing more goes out for the one before", async () => {
    const engine = await going(named(24));
    world.transport.next(isOps, (request) => {
      world.session = { account: { space: "home", principal: "bob" }, token: "token-bob" };
      return world.backend.answer(request);
    });
    engine.start();
    await world.drain(engine);
    expect(world.backend.applied).toHaveLength(12);
  });

  test("R5 behind an open breaker one probe goes, then all at once again", async () => {
    const engine = await going(named(24), { breaker: { failureThreshold: 4, cooldownMs: 5000 } });
    const calm = world.transport.always(isOps, answered(503, { message: "no" }));
    engine.start();
    await world.advance(1000);
    calm();
    let state: string = (await engine.status()).breaker.state;
    expect(state).not.toBe("closed");
    engine.on("breaker", (event) => {
      state = event.state;
    });
    const atOnce: Record<string, number> = { closed: 0, open: 0, half_open: 0 };
    world.transport.always(isOps, (request) => {
      atOnce[state] = Math.max(atOnce[state] ?? 0, world.transport.inFlight);
      return world.backend.answer(request);
    });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(atOnce).toEqual({ closed: 4, open: 0, half_open: 1 });
    expect(world.backend.applied).toHaveLength(24);
  });

  test("O2 what a snapshot shows already is not shown once more on top of it, though its answer was lost", async () => {
    const bump = defineOperation("device.bump", {
      version: 1,
      entity: () => ({ entityType: "device", entityId: "a" }),
      apply: (draft: { n?: number }) => {
        draft.n = (draft.n ?? 0) + 1;
      },
    });
    world.backend.offers = { operations: ["device.bump"] };
    world.backend.feed.effects.set("device.bump", (document) => ({ ...document, n: Number(document.n ?? 0) + 1 }));
    const engine = await world.engine({ ordering: "entity", entities: [device] as never, operations: [bump] as never });
    const deaf = world.transport.always(isOps, (request) => {
      world.backend.answer(request);
      return failed("reset");
    });
    const operation = engine.run(bump as never, {} as never);
    await world.advance(20);
    const seen: unknown[] = [];
    const off = engine.entity(device, "a").subscribe(({ value }) => seen.push(isJsonObject(value) ? value.n : value));
    await world.advance(200);
    expect(world.backend.feed.documents.get("a")).toEqual({ n: 1 });
    expect((await operation.status()).state).toBe("sealed");
    expect(seen.at(-1)).toBe(1);
    deaf();
    await world.drain(engine);
    expect(seen).not.toContain(2);
    off();
  });

  test("T1 the oldest that waits is the first that nobody has taken, though later ones went", async () => {
    const engine = await going(["UPDATE bad", "UPDATE bad"], { concurrency: 1, batch: { maxOperations: 1 } });
    await world.advance(5000);
    await world.enqueue(engine, ["UPDATE good"]);
    world.backend.judge = ({ entity_id }) =>
      entity_id === "bad" ? { status: 500, outcome: "retry", error: { code: "INTERNAL_ERROR", message: "no" } } : undefined;
    engine.start();
    await world.advance(100);
    expect(world.backend.appliedIds).toEqual(["good"]);
    const { oldestPendingAgeMs } = await engine.status();
    expect(oldestPendingAgeMs).toBeGreaterThan(5000);
    expect((await world.run(engine.pending.list())).map(({ entityId, state }) => `${entityId} ${state}`)).toEqual([
      "bad sealed",
      "bad pending",
    ]);
  });

  test("Q9 a pause while requests are in the air: nothing new starts, what was answered is written down", async () => {
    const engine = await going(named(24));
    world.transport.next(isOps, async (request) => {
      await engine.pause("maintenance");
      return world.backend.answer(request);
    });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "maintenance" });
    expect(await engine.status()).toMatchObject({ succeeded: 13, pending: 12, sealed: 0, conserved: true });
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("L2 stop waits for all that are in the air", async () => {
    const engine = await going(named(24));
    engine.start();
    await world.advance(3);
    expect(world.transport.inFlight).toBe(4);
    await world.run(engine.stop());
    expect(world.transport.inFlight).toBe(0);
    expect(await engine.status()).toMatchObject({ succeeded: 13, sealed: 0, conserved: true });
  });

  test("X1 what a crash left in the air is found sealed, and goes again under its keys", async () => {
    const engine = await going(named(12));
    const keys = (): readonly string[] => world.transport.to(isOps).flatMap((request) => operationsIn(request).map(({ key }) => key));
    // Carried out, and nobody hears of it: the answers of this life never come.
    const deaf = world.transport.always(isOps, (request) => {
      world.backend.answer(request);
      return failed("reset");
    });
    engine.start();
    await world.advance(20);
    await world.run(engine.stop());
    deaf();
    const before = new Set(keys());
    const again = await world.engine({ ordering: "entity", batch: { maxOperations: 3 } });
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(new Set(keys())).toEqual(before);
    expect(world.backend.applied).toHaveLength(12);
    expect(await again.status()).toMatchObject({ succeeded: 13, conserved: true });
  });
});

describe("an app that changes its mind", () => {
  test.each([
    ["global", "entity"],
    ["entity", "global"],
  ] as const)("Q2 what was sealed under %s ordering is sent so, before anything new", async (first, then) => {
    const engine = await going(["UPDATE a", "UPDATE b", "UPDATE a", "UPDATE c", "UPDATE a"], { ordering: first, concurrency: 1 });
    const calm = world.transport.always(isOps, answered(500, { message: "no" }));
    engine.start();
    await world.advance(20);
    await world.run(engine.stop());
    calm();
    world.transport.requests.length = 0;
    const { sealed } = await engine.status();
    expect(sealed).toBeGreaterThan(0);
    const other = await world.engine({ ordering: then, batch: { maxOperations: 3 } });
    expect(await world.drain(other)).toEqual({ empty: true });
    const orderings = world.transport
      .to(isOps)
      .map(({ json }) => (isJsonObject(json) && isJsonObject(json.payload) ? json.payload.ordering : ""));
    expect(orderings[0]).toBe(first);
    expect(orderings.at(-1)).toBe(then);
    expect(orderings.lastIndexOf(first)).toBeLessThan(orderings.indexOf(then));
    expect(world.backend.appliedIds.filter((id) => id === "a")).toHaveLength(3);
    expect(await other.status()).toMatchObject({ succeeded: 6, pending: 0, sealed: 0, conserved: true });
  });
});

describe("a plain REST backend", () => {
  const isWrite = ({ method, path }: SeenRequest): boolean => method !== "GET" && path !== HELLO;
  const open = (options: TestEngineOptions = {}): Promise<SyncEngine> =>
    world.engine({ entities: [device], ordering: "entity", concurrency: 5, ...options, backend: { level: 1 } });
  let rest = new PlainRestBackend();
  beforeEach(() => {
    rest = new PlainRestBackend();
    world = new TestWorld({ backend: (request) => rest.answer(request) });
  });

  async function lanes(engine: SyncEngine, each: number): Promise<void> {
    await world.enqueue(engine, ["CREATE warm"]);
    await world.drain(engine);
    await world.run(engine.stop());
    const ids = ["a", "b", "c", "d", "e"];
    await world.enqueue(engine, [
      ...ids.map((id) => `CREATE ${id}`),
      ...Array.from({ length: each - 1 }, () => ids.map((id) => `UPDATE ${id}`)).flat(),
    ]);
    world.transport.requests.length = 0;
  }
  const idOf = ({ path, json }: SeenRequest): string => path.split("/")[4] ?? (isJsonObject(json) ? String(json.id) : "");

  test("Q2 five lanes: five requests at once, each entity in its order", async () => {
    const engine = await open();
    await lanes(engine, 4);
    const air = watchAir(isWrite, (request) => [idOf(request)]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(air).toEqual({ most: 5, shared: 0 });
    for (const id of ["a", "b", "c", "d", "e"]) {
      const methods = world.transport.requests.filter((request) => isWrite(request) && idOf(request) === id).map(({ method }) => method);
      expect(methods).toEqual(["POST", "PATCH", "PATCH", "PATCH"]);
    }
  });

  test("Q2 a slow entity does not stop the others, nor what is enqueued later", async () => {
    const engine = await open();
    await lanes(engine, 3);
    world.transport.next((request) => isWrite(request) && idOf(request) === "a", "silence");
    engine.start();
    await world.advance(1000);
    expect(rest.writes.filter((write) => write.endsWith("/a")).length).toBe(0);
    expect([...rest.documents.keys()].toSorted()).toEqual(["b", "c", "d", "e", "warm"]);
    expect(await engine.status()).toMatchObject({ succeeded: 13, sealed: 1, pending: 2 });
    await world.enqueue(engine, ["CREATE late"]);
    await world.advance(100);
    expect(rest.documents.has("late")).toBe(true);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.documents.size).toBe(7);
  });

  test("R1 one that is answered with 500 holds its entity, and the others go on while it waits", async () => {
    const engine = await open({ backoff: { baseMs: 10_000, maxDelayMs: 10_000 } });
    await lanes(engine, 3);
    const calm = world.transport.always((request) => isWrite(request) && idOf(request) === "c", answered(500, { message: "no" }));
    engine.start();
    await world.advance(1000);
    expect(await engine.status()).toMatchObject({ succeeded: 13, sealed: 1, pending: 2, reason: "backoff" });
    calm();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("R6 the limiter counts the requests of all lanes", async () => {
    const engine = await open({ rateLimit: { requestsPerSecond: 10, burst: 1 } });
    await lanes(engine, 2);
    const startedAt = world.now;
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.now - startedAt).toBeGreaterThan(850);
  });
});
