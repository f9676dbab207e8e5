import type { JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, answeredHtml, failed, type Reply, type SeenRequest } from "../testing/scripted-transport.ts";
import { PlainRestBackend } from "../testing/tiny-backend.ts";
import { type TestEngineOptions, TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import type { SyncEngine } from "./sync-engine.ts";

type Level = 0 | 1 | 2 | 3;
const LEVELS: readonly Level[] = [0, 1, 2, 3];
const HELLO = "/api/v1/sync/handshake";
const DEVICES = "/api/v1/devices";
const device = defineEntity("device", { collection: "devices" });
const fast = { baseMs: 10, maxDelayMs: 10 };

let rest = new PlainRestBackend();
let world = new TestWorld();
beforeEach(() => restart(0));
afterEach(() => world.close());
const restart = (level: Level): void => {
  rest = new PlainRestBackend({ etags: level >= 1 });
  world = new TestWorld({ backend: (request) => rest.answer(request) });
};
const open = (level: Level, { backend, ...options }: TestEngineOptions = {}): Promise<SyncEngine> =>
  world.engine({ entities: [device], backoff: fast, ...options, backend: { level, ...backend } });
const writes = (): readonly SeenRequest[] => world.transport.requests.filter(({ method, path }) => method !== "GET" && path !== HELLO);
/** Carried out, and the answer lost. */
const lost: Reply = (request) => {
  rest.answer(request);
  return failed("timeout");
};

describe.each(LEVELS)("level %i", (level) => {
  beforeEach(() => restart(level));

  test("X3 plain writes become requests of their collection, one at a time, in order; the level is printed", async () => {
    const engine = await open(level, { autoStart: false });
    await world.enqueue(engine, ["CREATE a", "UPDATE a", "CREATE b", "DELETE a"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.writes).toEqual([`POST ${DEVICES}`, `PATCH ${DEVICES}/a`, `POST ${DEVICES}`, `DELETE ${DEVICES}/a`]);
    expect([...rest.documents.keys()]).toEqual(["b"]);
    expect(writes()[0]?.json).toMatchObject({ id: "a" });
    expect(await engine.status()).toMatchObject({ level, succeeded: 4, conserved: true });
  });

  test("X3 the headers are as few as the level allows", async () => {
    const engine = await open(level, { backend: { headers: { "X-Api": "1" }, appVersion: "1.2.3" } });
    await world.enqueue(engine, ["CREATE a"]);
    await world.drain(engine);
    const names = Object.keys(writes()[0]?.headers ?? {}).toSorted();
    expect(names).toEqual(["Authorization", "Content-Type", ...(level >= 2 ? ["Idempotency-Key"] : []), "X-Api"]);
  });

  test("X8 tries are used up: what is there as it was sent is a success", async () => {
    const engine = await open(level);
    rest.put("a", { name: "old" });
    world.transport.next(`${DEVICES}/a`, lost, failed("timeout"), failed("timeout"), failed("timeout"), failed("timeout"));
    const [operation] = await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.advance(600_000);
    expect(await operation!.status()).toMatchObject({ state: "applied" });
    expect(rest.writes.filter((write) => write.endsWith("/a"))).toHaveLength(1);
  });

  test("X8 tries are used up, and what is there is something else: nobody can say, the entity is held, a person decides", async () => {
    const engine = await open(level);
    rest.put("a", { name: "old" });
    rest.put("b", { name: "old" });
    const calm = world.transport.always((request) => request.path === `${DEVICES}/a` && request.method === "PATCH", failed("timeout"));
    const [operation] = await world.enqueue(engine, ["UPDATE a", "UPDATE a", "UPDATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await operation!.status()).toMatchObject({ state: "parked", settled: { verdict: "failed", code: "OUTCOME_UNKNOWN" } });
    expect(rest.writes).toEqual([`PATCH ${DEVICES}/b`]);
    const first = writes().find(({ path }) => path === `${DEVICES}/a`);
    calm();
    await world.run(engine.failed.retry({ all: true }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    const again = writes().filter(({ path }) => path === `${DEVICES}/a`);
    expect(again.at(-2)?.body).toBe(first?.body);
    expect(again.at(-2)?.headers["Idempotency-Key"]).toBe(first?.headers["Idempotency-Key"]);
  });

  test("X8 tries are used up, and nobody says what became of it: it stays where it is", async () => {
    const engine = await open(level, { breaker: { failureThreshold: 1000 } });
    rest.put("a", { name: "old" });
    const calm = world.transport.always((request) => request.path.startsWith(DEVICES), answered(500, { message: "no" }));
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(5000);
    expect(await operation!.status()).toMatchObject({ state: "sealed", attempts: 5 });
    expect(await engine.status()).toMatchObject({ reason: "origin_failing" });
    calm();
    await world.drain(engine);
    expect(await operation!.status()).toMatchObject({ state: "parked" });
  });

  test.each([
    ["DELETE", 404, "applied", undefined],
    ["DELETE", 410, "applied", undefined],
    ["UPDATE", 404, "conflict", "RESOURCE_NOT_FOUND"],
    ["CREATE", 409, "conflict", "CONFLICT"],
    ["CREATE", 422, "failed", "VALIDATION_ERROR"],
    ["UPDATE", 403, "failed", "FORBIDDEN"],
    ["UPDATE", 428, "conflict", "PRECONDITION_REQUIRED"],
  ] as const)("R3 a first %s that meets %i: %s", async (type, status, state, code) => {
    const engine = await open(level);
    world.transport.always((request) => request.path !== HELLO, answered(status, { message: "no" }));
    const [operation] = await world.enqueue(engine, [`${type} a`]);
    await world.drain(engine);
    const now = await operation!.status();
    expect([now.state, now.settled?.code]).toEqual([state, code]);
    expect(writes()).toHaveLength(1);
  });

  test("X8 a refusal after an earlier send is not believed before it was looked: applied", async () => {
    const engine = await open(level);
    rest.put("a", { name: "old" });
    world.transport.next(`${DEVICES}/a`, lost, answered(422, { message: "no" }));
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await operation!.status()).toMatchObject({ state: "applied" });
  });

  test("X8 a conflict after an earlier send: looked for first; somebody else's is a conflict", async () => {
    const engine = await open(level);
    rest.put("a", { name: "old" });
    world.transport.next(`${DEVICES}/a`, failed("reset"), answered(412, { message: "somebody else wrote" }));
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(world.transport.requests.filter(({ method, path }) => method === "GET" && path === `${DEVICES}/a`)).toHaveLength(1);
    expect(await operation!.status()).toMatchObject({ state: "conflict", settled: { verdict: "conflict", code: "PRECONDITION_FAILED" } });
    expect(await engine.conflicts.list()).toHaveLength(1);
  });
});

describe.each([1, 2, 3] as const)("level %i", (level) => {
  beforeEach(() => restart(level));

  test("B2 a base becomes If-Match; own results lift it, and an ambiguous retry that meets 412 finds its own effect", async () => {
    const engine = await open(level);
    rest.put("a", { name: "old" });
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 1 });
    await world.drain(engine);
    world.transport.next(`${DEVICES}/a`, lost);
    await world.enqueue(engine, ["UPDATE a"], { baseVersion: 1 });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(writes().map(({ headers }) => headers["If-Match"])).toEqual(['"v1"', '"v2"', '"v2"']);
    expect(await engine.status()).toMatchObject({ succeeded: 2, conflict: 0 });
  });
});

describe("meeting the backend", () => {
  test.each([
    ["404", answered(404, { message: "no such route" })],
    ["404 without a body", answered(404, undefined)],
    ["405", answered(405, { message: "no" })],
    ["410", answered(410, undefined)],
    ["501", answered(501, { message: "no such method" })],
  ] as const)("X3 a handshake that is answered %s means a plain backend, of the level that the app declares", async (_title, reply) => {
    world.transport.always(HELLO, reply);
    const engine = await open(2);
    await world.enqueue(engine, ["CREATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ level: 2 });
    expect(world.transport.to(HELLO)).toHaveLength(1);
  });

  test.each([
    ["a page of a portal", answeredHtml(200)],
    ["500", answered(500, { message: "no" })],
    ["silence", failed("timeout")],
  ] as const)("X3 %s says nothing about the backend: it is asked again", async (_title, reply) => {
    world.transport.next(HELLO, reply, reply);
    const engine = await open(0);
    await world.enqueue(engine, ["CREATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.transport.to(HELLO)).toHaveLength(3);
  });

  test("X3 less than the app's minimum pauses, and nothing is sent", async () => {
    const engine = await open(1, { backend: { minimumLevel: 2 } });
    const alerts: string[] = [];
    engine.on("alert", ({ code, message }) => alerts.push(`${code} ${message}`));
    await world.enqueue(engine, ["CREATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "backend_changed" });
    expect(writes()).toEqual([]);
    expect(alerts[0]).toMatch(/^BACKEND_CHANGED .*it offers level 1, and backend.minimumLevel is 2/);
  });

  test("A2 an operation goes by its own request, with its path filled from the body", async () => {
    const move = defineOperation<{ id: string; room: string }>("device.move", {
      entity: ({ id }) => device.ref(id),
      apply: (draft, { room }) => {
        draft.room = room;
        draft.level = 3;
      },
      request: ({ patch }) => ({ method: "PUT", path: "/api/v1/rooms/{room}/devices/{device_id}", body: patch }),
    });
    let seen: JsonObject | undefined;
    world.transport.always(
      (request) => request.method === "PUT",
      (request) => {
        seen = { path: request.path, body: request.json };
        return answered(200, {});
      },
    );
    const engine = await open(0, { operations: [move] });
    await world.run(engine.run(move, { id: "a", room: "r 1" }).stored);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(seen).toEqual({ path: "/api/v1/rooms/r%201/devices/a", body: { level: 3 } });
  });
});
