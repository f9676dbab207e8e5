import { createSyncServer, type PlainResponse, type SyncServer } from "@guardian-sync/server";
import { memoryStorage } from "@guardian-sync/server/memory";
import { beforeEach, describe, expect, test } from "vitest";
import { homeCollections, homeOperations } from "./server.ts";

interface Answer {
  readonly status: number;
  readonly headers: PlainResponse["headers"];
  readonly data?: { readonly [name: string]: unknown };
  readonly error?: { readonly code: string; readonly details?: unknown };
}

let server: SyncServer;
beforeEach(() => {
  server = createSyncServer({
    storage: memoryStorage(),
    collections: homeCollections,
    operations: homeOperations,
    authenticate: () => ({ principal: "ada", space: "home", roles: [] }),
  });
});

async function call(method: string, path: string, payload?: unknown, key: string | null = crypto.randomUUID()): Promise<Answer> {
  const meta = { trace_id: crypto.randomUUID(), timestamp: new Date().toISOString() };
  const { status, headers, body } = await server.handle({
    method,
    path: `/api/v1/${path}`,
    query: {},
    headers: { "content-type": "application/json", ...(key === null ? {} : { "idempotency-key": key }) },
    body: payload === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify({ meta, payload })),
    remoteAddress: null,
  });
  return { status, headers, ...(body === "" ? {} : (JSON.parse(body) as object)) };
}
const said = ({ status, error }: Answer): unknown[] => [status, error?.code, error?.details];
const ahead = (ms: number): string => new Date(Date.now() + ms).toISOString();

const document = { owner_id: "ada", title: "Will", category: "legal" };
const good: readonly (readonly [string, object, object])[] = [
  ["users", { name: "Ada", email: "ada@example.org", role: "resident" }, { name: "Ada L." }],
  ["rooms", { name: "Kitchen", type: "kitchen", floor_number: 0 }, { floor_number: 1 }],
  ["devices", { device_type: "lamp", room_id: "r1", model: "X", state: { on: true }, mqtt_topic: "home/lamp" }, { model: "Y" }],
  [
    "automations",
    { name: "Night", trigger: { type: "time", parameters: { at: "22:00" } }, actions: [{ type: "off" }] },
    { is_enabled: false },
  ],
  ["documents", document, { title: "Last will" }],
  [
    "attachments",
    {
      document_id: crypto.randomUUID(),
      file_name: "a.pdf",
      content_type: "application/pdf",
      size_bytes: 1,
      checksum: "c",
      object_key: "k",
    },
    { label: "scan" },
  ],
];

test.each(good)("%s are created, read, changed and deleted", async (path, payload, patch) => {
  const id = crypto.randomUUID();
  expect((await call("POST", path, { id, ...payload })).data).toMatchObject({ id, version: 1, ...payload });
  expect((await call("PATCH", `${path}/${id}`, patch)).data).toMatchObject({ version: 2, ...payload, ...patch });
  expect((await call("PUT", `${path}/${id}`, payload)).data).toMatchObject({ version: 3, ...payload });
  expect((await call("GET", `${path}/${id}`)).status).toBe(200);
  expect((await call("DELETE", `${path}/${id}`)).status).toBe(204);
  expect((await call("GET", `${path}/${id}`)).status).toBe(410);
});

test.each([
  ["users", { name: "" }, "name"],
  ["users", { name: "Ada", email: "nonsense" }, "email"],
  ["rooms", { name: "Kitchen" }, "type"],
  ["rooms", { name: "Kitchen", type: "kitchen", floor_number: 1.5 }, "floor_number"],
  ["devices", { device_type: 5 }, "device_type"],
  ["devices", { device_type: "lamp", colour: "red" }, ""],
  ["automations", { name: "x", trigger: { type: "time" }, actions: [] }, "actions"],
])("%s refuses what is invalid: %o", async (path, payload, field) => {
  expect(said(await call("POST", path, payload))).toMatchObject([422, "VALIDATION_ERROR", { field }]);
});

test("documents are named by a UUID v4 only", async () => {
  for (const id of ["will", "00000000-0000-1000-8000-000000000000", crypto.randomUUID().toUpperCase()]) {
    expect(said(await call("POST", "documents", { id, ...document }))).toEqual([
      422,
      "VALIDATION_ERROR",
      { field: "id", constraint: "uuid_v4" },
    ]);
  }
});

describe("UPDATE_DEVICE_STATE", () => {
  test("merges the values that changed, with a key or without", async () => {
    await call("POST", "devices", { id: "lamp", device_type: "lamp", state: { on: false, level: 3 } });
    const first = await call("POST", "devices/lamp/state", { state: { on: true } }, null);
    expect([first.status, first.data?.state]).toEqual([200, { on: true, level: 3 }]);
    const key = crypto.randomUUID();
    await call("POST", "devices/lamp/state", { state: { level: 4 } }, key);
    const again = await call("POST", "devices/lamp/state", { state: { level: 4 } }, key);
    expect([again.headers["Idempotent-Replayed"], again.data?.version]).toEqual(["true", 3]);
  });

  test("needs a device and values", async () => {
    expect((await call("POST", "devices/none/state", { state: {} })).status).toBe(404);
    await call("POST", "devices", { id: "lamp", device_type: "lamp" });
    expect((await call("POST", "devices/lamp/state", {})).status).toBe(422);
  });
});

describe.each([
  ["health/heart-rate", { user_id: "ada", bpm: 61 }, "measured_at", { bpm: 5 }],
  ["health/blood-pressure", { user_id: "ada", systolic: 120, diastolic: 80 }, "measured_at", { diastolic: 130 }],
  ["health/fall-events", { user_id: "ada", severity: "low" }, "detected_at", { severity: "huge" }],
] as const)("%s", (path, payload, timeField, wrong) => {
  test("records once and never changes", async () => {
    const [id, key] = [crypto.randomUUID(), crypto.randomUUID()];
    const record = { id, ...payload, [timeField]: ahead(0) };
    const first = await call("POST", path, record, key);
    expect([first.status, first.headers.Location, first.data]).toMatchObject([201, `/api/v1/${path}/${id}`, { version: 1, ...record }]);
    expect((await call("POST", path, record, key)).headers["Idempotent-Replayed"]).toBe("true");
    expect((await call("POST", path, record)).status).toBe(409);
    for (const method of ["PATCH", "PUT", "DELETE"]) expect((await call(method, `${path}/${id}`, payload)).status).toBe(405);
    expect((await call("GET", path)).data).toMatchObject({ items: [record] });
  });

  test("refuses what is invalid, unkeyed or of tomorrow", async () => {
    const [field] = Object.keys(wrong);
    expect(said(await call("POST", path, { ...payload, [timeField]: ahead(0), ...wrong }))).toMatchObject([
      422,
      "VALIDATION_ERROR",
      { field },
    ]);
    expect((await call("POST", path, { ...payload, [timeField]: ahead(0) }, null)).status).toBe(400);
    const tomorrow = await call("POST", path, { ...payload, [timeField]: ahead(86_400_000) });
    expect(said(tomorrow)).toEqual([422, "VALIDATION_ERROR", { field: timeField, constraint: "not_in_the_future" }]);
    expect((await call("POST", path, { ...payload, [timeField]: ahead(240_000) })).status).toBe(201);
  });
});

test("health records are not written past their operation", async () => {
  const operation = {
    key: crypto.randomUUID(),
    operation_id: crypto.randomUUID(),
    type: "CREATE",
    entity_type: "heart_rate",
    entity_id: crypto.randomUUID(),
    payload: { user_id: "ada", bpm: 60, measured_at: ahead(0) },
    trace_id: crypto.randomUUID(),
    created_at: ahead(0),
  };
  const batch = async (more: object): Promise<unknown> => {
    const payload = { ordering: "entity", fence: 1, lease: crypto.randomUUID(), operations: [{ ...operation, ...more }] };
    const meta = { trace_id: crypto.randomUUID(), timestamp: ahead(0) };
    const { body } = await server.handle({
      method: "POST",
      path: "/api/v1/sync/ops",
      query: {},
      headers: { "content-type": "application/json", "x-device-id": crypto.randomUUID() },
      body: new TextEncoder().encode(JSON.stringify({ meta, payload })),
      remoteAddress: null,
    });
    return (JSON.parse(body) as { data: { results: unknown[] } }).data.results[0];
  };
  expect(await batch({})).toMatchObject({ status: 403, outcome: "rejected" });
  expect(await batch({ key: crypto.randomUUID(), type: "RECORD_HEART_RATE" })).toMatchObject({ status: 201, outcome: "applied" });
  const elsewhere = { key: crypto.randomUUID(), type: "RECORD_HEART_RATE", entity_type: "room" };
  expect(await batch(elsewhere)).toMatchObject({ status: 422, outcome: "rejected" });
});
