import { createSyncServer, type SyncServer } from "@guardian-sync/server";
import { memoryStorage } from "@guardian-sync/server/memory";
import { defineEntity, type EnqueueInput, type SyncEngine } from "guardian-sync";
import { failed, refused, type Reply, type SeenRequest, type TestEngineOptions, TestWorld } from "guardian-sync/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { homeCollections } from "./server.ts";

/** Entity ordering with groups, dependencies and folding: what stands in several lanes at once. */
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
/** The next request is carried out, and answered when the returned function is called. */
function holdNext(): () => void {
  let answer: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  world.transport.next(OPS, async (request) => {
    const answered = await ask(request);
    await held;
    return answered;
  });
  return answer;
}

beforeEach(() => {
  world = new TestWorld({ backend: ask });
  server = createSyncServer({
    storage: memoryStorage(),
    collections: homeCollections,
    authenticate: () => ({ space: "home", principal: "ada", roles: [] }),
    clock: { now: () => world.clock.now(), schedule: (delayMs, task) => world.clock.schedule(delayMs, task) },
  });
});
afterEach(async () => {
  await world.close();
  await server.close();
});

const rename = (entityId: string, name: string, more: Partial<EnqueueInput> = {}): EnqueueInput => ({
  type: "UPDATE",
  entityType: "room",
  entityId,
  payload: { name },
  ...more,
});
const ROOMS = ["r1", "r2", "r3", "r4"];
const reopen = (options: TestEngineOptions = {}): Promise<SyncEngine> =>
  world.engine({
    entities: [defineEntity("room", { collection: "rooms" })],
    ordering: "entity",
    ...options,
    backend: { minimumLevel: 4, ...options.backend },
  });
/** Four rooms, and an engine that trusts what it sends. */
async function open(options: TestEngineOptions = {}): Promise<SyncEngine> {
  const engine = await reopen(options);
  const rooms = ROOMS.map((entityId) => ({
    type: "CREATE" as const,
    entityType: "room",
    entityId,
    payload: { name: entityId, type: "kitchen", floor_number: 0 },
  }));
  await world.run(engine.enqueueMany(rooms));
  await world.drain(engine);
  world.transport.requests.length = 0;
  return engine;
}
/** As another client would, on the REST face. */
async function other(id: string, payload: Record<string, unknown>): Promise<void> {
  const meta = { trace_id: crypto.randomUUID(), timestamp: new Date(world.now).toISOString() };
  const { status } = await server.handle({
    method: "PATCH",
    path: `/api/v1/rooms/${id}`,
    query: {},
    headers: { authorization: "Bearer token-1", "idempotency-key": crypto.randomUUID(), "content-type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify({ meta, payload })),
    remoteAddress: "10.0.0.1",
  });
  expect(status).toBe(200);
}
interface SentOperation {
  readonly key: string;
  readonly entity_id: string;
  readonly payload: { readonly name?: string } | null;
  readonly depends_on?: readonly string[];
}
const batches = (): readonly (readonly SentOperation[])[] =>
  world.transport.requests
    .filter(({ path, method }) => path === OPS && method === "POST")
    .map(({ json }) => (json as unknown as { payload: { operations: SentOperation[] } }).payload.operations);
const sent = (): readonly string[] =>
  batches().map((batch) => batch.map(({ entity_id, payload }) => `${entity_id} ${payload?.name}`).join(", "));
const conserved = async (engine: SyncEngine): Promise<void> => {
  expect(await engine.status()).toMatchObject({ pending: 0, sealed: 0, failed: 0, conserved: true });
  expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false, differences: [] });
};

test("X10 Q2 a group over two entities waits while one of them is under way, keeps both lanes closed behind it, and goes whole", async () => {
  const engine = await open();
  const answer = holdNext();
  await world.run(engine.enqueue(rename("r1", "one")));
  await world.advance(20);
  const group = engine.group([rename("r1", "two"), rename("r2", "two")]);
  await world.run(group.stored);
  await world.run(engine.enqueueMany([rename("r2", "three"), rename("r3", "free")]));
  await world.advance(100);
  expect(sent()).toEqual(["r1 one", "r3 free"]);
  answer();
  await world.drain(engine);
  expect(sent().slice(2)).toEqual(["r1 two, r2 two, r2 three"]);
  await conserved(engine);
});

test("X10 a group is not split between requests, and one that is larger than what may go goes alone", async () => {
  const engine = await open({ batch: { maxOperations: 3 }, concurrency: 2 });
  await world.run(engine.stop());
  await world.run(engine.enqueueMany([rename("r1", "a"), rename("r1", "b")]));
  await world.run(engine.group([rename("r2", "g"), rename("r3", "g")]).stored);
  await world.run(engine.enqueueMany([rename("r4", "c"), rename("r4", "d")]));
  engine.start();
  await world.drain(engine);
  const together = batches().filter((batch) => batch.some(({ payload }) => payload?.name === "g"));
  expect(together).toHaveLength(1);
  expect(together[0]?.filter(({ payload }) => payload?.name === "g")).toHaveLength(2);
  await conserved(engine);
});

test("X9 Q2 a child does not travel beside its parent, whatever lane it is in; what does not depend on it does", async () => {
  const engine = await open();
  const answer = holdNext();
  const parent = await world.run(engine.enqueue(rename("r1", "parent")));
  await world.advance(20);
  await world.run(engine.enqueueMany([rename("r2", "child", { dependsOn: [parent] }), rename("r3", "free")]));
  await world.advance(100);
  expect(sent()).toEqual(["r1 parent", "r3 free"]);
  answer();
  await world.drain(engine);
  expect(sent().slice(2)).toEqual(["r2 child"]);
  await conserved(engine);
});

test("X9 Q2 a child travels behind its parent in the same request, and names it", async () => {
  const engine = await open();
  await world.run(engine.stop());
  await world.run(engine.enqueueMany([rename("r1", "parent"), rename("r2", "child", { dependsOn: [0] })]));
  engine.start();
  await world.drain(engine);
  const [[parent, child] = []] = batches();
  expect(sent()).toEqual(["r1 parent, r2 child"]);
  expect(child?.depends_on).toEqual([parent?.key]);
  await conserved(engine);
});

test("X9 X6 what depends on a folded one waits for the request with its survivor", async () => {
  const engine = await open({ coalesce: true });
  await world.run(engine.stop());
  const [, last] = await world.run(engine.enqueueMany([rename("r1", "first"), rename("r1", "last")]));
  const answer = holdNext();
  engine.start();
  await world.advance(20);
  expect(sent()).toEqual(["r1 last"]);
  await world.run(engine.enqueueMany([rename("r2", "child", { dependsOn: [last as never] }), rename("r3", "free")]));
  await world.advance(100);
  expect(sent().slice(1)).toEqual(["r3 free"]);
  answer();
  await world.drain(engine);
  expect(sent().slice(2)).toEqual(["r2 child"]);
  await conserved(engine);
});

test("X6 Q2 edits of an entity become one past those of others, unless one of their explicit lane stands between", async () => {
  const engine = await open({ coalesce: true });
  await world.run(engine.stop());
  const inLane = { lane: "x" };
  await world.run(engine.enqueueMany([rename("r1", "a", inLane), rename("r2", "b"), rename("r1", "c", inLane)]));
  await world.run(engine.enqueueMany([rename("r3", "d", inLane), rename("r4", "e", inLane), rename("r3", "f", inLane)]));
  engine.start();
  await world.drain(engine);
  expect(sent()).toEqual(["r1 c, r2 b, r3 d, r4 e, r3 f"]);
  await conserved(engine);
});

test("Q2 X4 what stays sealed because a marker had no answer is opened behind one of its lane that was merged", async () => {
  const rooms = defineEntity("room", { collection: "rooms", onChanged: "ask" });
  const engine = await open({ entities: [rooms] });
  const off = engine.entity(rooms, "r1").subscribe(() => undefined);
  await world.run(engine.pull());
  await world.run(engine.stop());
  for (const id of ["r1", "r2"]) await other(id, { floor_number: 7 });
  await world.run(engine.enqueue(rename("r1", "merged", { lane: "x" })));
  await world.run(engine.enqueue(rename("r2", "other", { baseVersion: 1 })));
  await world.run(engine.enqueue(rename("r3", "behind", { lane: "x" })));
  const isMarker = ({ path }: SeenRequest): boolean => path.endsWith("/cancel");
  world.transport.next(isMarker, ask, refused(503, "SERVICE_UNAVAILABLE"));
  engine.start();
  await world.drain(engine);
  expect(await engine.status()).toMatchObject({ pending: 0, sealed: 0, conserved: true });
  const withR3 = sent().filter((batch) => batch.includes("r3"));
  expect(withR3[0]).toBe("r1 merged, r2 other, r3 behind");
  expect(withR3.slice(1)).toEqual(["r1 merged, r2 other, r3 behind"]);
  off();
});

test("Q2 what is sealed behind one whose bytes cannot be read waits, and goes when a person has given that up", async () => {
  const engine = await open();
  await world.run(engine.stop());
  await world.run(engine.enqueueMany([rename("r1", "damaged"), rename("r1", "behind"), rename("r2", "free")]));
  world.transport.next(OPS, failed("timeout"));
  engine.start();
  await world.advance(50);
  await world.run(engine.close());
  world.engines.splice(0);
  world.disk.transaction({ ownWrites: 0 }, () => {
    const first = [...world.disk.states.from(0)].find(({ phase }) => phase === "sealed");
    if (first !== undefined) world.disk.states.set(first.seq, { ...first, packIndex: 99 });
  });
  world.transport.requests.length = 0;
  const again = await reopen();
  await world.drain(again);
  expect(sent()).toEqual(["r2 free"]);
  expect(await again.status()).toMatchObject({ quarantined: 1, pending: 1, conserved: true });
  await world.run(again.failed.discard({ all: true }));
  await world.drain(again);
  expect(sent().slice(1)).toEqual(["r1 behind"]);
});
