import { createSyncServer, type SyncServer } from "@guardian-sync/server";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen, type Listening } from "@guardian-sync/server/node";
import { createSyncEngine, type SyncEngine } from "guardian-sync";
import { memoryStore } from "guardian-sync/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { homeEntities, homeOperations } from "./client.ts";
import { homeCollections, homeOperations as serverOperations } from "./server.ts";

type Request = Parameters<SyncServer["handle"]>[0];
type Response = Awaited<ReturnType<SyncServer["handle"]>>;

const account = { space: "home", principal: "ada" };
const DEVICES = ["d1", "d2", "d3", "d4", "d5"];
let http: Listening;
let sync: SyncEngine;
/** Instead of the server's own answer. */
let instead: (request: Request, own: () => Promise<Response>) => Promise<Response> = (_, own) => own();
let most = 0;
let underWay = 0;

/** With `hasSyncFace` false: a plain REST backend, without our envelope around what it is sent. */
async function start(hasSyncFace: boolean): Promise<void> {
  const server = createSyncServer({
    storage: memoryStorage(),
    collections: homeCollections,
    operations: serverOperations,
    authenticate: () => ({ ...account, roles: [] }),
  });
  const answer = (request: Request): Promise<Response> => {
    if (hasSyncFace) return server.handle(request);
    if (request.path.startsWith("/api/v1/sync/")) return Promise.resolve({ status: 404, headers: {}, body: "" });
    if (request.body.byteLength === 0) return server.handle(request);
    const payload: unknown = JSON.parse(new TextDecoder().decode(request.body));
    const meta = { trace_id: crypto.randomUUID(), timestamp: new Date().toISOString() };
    return server.handle({ ...request, body: new TextEncoder().encode(JSON.stringify({ meta, payload })) });
  };
  http = await listen({
    maxBodyBytes: server.maxBodyBytes,
    close: server.close.bind(server),
    handle: async (request: Request) => {
      if (request.method === "GET" || request.path.endsWith("handshake")) return answer(request);
      underWay += 1;
      most = Math.max(most, underWay);
      try {
        return await instead(request, () => answer(request));
      } finally {
        underWay -= 1;
      }
    },
  });
  sync = await createSyncEngine({
    store: memoryStore(),
    backend: { baseUrl: http.url, session: () => ({ account, token: "ada" }), level: 2 },
    entities: homeEntities,
    operations: homeOperations,
    ordering: "entity",
    concurrency: 5,
    // What is counted here are single steps.
    coalesce: false,
    batch: { maxOperations: 10 },
    backoff: { baseMs: 20, maxDelayMs: 40, maxAttempts: 1000 },
  });
}
beforeEach(() => {
  instead = (_, own) => own();
  most = 0;
});
afterEach(async () => {
  await sync.close();
  await http.close({ deadlineMs: 100 });
});

async function devicesMade(): Promise<void> {
  for (const entityId of DEVICES)
    await sync.enqueue({ type: "CREATE", entityType: "device", entityId, payload: { device_type: "lamp", state: { step: 0 } } });
  expect(await sync.drain()).toEqual({ empty: true });
  await sync.stop();
  most = 0;
}
const steps = (each: number): Promise<unknown> =>
  sync.enqueueMany(
    Array.from({ length: each }, (_, step) =>
      DEVICES.map((entityId) => ({ type: "UPDATE" as const, entityType: "device", entityId, payload: { state: { step: step + 1 } } })),
    ).flat(),
  );
async function device(id: string): Promise<{ readonly version: number; readonly state: { readonly step: number } }> {
  const answer = await fetch(`${http.url}/api/v1/devices/${id}`, { headers: { authorization: "Bearer ada" } });
  return ((await answer.json()) as { data: never }).data;
}
const states = async (): Promise<readonly string[]> =>
  Promise.all(DEVICES.map(async (id) => device(id).then(({ version, state }) => `${id} v${version} step ${state.step}`)));

/** All that came has arrived before the first of it is answered. */
function togetherThen(count: number): (request: Request, own: () => Promise<Response>) => Promise<Response> {
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    open = resolve;
  });
  return async (_, own) => {
    if (underWay >= count) open();
    await all;
    return own();
  };
}

describe("the sync face", () => {
  beforeEach(() => start(true));

  test("Q2 five requests travel together, and each device ends as its last update says", async () => {
    await devicesMade();
    await steps(20);
    instead = togetherThen(5);
    sync.start();
    expect(await sync.drain()).toEqual({ empty: true });
    expect(most).toBe(5);
    expect(await states()).toEqual(DEVICES.map((id) => `${id} v21 step 20`));
  });
});

describe("plain REST", () => {
  beforeEach(() => start(false));

  test("Q2 five lanes are five requests, each device in its order", async () => {
    await devicesMade();
    await steps(4);
    instead = togetherThen(5);
    sync.start();
    expect(await sync.drain()).toEqual({ empty: true });
    expect(most).toBe(5);
    expect(await states()).toEqual(DEVICES.map((id) => `${id} v5 step 4`));
  });

  test("Q2 one that takes its time keeps only its own device waiting", async () => {
    await devicesMade();
    await steps(4);
    let answerSlow: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      answerSlow = resolve;
    });
    instead = async (request, own) => {
      if (request.path.endsWith("/d3")) await slow;
      return own();
    };
    sync.start();
    while ((await sync.status()).succeeded < 5 + 16) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await device("d3")).toMatchObject({ version: 1 });
    expect(await sync.status()).toMatchObject({ sealed: 1, pending: 3 });
    answerSlow();
    expect(await sync.drain()).toEqual({ empty: true });
    expect(await states()).toEqual(DEVICES.map((id) => `${id} v5 step 4`));
  });

  test("R1 one that is refused with 500 again and again keeps only its own device waiting", async () => {
    await devicesMade();
    await steps(3);
    let isBroken = true;
    instead = async (request, own) => {
      if (isBroken && request.path.endsWith("/d2")) return { status: 500, headers: { "content-type": "application/json" }, body: "{}" };
      return own();
    };
    sync.start();
    while ((await sync.status()).succeeded < 5 + 12) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await device("d2")).toMatchObject({ version: 1 });
    isBroken = false;
    await sync.drain();
    expect((await device("d2")).state.step).toBe(3);
    expect(await sync.status()).toMatchObject({ conserved: true, pending: 0, sealed: 0 });
  });
});
