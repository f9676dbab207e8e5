import { createSyncServer, type SyncServer } from "@guardian-sync/server";
import { memoryStorage } from "@guardian-sync/server/memory";
import { defineEntity, defineOperation, type EnqueueInput, type OperationGroup, type StoreAdapter, type SyncEngine } from "guardian-sync";
import { failed, PlainRestBackend, refused, type Reply, type SeenRequest, type TestEngineOptions, TestWorld } from "guardian-sync/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { device, homeOperations, updateDeviceState } from "./client.ts";
import { Room } from "./schemas.ts";
import { homeCollections, homeOperations as serverOperations } from "./server.ts";

/** What the server refuses, the client takes. */
const rooms = defineEntity<{ name: string }>("room", { collection: "rooms" });
const entities = [rooms, device, defineEntity("heart_rate")];
let isLenient = false;
const OPS = "/api/v1/sync/ops";
let server: SyncServer;
let world: TestWorld;

type Answer = Exclude<Awaited<ReturnType<Extract<Reply, (request: SeenRequest) => unknown>>>, "silence">;
const ask = async (request: SeenRequest): Promise<Answer> => {
  const url = new URL(request.url);
  const { status, headers, body } = await server.handle({
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value])),
    body: new TextEncoder().encode(request.body ?? ""),
    remoteAddress: "10.0.0.1",
  });
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return { kind: "answer", status, headers: lower, body, elapsedMs: 0 };
};
/** Carried out, and the answer lost. */
const lost: Reply = async (request) => {
  await ask(request);
  return failed("timeout");
};

const serverWith = (options: Partial<Parameters<typeof createSyncServer>[0]>): SyncServer =>
  createSyncServer({
    storage: memoryStorage(),
    collections: { ...homeCollections, rooms: { entityType: "room", schema: Room.refine(({ name }) => name !== "refused" || isLenient) } },
    operations: serverOperations,
    authenticate: () => ({ space: "home", principal: "ada", roles: [] }),
    clock: { now: () => world.clock.now(), schedule: (delayMs, task) => world.clock.schedule(delayMs, task) },
    rateLimit: { perPrincipal: 100_000 },
    ...options,
  });
beforeEach(() => {
  isLenient = false;
  server = serverWith({});
  world = new TestWorld({ backend: ask });
});
afterEach(async () => {
  await world.close();
  await server.close();
});

const open = (options: TestEngineOptions = {}): Promise<SyncEngine> =>
  world.engine({
    entities: entities as never,
    operations: homeOperations as never,
    ...options,
    backend: { minimumLevel: 4, ...options.backend },
  });
const room = (entityId: string, payload: Record<string, unknown> = { name: entityId, type: "kitchen", floor_number: 0 }): EnqueueInput => ({
  type: "CREATE",
  entityType: "room",
  entityId,
  payload: payload as never,
});
const lamp = (entityId: string): EnqueueInput => ({
  type: "CREATE",
  entityType: "device",
  entityId,
  payload: { device_type: "lamp", state: { on: false } },
});
/** The server refuses it for good. */
const bad = (entityId: string): EnqueueInput => room(entityId, { name: "refused", type: "kitchen", floor_number: 0 });
const rename = (entityId: string, name: string, more: Partial<EnqueueInput> = {}): EnqueueInput => ({
  type: "UPDATE",
  entityType: "room",
  entityId,
  payload: { name },
  ...more,
});
interface SentOperation {
  readonly key: string;
  readonly entity_id: string;
  readonly group?: string;
  readonly depends_on?: readonly string[];
  readonly cancelled?: boolean;
}
const batches = (): readonly (readonly SentOperation[])[] =>
  world.transport.requests
    .filter(({ path, method }) => path === OPS && method === "POST")
    .map(({ json }) => (json as unknown as { payload: { operations: SentOperation[] } }).payload.operations);
const idsSent = (): readonly (readonly string[])[] => batches().map((batch) => batch.map(({ entity_id }) => entity_id));
const states = (operations: OperationGroup["operations"]): Promise<readonly string[]> =>
  world.run(Promise.all(operations.map(async (operation) => (await operation.status()).state)));
const codes = (operations: OperationGroup["operations"]): Promise<readonly (string | undefined)[]> =>
  world.run(Promise.all(operations.map(async (operation) => (await operation.status()).settled?.code)));
const conserved = async (engine: SyncEngine): Promise<void> => {
  expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false, differences: [] });
};
const stored = async (group: OperationGroup): Promise<OperationGroup> => {
  await world.run(group.stored);
  return group;
};
/** As another client would, on the REST face. */
const other = async (id: string, name: string): Promise<void> => {
  const meta = { trace_id: crypto.randomUUID(), timestamp: new Date(world.now).toISOString() };
  const answer = await server.handle({
    method: "PATCH",
    path: `/api/v1/rooms/${id}`,
    query: {},
    headers: { authorization: "Bearer token-1", "idempotency-key": crypto.randomUUID(), "content-type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify({ meta, payload: { name } })),
    remoteAddress: "10.0.0.1",
  });
  expect(answer.status).toBe(200);
};
const read = async (collection: string, id: string): Promise<unknown> => {
  const answer = await server.handle({
    method: "GET",
    path: `/api/v1/${collection}/${id}`,
    query: {},
    headers: { authorization: "Bearer token-1" },
    body: new Uint8Array(),
    remoteAddress: "10.0.0.1",
  });
  return answer.status === 200 ? (JSON.parse(answer.body) as { data: unknown }).data : null;
};

describe("X10 a group", () => {
  test("takes effect as a whole, in one request, under its name; it is shown in the tick of the call", async () => {
    const engine = await open();
    const shown: unknown[] = [];
    const stop = engine.entity(rooms, "r1").subscribe(({ value }) => shown.push(value));
    await world.advance(5000);
    const group = engine.group([room("r1"), lamp("d1"), { run: updateDeviceState, input: { device_id: "d1", state: { on: true } } }]);
    expect(shown.at(-1)).toMatchObject({ name: "r1" });
    await world.run(group.stored);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(group.settled)).toMatchObject({ verdict: "applied" });
    expect(await read("devices", "d1")).toMatchObject({ state: { on: true } });
    expect(idsSent()).toEqual([["r1", "d1", "d1"]]);
    expect(batches()[0]?.map(({ group: id }) => id)).toEqual([group.id, group.id, group.id]);
    stop();
  });

  test("goes whole though the batch was halved, and alone when it is larger than what may go", async () => {
    const engine = await open({ autoStart: false });
    await world.run(engine.enqueueMany([room("a"), room("b")]));
    await stored(engine.group([room("r1"), lamp("d1"), lamp("d2")]));
    await world.run(engine.enqueueMany([room("c")]));
    world.transport.next(OPS, failed("timeout"), failed("timeout"), failed("timeout"));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    for (const batch of idsSent()) expect(batch.includes("r1")).toBe(batch.includes("d2"));
    expect(idsSent().some((batch) => batch.length === 3 && batch[0] === "r1")).toBe(true);
  });

  test("of which one member is refused ends failed as a whole; what comes behind goes on", async () => {
    const engine = await open({ autoStart: false });
    const group = await stored(engine.group([room("r1"), bad("r2"), lamp("d1")]));
    await world.run(engine.enqueueMany([room("c")]));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(group.operations)).toEqual(["failed", "failed", "failed"]);
    expect(await codes(group.operations)).toEqual(["DEPENDENCY_FAILED", "VALIDATION_ERROR", "DEPENDENCY_FAILED"]);
    const verdicts = await world.run(Promise.all(group.operations.map(async ({ settled }) => (await settled).verdict)));
    expect(verdicts).toEqual(["failed", "rejected", "failed"]);
    expect(await world.run(group.settled)).toMatchObject({ verdict: "rejected", code: "VALIDATION_ERROR" });
    expect([await read("rooms", "r1"), await read("rooms", "c")]).toMatchObject([null, { name: "c" }]);
    await conserved(engine);
  });

  test.each([0, 1, 2])("whose member %i is refused keeps the numbers of what follows right", async (at) => {
    const engine = await open({ autoStart: false });
    const members = [room("r0"), room("r1"), room("r2")].with(at, bad(`r${at}`));
    await world.run(engine.enqueueMany([room("a")]));
    await stored(engine.group(members));
    await world.run(engine.enqueueMany([room("b"), room("c")]));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.logged.filter((line) => line.includes("OUT_OF_ORDER"))).toEqual([]);
    const devices = new Set(world.transport.requests.map(({ headers }) => headers["X-Device-Id"]));
    expect(devices.size).toBe(1);
    expect(await read("rooms", "c")).toMatchObject({ name: "c" });
  });

  test("with a member that finds nothing to change keeps the numbers of what follows right", async () => {
    const engine = await open({ autoStart: false });
    const group = await stored(engine.group([room("r0"), rename("nobody", "x"), room("r2")]));
    await world.run(engine.enqueueMany([room("b")]));
    engine.start();
    await world.drain(engine);
    expect(await states(group.operations)).toEqual(["blocked", "conflict", "blocked"]);
    expect(new Set(world.transport.requests.map(({ headers }) => headers["X-Device-Id"])).size).toBe(1);
    expect(await read("rooms", "b")).toMatchObject({ name: "b" });
  });

  test("whose answer is lost is sent again whole, with the same keys, also after a restart", async () => {
    const engine = await open({ autoStart: false });
    const group = await stored(engine.group([room("r1"), lamp("d1")]));
    world.transport.next(OPS, lost);
    engine.start();
    await world.advance(100);
    await world.run(engine.close());
    world.engines.splice(0);
    const again = await open();
    expect(await world.drain(again)).toEqual({ empty: true });
    const [first, second] = batches();
    expect(second?.map(({ key }) => key)).toEqual(first?.map(({ key }) => key));
    expect(second).toHaveLength(2);
    const operation = await world.run(again.operation(group.operations[1]?.id ?? ""));
    expect(await world.run(operation?.settled as never)).toMatchObject({ verdict: "applied" });
    await conserved(again);
  });

  test("with a member in conflict waits as a whole until somebody decides, then goes whole", async () => {
    const engine = await open();
    await world.run(engine.enqueueMany([room("r1")]));
    await world.drain(engine);
    await other("r1", "before");
    const group = await stored(engine.group([lamp("d1"), rename("r1", "stale", { baseVersion: 1 }), lamp("d2")]));
    await world.run(engine.enqueueMany([rename("d1", "x", { entityType: "device", payload: { name: "later" } }), room("c")]));
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await states(group.operations)).toEqual(["blocked", "conflict", "blocked"]);
    expect([await read("devices", "d1"), await read("rooms", "c")]).toMatchObject([null, { name: "c" }]);
    await conserved(engine);
    const id = group.operations[1]?.id ?? "";
    expect(await world.run(engine.conflicts.resolve(id, "mine"))).toBe(true);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(group.operations)).toEqual(["applied", "applied", "applied"]);
    expect(await read("devices", "d1")).toMatchObject({ name: "later" });
    await conserved(engine);
  });

  test.each([
    ["theirs", "superseded"],
    ["discard", "cancelled"],
    ["cancel", "cancelled"],
  ] as const)("with a member in conflict has no effect at all after %s", async (choice, end) => {
    const engine = await open();
    await world.run(engine.enqueueMany([room("r1")]));
    await world.drain(engine);
    await other("r1", "before");
    const group = await stored(engine.group([lamp("d1"), rename("r1", "stale", { baseVersion: 1 })]));
    await world.run(engine.enqueueMany([rename("d1", "x", { entityType: "device", payload: { name: "later" } })]));
    await world.drain(engine);
    const id = group.operations[1]?.id ?? "";
    if (choice === "theirs") await world.run(engine.conflicts.resolve(id, "theirs"));
    else if (choice === "discard") await world.run(engine.failed.discard({ ids: [id] }));
    else await world.run(engine.cancel(group.operations[0]?.id ?? ""));
    await world.drain(engine);
    expect(await states(group.operations)).toEqual([end, end]);
    expect([await read("devices", "d1"), await read("rooms", "r1")]).toMatchObject([null, { name: "before" }]);
    await conserved(engine);
  });

  test("is retried, archived, restored and discarded as a whole, whichever member is named", async () => {
    const engine = await open();
    const group = await stored(engine.group([room("r1"), bad("r2"), lamp("d1")]));
    await world.drain(engine);
    const [first, , last] = group.operations;
    expect(await world.run(engine.failed.archive({ ids: [last?.id ?? ""] }))).toBe(3);
    expect(await states(group.operations)).toEqual(["archived", "archived", "archived"]);
    expect(await world.run(engine.failed.restore({ ids: [first?.id ?? ""] }))).toBe(3);
    const before = batches().length;
    expect(await world.run(engine.failed.retry({ ids: [first?.id ?? ""] }))).toBe(3);
    await world.drain(engine);
    expect(idsSent().slice(before)).toEqual([["r1", "r2", "d1"]]);
    expect(await states(group.operations)).toEqual(["failed", "failed", "failed"]);
    expect(await world.run(engine.failed.discard({ ids: [last?.id ?? ""] }))).toBe(3);
    expect(await states(group.operations)).toEqual(["cancelled", "cancelled", "cancelled"]);
    await conserved(engine);
  });

  test("is cancelled as a whole, before it goes and while it may be under way", async () => {
    const engine = await open({ autoStart: false });
    const waiting = await stored(engine.group([room("r1"), lamp("d1")]));
    expect(await world.run(waiting.operations[1]?.cancel() as never)).toBe(true);
    expect(await states(waiting.operations)).toEqual(["cancelled", "cancelled"]);
    const sealed = await stored(engine.group([room("r2"), lamp("d2")]));
    world.transport.next(OPS, failed("timeout"));
    engine.start();
    await world.advance(40_000 - 39_900);
    expect(await world.run(sealed.operations[0]?.cancel() as never)).toBe(false);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(sealed.operations)).toEqual(["cancelled", "cancelled"]);
    expect(await read("rooms", "r2")).toBe(null);
    await conserved(engine);
  });

  test("expires as a whole with the first of its members", async () => {
    const engine = await open({ autoStart: false });
    const group = await stored(engine.group([room("r1"), { ...lamp("d1"), expiresAt: world.now + 1000 }]));
    await world.advance(2000);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(group.operations)).toEqual(["cancelled", "cancelled"]);
    expect(await read("rooms", "r1")).toBe(null);
  });

  test("expires as a whole also when copies of it may be under way: then all of them go out once more to be stopped", async () => {
    const engine = await open();
    await world.run(engine.enqueueMany([room("r1")]));
    await world.drain(engine);
    await other("r1", "before");
    await world.run(engine.stop());
    await world.run(engine.enqueueMany([rename("r1", "stale", { baseVersion: 1 })]));
    const group = await stored(engine.group([room("r5"), { ...lamp("d5"), expiresAt: world.now + 8 }]));
    const before = batches().length;
    engine.start();
    await world.drain(engine);
    const sent = batches()
      .slice(before)
      .map((batch) => batch.map(({ entity_id, cancelled }) => `${entity_id}${cancelled === true ? " cancelled" : ""}`));
    expect(sent).toEqual([
      ["r1", "r5", "d5"],
      ["r5 cancelled", "d5 cancelled"],
    ]);
    expect(await states(group.operations)).toEqual(["cancelled", "cancelled"]);
    await conserved(engine);
  });

  test("of unknown outcome is parked as a whole, and sent again as a whole, with the same keys, when a person says so", async () => {
    const engine = await open({ backoff: { baseMs: 10, maxDelayMs: 10, maxAttempts: 2 } });
    await world.drain(engine);
    const stop = world.transport.always(OPS, () => ({ kind: "answer", status: 500, headers: {}, body: "", elapsedMs: 0 }));
    const forget = world.transport.always(
      ({ path }) => path.endsWith("/cancel"),
      async (request) => {
        const answer = await ask(request);
        return answer.kind === "answer" ? { ...answer, body: answer.body.replace(/"known_since":"\d{4}/, '"known_since":"9999') } : answer;
      },
    );
    const group = await stored(engine.group([room("r1"), lamp("d1")]));
    await world.advance(600_000);
    expect(await states(group.operations)).toEqual(["parked", "parked"]);
    await conserved(engine);
    stop();
    forget();
    const keys = batches()
      .at(-1)
      ?.map(({ key }) => key);
    const count = batches().length;
    expect(await world.run(engine.failed.retry({ ids: [group.operations[1]?.id ?? ""] }))).toBe(2);
    await world.drain(engine);
    const again = batches().slice(count) as unknown as readonly (readonly { readonly key: string; readonly op_number: number }[])[];
    expect(again[0]?.map(({ key }) => key)).toEqual(keys);
    expect((again[0]?.[1]?.op_number ?? 0) - (again[0]?.[0]?.op_number ?? 0)).toBe(1);
    await conserved(engine);
  });

  test("that uses up its tries ends in one way for all", async () => {
    const engine = await open({ backoff: { baseMs: 10, maxDelayMs: 10, maxAttempts: 3 } });
    await world.drain(engine);
    const answers: Reply = () => ({ kind: "answer", status: 500, headers: {}, body: "", elapsedMs: 0 });
    world.transport.always(OPS, answers);
    const group = await stored(engine.group([room("r1"), lamp("d1")]));
    await world.advance(600_000);
    expect(await states(group.operations)).toEqual(["failed", "failed"]);
    expect(await codes(group.operations)).toEqual(["RETRIES_EXHAUSTED", "DEPENDENCY_FAILED"]);
    expect(new Set(idsSent().map((batch) => batch.join()))).toEqual(new Set(["r1,d1"]));
    await conserved(engine);
  });

  test("with a member of a type that nobody knows waits as a whole, until it is known again", async () => {
    const engine = await open({ autoStart: false });
    await world.run(engine.enqueueMany([lamp("d1")]));
    const group = await stored(engine.group([room("r1"), { run: updateDeviceState, input: { device_id: "d1", state: { on: true } } }]));
    await world.run(engine.enqueueMany([rename("r1", "later")]));
    await world.run(engine.close());
    world.engines.splice(0);
    const older = await open({ operations: [] });
    expect(await world.drain(older)).toEqual({ empty: false, reason: "blocked" });
    expect(await read("rooms", "r1")).toBe(null);
    await conserved(older);
    const second = await stored(older.group([room("r2"), rename("r1", "never")]));
    await world.drain(older);
    expect(await states(second.operations)).toEqual(["blocked", "blocked"]);
    await world.run(older.close());
    world.engines.splice(0);
    const newer = await open();
    expect(await world.drain(newer)).toEqual({ empty: true });
    expect(await read("rooms", "r1")).toMatchObject({ name: "never" });
    expect(await world.run(newer.operation(group.operations[0]?.id ?? "").then((one) => one?.settled as never))).toMatchObject({
      verdict: "applied",
    });
  });
});

test("X10 a group of which one member is parked and the others were never sent is given up as a whole", async () => {
  const engine = await open({ autoStart: false });
  await stored(engine.group([room("r1"), { run: updateDeviceState, input: { device_id: "d1", state: { on: true } } }, room("r2")]));
  await world.run(engine.close());
  world.engines.splice(0);
  const older = await open({ operations: [] });
  await world.drain(older);
  const [parked] = await world.run(older.failed.list());
  expect(await world.run(older.failed.discard({ ids: [parked?.id ?? ""] }))).toBe(3);
  await world.drain(older);
  expect(await world.run(older.status())).toMatchObject({ pending: 0, sealed: 0, failed: 0 });
  expect(batches()).toEqual([]);
  await conserved(older);
});

describe("X8 what is sealed behind an operation that was refused", () => {
  test("is opened with its whole group", async () => {
    const engine = await open({ autoStart: false });
    await world.run(engine.enqueueMany([bad("a")]));
    const group = await stored(engine.group([rename("a", "x"), lamp("d1")]));
    world.transport.next(OPS, failed("timeout"));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await states(group.operations)).toEqual(["blocked", "blocked"]);
    expect(idsSent()).toEqual([["a", "a", "d1"], ["a"]]);
    await conserved(engine);
  });

  test("is opened when it depends on that, and so is what comes behind it in its entity", async () => {
    const engine = await open({ autoStart: false });
    await world.run(
      engine.enqueueMany([
        bad("a"),
        { ...lamp("d1"), dependsOn: [0] },
        rename("d1", "x", { entityType: "device", payload: { name: "x" } }),
      ]),
    );
    world.transport.next(OPS, failed("timeout"));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(idsSent()).toEqual([["a", "d1", "d1"], ["a"]]);
    await conserved(engine);
  });
});

describe("X10 a group that was queued before anybody knew the backend", () => {
  const restart = (limits: Parameters<typeof createSyncServer>[0]["limits"], operations = serverOperations): void => {
    server = serverWith({ operations, ...(limits === undefined ? {} : { limits }) });
  };

  test("is parked whole when it can never fit into a request; a person gives it up", async () => {
    restart({ maxOperations: 2 });
    const engine = await open({ autoStart: false });
    const group = await stored(engine.group([room("r1"), lamp("d1"), lamp("d2")]));
    await world.run(engine.enqueueMany([rename("r1", "later"), room("c")]));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await states(group.operations)).toEqual(["parked", "parked", "parked"]);
    expect(await codes(group.operations)).toEqual(["GROUP_TOO_LARGE", "GROUP_TOO_LARGE", "GROUP_TOO_LARGE"]);
    expect([await read("rooms", "r1"), await read("rooms", "c")]).toMatchObject([null, { name: "c" }]);
    await conserved(engine);
    expect(await world.run(engine.failed.discard({ ids: [group.operations[1]?.id ?? ""] }))).toBe(3);
    await world.drain(engine);
    await conserved(engine);
  });

  test("fails whole when the server finds its request too large after all", async () => {
    restart({ maxBodyBytes: 3000 });
    const engine = await open({ autoStart: false });
    world.transport.next("/api/v1/sync/handshake", async (request) => {
      const answer = await ask(request);
      return answer.kind === "answer" ? { ...answer, body: answer.body.replace(/"max_bytes":\d+/, '"max_bytes":1000000') } : answer;
    });
    const group = await stored(engine.group(Array.from({ length: 8 }, (_, index) => room(`r${index}`))));
    await world.run(engine.enqueueMany([room("c")]));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(new Set(await states(group.operations))).toEqual(new Set(["failed"]));
    expect(await world.run(group.settled)).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(await read("rooms", "c")).toMatchObject({ name: "c" });
    await conserved(engine);
  });

  test("is parked whole when the backend does not know one of its operations by name", async () => {
    restart(undefined, {});
    const engine = await open({ autoStart: false });
    const group = await stored(engine.group([lamp("d1"), { run: updateDeviceState, input: { device_id: "d1", state: { on: true } } }]));
    engine.start();
    await world.drain(engine);
    expect(await codes(group.operations)).toEqual(["GROUP_UNSUPPORTED", "GROUP_UNSUPPORTED"]);
    expect(await read("devices", "d1")).toBe(null);
    await conserved(engine);
  });
});

describe("X10 a group of which", () => {
  test("a member was merged by a rule goes again whole, under new keys that name the old ones", async () => {
    const merging = defineEntity<{ name: string }>("room", { collection: "rooms", fields: { name: { policy: "client-wins" } } });
    const engine = await open({ entities: [merging, device] as never });
    await world.run(engine.enqueueMany([room("r1")]));
    await world.drain(engine);
    await other("r1", "theirs");
    const before = batches().length;
    const group = await stored(engine.group([lamp("d1"), rename("r1", "mine", { baseVersion: 1 }), lamp("d2")]));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(group.operations)).toEqual(["applied", "applied", "applied"]);
    const [first, second] = batches().slice(before) as unknown as { readonly key: string; readonly supersedes?: readonly string[] }[][];
    expect(second?.map(({ supersedes }) => supersedes)).toEqual(first?.map(({ key }) => [key]));
    expect(await read("rooms", "r1")).toMatchObject({ name: "mine" });
  });

  test("a member cannot be read any more is not sent without it; a person can only give it up", async () => {
    const engine = await open({ autoStart: false, batch: { maxOperations: 10 } });
    const group = await stored(engine.group([room("r1"), lamp("d1")]));
    world.transport.next(OPS, failed("timeout"));
    engine.start();
    await world.advance(50);
    await world.run(engine.close());
    world.engines.splice(0);
    world.disk.transaction({ ownWrites: 0 }, () => {
      const [, second] = [...world.disk.states.from(0)];
      if (second !== undefined) world.disk.states.set(second.seq, { ...second, packIndex: 99 });
    });
    const sentBefore = batches().length;
    const again = await open();
    await world.drain(again);
    expect(
      await states(group.operations.map(({ id }) => ({ status: async () => (await again.operation(id))?.status() })) as never),
    ).toEqual(["parked", "quarantined"]);
    expect(await world.run(again.failed.retry({ all: true }))).toBe(0);
    await world.drain(again);
    expect(batches()).toHaveLength(sentBefore);
    expect(await read("rooms", "r1")).toBe(null);
    await conserved(again);
    expect(await world.run(again.failed.discard({ ids: [group.operations[0]?.id ?? ""] }))).toBe(2);
    await conserved(again);
  });
});

test("X10 a group of which some members cannot be read waits for them, and is given up with them", async () => {
  const engine = await open({ autoStart: false });
  // A segment holds a megabyte: the group lies in two.
  const large = (id: string, chars: number): EnqueueInput => room(id, { name: "x".repeat(chars), type: "kitchen" });
  const filling = engine.enqueueMany(["f1", "f2", "f3"].map((id) => large(id, 250_000)));
  const group = engine.group(["r1", "r2", "r3", "r4"].map((id) => large(id, 100_000)));
  await world.run(Promise.all([filling, group.stored]));
  world.disk.transaction({ ownWrites: 0 }, () => {
    const [first] = [...world.disk.segments.from(0)];
    for (const { seqFrom, ...segment } of Array.from(world.disk.segments.from(0))) {
      if (seqFrom === first?.seqFrom) continue;
      world.disk.segments.set(seqFrom, { ...segment, seqFrom, body: segment.body.map((byte) => byte ^ 1) });
    }
  });
  await world.run(engine.enqueueMany([room("c")]));
  engine.start();
  expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
  expect(await states(group.operations.slice(0, 2))).toEqual(["blocked", "blocked"]);
  expect([await read("rooms", "r1"), await read("rooms", "c")]).toMatchObject([null, { name: "c" }]);
  await conserved(engine);
  const damaged = await world.run(engine.quarantine.list());
  expect(damaged).toHaveLength(2);
  expect(await world.run(engine.failed.discard({ ids: damaged.slice(0, 1).map(({ id }) => id) }))).toBe(4);
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(await states(group.operations.slice(0, 2))).toEqual(["cancelled", "cancelled"]);
  expect(await read("rooms", "r1")).toBe(null);
  await conserved(engine);
});

test("A5 a group belongs to whoever was signed in when it was asked for, whoever signs in meanwhile", async () => {
  const engine = await open({ autoStart: false });
  const group = engine.group([room("r1"), lamp("d1")]);
  world.session = { account: { space: "home", principal: "bob" }, token: "token-2" };
  await world.run(engine.auth.refresh());
  await world.run(group.stored);
  expect(await world.run(engine.status())).toMatchObject({ pending: 0 });
  world.session = { account: { space: "home", principal: "ada" }, token: "token-1" };
  await world.run(engine.auth.refresh());
  expect(await world.run(engine.status())).toMatchObject({ pending: 2 });
});

test("X8 a DELETE behind a CREATE that may have been sent waits for its verdict", async () => {
  const engine = await open({ autoStart: false });
  await world.run(engine.enqueueMany([room("r1")]));
  world.transport.next(OPS, lost, failed("timeout"));
  engine.start();
  await world.advance(50);
  await world.run(engine.enqueueMany([{ type: "DELETE", entityType: "room", entityId: "r1" }]));
  expect(await world.drain(engine)).toEqual({ empty: true });
  const types = batches().map((batch) => (batch as unknown as { readonly type: string }[]).map(({ type }) => type));
  expect(types).toEqual([["CREATE"], ["CREATE"], ["CREATE"], ["DELETE"]]);
  expect(await read("rooms", "r1")).toBe(null);
});

describe("Q8 a group is refused at the call, and nothing is queued", () => {
  const refusal = (engine: SyncEngine, members: readonly EnqueueInput[]): string => {
    try {
      engine.group(members);
    } catch (error) {
      const { code, message } = error as { readonly code: string; readonly message: string };
      expect(message).toMatch(/Nothing was queued/);
      return code;
    }
    return "taken";
  };
  const many = (count: number, name = "r"): readonly EnqueueInput[] =>
    Array.from({ length: count }, (_, index) => room(`r${index}`, { name, type: "kitchen", floor_number: 0 }));

  test("when it is empty, too many, or too large", async () => {
    const engine = await open({ autoStart: false, batch: { maxOperations: 10, maxBytes: 20_000 } });
    expect(refusal(engine, [])).toBe("INVALID_OPERATION");
    expect(refusal(engine, many(11))).toBe("GROUP_TOO_LARGE");
    expect(refusal(engine, many(3, "x".repeat(8000)))).toBe("GROUP_TOO_LARGE");
    expect(refusal(engine, [room("r1"), { type: "CREATE", entityType: "", payload: {} }])).toBe("INVALID_OPERATION");
    expect(await world.run(engine.status())).toMatchObject({ pending: 0 });
  });

  test("when the backend is not known to be able to, or known not to be", async () => {
    const engine = await open({ autoStart: false, backend: { minimumLevel: 0 } });
    expect(refusal(engine, many(2))).toBe("GROUP_UNSUPPORTED");
    engine.start();
    await world.run(engine.enqueueMany([room("a")]));
    await world.drain(engine);
    expect(refusal(engine, many(2))).toBe("taken");
    expect(
      refusal(engine, [
        { type: "CREATE", entityType: "heart_rate", entityId: "h", payload: {} },
        { type: "CREATE", entityType: "nobody", entityId: "h", payload: {} },
      ]),
    ).toBe("GROUP_UNSUPPORTED");
    await world.drain(engine);
  });
});

describe("X9 what depends on another", () => {
  test("goes in the same request behind it, and names its key", async () => {
    const engine = await open({ autoStart: false });
    const [first] = await world.run(engine.enqueueMany([room("a"), { ...lamp("d1"), dependsOn: [0] }]));
    engine.run(updateDeviceState, { device_id: "d1", state: { on: true } }, { dependsOn: [first as never] });
    await world.advance(10);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    const [batch = []] = batches();
    expect(batch.map(({ depends_on }) => depends_on)).toEqual([undefined, [batch[0]?.key], [batch[0]?.key]]);
  });

  test("waits behind a parent that failed, through several levels, with what comes behind it in its entity; the rest goes on", async () => {
    const engine = await open({ autoStart: false });
    const operations = await world.run(
      engine.enqueueMany([
        bad("a"),
        { ...lamp("d1"), dependsOn: [0] },
        { ...room("b"), dependsOn: [1] },
        rename("b", "b later"),
        room("c"),
      ]),
    );
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await states(operations)).toEqual(["failed", "blocked", "blocked", "blocked", "applied"]);
    expect(
      batches()
        .flat()
        .filter(({ entity_id }) => entity_id === "d1").length,
    ).toBeLessThanOrEqual(1);
    const waiting = await world.run(engine.pending.list());
    expect(waiting.map(({ blockedBy, attempts }) => [blockedBy, attempts])).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    await conserved(engine);
    await world.run(engine.failed.discard({ ids: [operations[0]?.id ?? ""] }));
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    // The child fails, and its own child waits for it.
    expect(await states(operations)).toEqual(["cancelled", "failed", "blocked", "blocked", "applied"]);
    expect((await codes(operations))[1]).toBe("DEPENDENCY_FAILED");
    await conserved(engine);
    // A person wants it all the same: it goes without what is gone.
    await world.run(engine.failed.retry({ ids: [operations[1]?.id ?? ""] }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(operations)).toEqual(["cancelled", "applied", "applied", "applied", "applied"]);
    expect(await read("rooms", "b")).toMatchObject({ name: "b later" });
    await conserved(engine);
  });

  test("waits while its parent is archived, and goes when that has gone", async () => {
    const engine = await open();
    const [parent, child] = await world.run(engine.enqueueMany([bad("a"), { ...lamp("d1"), dependsOn: [0] }]));
    const both = [parent as never, child as never];
    await world.drain(engine);
    expect(await states(both)).toEqual(["failed", "blocked"]);
    const ids = [(parent as { readonly id: string }).id];
    await world.run(engine.failed.archive({ ids }));
    await world.drain(engine);
    expect(await states(both)).toEqual(["archived", "blocked"]);
    await conserved(engine);
    await world.run(engine.failed.restore({ ids }));
    isLenient = true;
    await world.run(engine.failed.retry({ ids }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states(both)).toEqual(["applied", "applied"]);
    await conserved(engine);
  });

  test("fails when its parent was cancelled or has expired, and parks when nobody knows its parent", async () => {
    const engine = await open({ autoStart: false });
    const parents = await world.run(engine.enqueueMany([room("a"), { ...room("b"), expiresAt: world.now + 10 }]));
    const unknown = "01999999-9999-7999-8999-999999999999";
    const children = await world.run(
      engine.enqueueMany([
        { ...lamp("d1"), dependsOn: [parents[0] as never] },
        { ...lamp("d2"), dependsOn: [parents[1] as never] },
        { ...lamp("d3"), dependsOn: [unknown] },
        rename("d3", "x", { entityType: "device", payload: { name: "later" } }),
      ]),
    );
    await world.run(parents[0]?.cancel() as never);
    await world.advance(100);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await states(children)).toEqual(["failed", "failed", "parked", "blocked"]);
    expect((await codes(children)).slice(0, 3)).toEqual(["DEPENDENCY_FAILED", "DEPENDENCY_FAILED", "DEPENDENCY_FAILED"]);
    await conserved(engine);
    await world.run(engine.failed.retry({ ids: [children[2]?.id ?? ""] }));
    await world.drain(engine);
    expect(await read("devices", "d3")).toMatchObject({ name: "later" });
    await conserved(engine);
  });

  test("is released when the operation that it waits with is cancelled", async () => {
    const engine = await open({ autoStart: false });
    const operations = await world.run(
      engine.enqueueMany([
        bad("a"),
        { ...lamp("d1"), dependsOn: [0] },
        { ...room("b"), dependsOn: [1] },
        { type: "DELETE", entityType: "device", entityId: "d1" },
      ]),
    );
    engine.start();
    await world.drain(engine);
    await world.run(operations[1]?.cancel() as never);
    await world.drain(engine);
    expect((await states(operations)).slice(0, 3)).toEqual(["failed", "cancelled", "failed"]);
    await conserved(engine);
  });

  test("is found in the queue file, whichever process wrote it; what was stored later can never come first", async () => {
    let gate = Promise.resolve();
    const slow: StoreAdapter = {
      ...world.store,
      open: async (...how) => {
        const opened = await world.store.open(...how);
        const store = new Proxy(opened.store, {
          get: (target, name) => {
            if (name === "append") return (segments: never) => gate.then(() => target.append(segments));
            const own: unknown = Reflect.get(target, name);
            return typeof own === "function" ? own.bind(target) : own;
          },
        });
        return { ...opened, store };
      },
    };
    const [one, two] = [await open({ autoStart: false, store: slow }), await open({ autoStart: false })];
    const [parent] = await world.run(one.enqueueMany([room("a")]));
    const [child] = await world.run(two.enqueueMany([{ ...lamp("d1"), dependsOn: [(parent as { readonly id: string }).id] }]));
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const late = one.run(updateDeviceState, { device_id: "d1", state: { on: true } });
    const early = await world.run(two.enqueueMany([{ ...room("b"), dependsOn: [late.id] }]));
    resolve();
    await world.run(late.stored);
    one.start();
    await world.drain(one);
    expect(await states([child as never, late])).toEqual(["applied", "applied"]);
    expect(await states(early)).toEqual(["parked"]);
    await conserved(one);
  });

  test("by REST is not even sealed while the request with its parent has no answer", async () => {
    const touch = defineOperation<{ readonly id: string }>("room.touch", {
      entity: ({ id }) => rooms.ref(id),
      apply: (draft) => void Object.assign(draft, { floor_number: 3 }),
      request: ({ patch }) => ({ method: "PATCH", path: "/api/v1/rooms/{id}", body: patch as never }),
    });
    const engine = await open({ operations: [touch] as never, batch: { maxOperations: 2 } });
    await world.run(engine.enqueueMany([room("x")]));
    await world.drain(engine);
    await world.run(engine.stop());
    const [, parent] = await world.run(engine.enqueueMany([room("a"), bad("b")]));
    const child = engine.run(touch, { id: "x" }, { dependsOn: [parent as never] });
    await world.run(child.stored);
    await world.run(engine.enqueueMany([room("c"), room("d")]));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await states([child])).toEqual(["blocked"]);
    expect(await read("rooms", "x")).toMatchObject({ floor_number: 0 });
    await conserved(engine);
  });

  test("keeps its place in its entity while a group there waits for somebody else", async () => {
    const engine = await open({ autoStart: false });
    const [a, , child] = await world.run(engine.enqueueMany([bad("a"), bad("b"), { ...lamp("d1"), dependsOn: [1] }]));
    const later = rename("d1", "x", { entityType: "device", payload: { name: "x" } });
    const group = await stored(engine.group([{ ...room("g"), dependsOn: [a as never] }, later]));
    engine.start();
    await world.drain(engine);
    const waiting = async (): Promise<readonly (number | null)[]> =>
      (await world.run(engine.pending.list())).map(({ blockedBy }) => blockedBy);
    expect(await waiting()).toEqual([2, 1, 1]);
    await conserved(engine);
    isLenient = true;
    await world.run(engine.failed.retry({ ids: [a?.id ?? ""] }));
    await world.drain(engine);
    expect(await waiting()).toEqual([2, 2, 2]);
    await conserved(engine);
    await world.run(engine.failed.retry({ all: true }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await states([child as never, ...group.operations])).toEqual(["applied", "applied", "applied"]);
    await conserved(engine);
  });

  test("is sent alone, and only when its parents are applied, where the backend has no sync face", async () => {
    const rest = new PlainRestBackend();
    await world.close();
    world = new TestWorld({ backend: (request) => rest.answer(request) });
    const engine = await open({ autoStart: false, backend: { level: 0, minimumLevel: 0 } });
    world.transport.next("/api/v1/rooms", refused(422, "VALIDATION_ERROR"));
    const operations = await world.run(engine.enqueueMany([room("a"), { ...lamp("d1"), dependsOn: [0] }, room("c")]));
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect((await states(operations)).slice(1)).toEqual(["blocked", "applied"]);
    expect([...rest.documents.keys()]).toEqual(["c"]);
    await conserved(engine);
  });

  test("Q8 a cycle cannot be built: it is refused at the call, and nothing is queued", async () => {
    const engine = await open({ autoStart: false });
    for (const dependsOn of [[0], [1], [-1], ["x"], [{}], "a", Array.from({ length: 33 }, () => crypto.randomUUID())]) {
      await expect(world.run(engine.enqueueMany([{ ...room("a"), dependsOn: dependsOn as never }]))).rejects.toMatchObject({
        code: "INVALID_OPERATION",
      });
    }
    expect(() => engine.group([{ ...room("a"), dependsOn: [0] }])).toThrow(/dependency cycle/);
    expect(await world.run(engine.status())).toMatchObject({ pending: 0 });
  });
});
