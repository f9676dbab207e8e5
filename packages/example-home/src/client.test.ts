import { createSyncServer, type SyncServer } from "@guardian-sync/server";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen, type Listening } from "@guardian-sync/server/node";
import { createSyncEngine, type SyncEngine } from "guardian-sync";
import { memoryStore } from "guardian-sync/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { homeEntities, homeOperations, recordBloodPressure, recordFallEvent, recordHeartRate, updateDeviceState } from "./client.ts";
import { homeCollections, homeOperations as serverOperations } from "./server.ts";

const account = { space: "home", principal: "ada" };
const headers = { authorization: "Bearer ada" };
let http: Listening;
let sync: SyncEngine;

type Request = Parameters<SyncServer["handle"]>[0];

/** A plain REST backend: no sync face, and no envelope around what it is sent. */
async function restOnly(server: SyncServer, request: Request): ReturnType<SyncServer["handle"]> {
  if (request.path.startsWith("/api/v1/sync/")) return { status: 404, headers: {}, body: "" };
  if (request.body.byteLength === 0) return server.handle(request);
  const payload: unknown = JSON.parse(new TextDecoder().decode(request.body));
  const meta = { trace_id: crypto.randomUUID(), timestamp: new Date().toISOString() };
  return server.handle({ ...request, body: new TextEncoder().encode(JSON.stringify({ meta, payload })) });
}

async function start(handshake: boolean): Promise<void> {
  const server = createSyncServer({
    storage: memoryStorage(),
    collections: homeCollections,
    operations: serverOperations,
    authenticate: (request) => (request.headers.authorization === headers.authorization ? { ...account, roles: [] } : null),
  });
  const serving = {
    maxBodyBytes: server.maxBodyBytes,
    close: server.close.bind(server),
    handle: (request: Request) => (handshake ? server.handle(request) : restOnly(server, request)),
  };
  http = await listen(serving);
  sync = await createSyncEngine({
    store: memoryStore(),
    backend: { baseUrl: http.url, session: () => ({ account, token: "ada" }), level: 3 },
    entities: homeEntities,
    operations: homeOperations,
  });
}
afterEach(async () => {
  await sync.close();
  await http.close({ deadlineMs: 100 });
});

const read = async (path: string): Promise<unknown> => {
  const answer = await fetch(`${http.url}/api/v1/${path}`, { headers });
  return ((await answer.json()) as { data: unknown }).data;
};
const measured_at = "2026-01-01T10:00:00Z";

describe.each([
  ["the sync face", true],
  ["plain REST", false],
])("a home's operations over %s", (_, handshake) => {
  beforeEach(() => start(handshake));

  test("A2 arrive as the server expects them", async () => {
    await sync.enqueue({
      type: "CREATE",
      entityType: "room",
      entityId: "r1",
      payload: { name: "Kitchen", type: "kitchen", floor_number: 0 },
    });
    await sync.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { device_type: "lamp", state: { on: false } } });
    await sync.enqueue({ type: "CREATE", entityType: "user", entityId: "u1", payload: { name: "Ada" } });
    const automation = { name: "Dusk", trigger: { type: "sunset" }, actions: [{ type: "switch_on", device_id: "d1" }] };
    await sync.enqueue({ type: "CREATE", entityType: "automation", entityId: "a1", payload: automation });
    const operations = [
      sync.run(updateDeviceState, { device_id: "d1", state: { on: true, level: 0.5 } }),
      sync.run(recordHeartRate, { id: "h1", user_id: "u1", bpm: 64, measured_at }),
      sync.run(recordBloodPressure, { id: "b1", user_id: "u1", systolic: 120, diastolic: 80, measured_at }),
      sync.run(recordFallEvent, { id: "f1", user_id: "u1", detected_at: measured_at, severity: "low" }),
    ];
    const verdicts = await Promise.all(operations.map((operation) => operation.settled));
    expect(verdicts.map(({ verdict, message }) => message ?? verdict)).toEqual(["applied", "applied", "applied", "applied"]);
    expect(await read("rooms/r1")).toMatchObject({ name: "Kitchen", floor_number: 0 });
    expect(await read("devices/d1")).toMatchObject({ state: { on: true, level: 0.5 } });
    expect(await read("users/u1")).toMatchObject({ name: "Ada" });
    expect(await read("automations/a1")).toMatchObject({ name: "Dusk" });
    expect(await read("health/heart-rate/h1")).toMatchObject({ bpm: 64, user_id: "u1" });
    expect(await read("health/blood-pressure/b1")).toMatchObject({ systolic: 120 });
    expect(await read("health/fall-events/f1")).toMatchObject({ severity: "low" });
  });

  test("Q8 that are wrong are refused before they are queued", async () => {
    expect(() => sync.run(recordHeartRate, { id: "h1", user_id: "u1", bpm: 999, measured_at })).toThrow(/bpm/);
    expect(() => sync.run(recordBloodPressure, { id: "b1", user_id: "u1", systolic: 80, diastolic: 90, measured_at })).toThrow(/diastolic/);
    await expect(sync.enqueue({ type: "CREATE", entityType: "room", payload: { name: "" } })).rejects.toThrow(/name/);
    expect((await sync.status()).enqueued).toBe(0);
  });
});
