import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { PlainRequest } from "../ports.ts";
import { memoryStorage } from "../storage/memory.ts";
import { ContractWorld, type RestAnswer } from "../testing/contract-world.ts";
import type { SyncServerOptions } from "./options.ts";

function worldWith(options: Partial<SyncServerOptions> = {}): ContractWorld {
  return new ContractWorld(memoryStorage(), options);
}
const said = ({ status, error }: RestAnswer): unknown[] => [status, error?.code];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = { "content-type": "application/json" };

describe("every answer", () => {
  test("carries a request id, the rate, the date and the security headers, whatever it says", async () => {
    const ada = worldWith().client();
    for (const path of ["/api/v1/devices", "/api/v1/nothing", "/health", "/metrics"]) {
      const { headers } = await ada.send({ path });
      expect(headers["X-Request-Id"]).toMatch(/^[0-9a-f-]{36}$/);
      for (const name of ["X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"]) expect(headers[name]).toMatch(/^\d+$/);
      expect(headers.Date).toMatch(/GMT$/);
      expect(headers["X-Content-Type-Options"]).toBe("nosniff");
      expect(headers["Content-Security-Policy"]).toContain("default-src 'none'");
      expect(headers["Strict-Transport-Security"]).toBeDefined();
    }
  });

  test("is kept by no cache unless it is a success", async () => {
    const ada = worldWith().client();
    expect((await ada.send({ path: "/api/v1/devices" })).headers["Cache-Control"]).toBe("private, no-cache");
    expect((await ada.send({ path: "/api/v1/nothing" })).headers["Cache-Control"]).toBe("no-store");
    await ada.rest("POST", "devices", { payload: { id: "d1", name: "x" } });
    const fresh = await ada.rest("GET", "devices/d1", { headers: { "if-none-match": '"v1"' } });
    expect([fresh.status, fresh.headers["Cache-Control"]]).toEqual([304, "no-store"]);
  });

  test("echoes trace id and token of the envelope, also when it was refused before the body was needed", async () => {
    const world = worldWith({ minimumAppVersion: "2.0.0" });
    const ada = world.client();
    const meta = { trace_id: world.id(), timestamp: new Date(world.timer.now()).toISOString(), txn_token: "txn-1" };
    const request = { method: "POST", path: "/api/v1/devices", json: { meta, payload: { name: "x" } } };
    for (const headers of [{ authorization: "Bearer nobody" }, { "x-app-version": "1.0.0" }, { "content-encoding": "br" }] as const) {
      const answer = await ada.send({ ...request, headers: { ...json, ...(headers as { [name: string]: string }) } });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      if (!("content-encoding" in headers)) expect(answer.meta).toMatchObject({ trace_id: meta.trace_id, txn_token: "txn-1" });
    }
    const key = world.id();
    const done = await ada.send({ ...request, headers: { ...json, "idempotency-key": key } });
    expect([done.status, done.meta]).toMatchObject([201, { trace_id: meta.trace_id, txn_token: "txn-1" }]);
  });

  test("takes the trace from the header when there is no body, and makes one up when there is none", async () => {
    const world = worldWith();
    const ada = world.client();
    const trace = world.id();
    expect((await ada.send({ path: "/api/v1/devices", headers: { "trace-id": trace } })).meta?.trace_id).toBe(trace);
    const { meta, headers } = await ada.send({ path: "/api/v1/devices", headers: { "trace-id": "mine" } });
    expect(meta?.trace_id).toBe(headers["X-Request-Id"]);
  });

  test("speaks problem+json to those who prefer it", async () => {
    const ada = worldWith().client();
    const ask = (accept: string): Promise<RestAnswer> => ada.send({ path: "/api/v1/devices/x", headers: { accept } });
    for (const accept of [
      "application/problem+json",
      "application/json;q=0.5, application/problem+json",
      "application/problem+json, */*;q=0.1",
    ]) {
      const answer = await ask(accept);
      expect(answer.headers["Content-Type"]).toBe("application/problem+json");
      expect(JSON.parse(answer.text)).toMatchObject({
        type: "about:blank",
        status: 404,
        code: "RESOURCE_NOT_FOUND",
        details: { resource_id: "x" },
      });
    }
    for (const accept of ["application/json", "*/*", "application/problem+json;q=0", "text/html"]) {
      expect((await ask(accept)).error?.code).toBe("RESOURCE_NOT_FOUND");
    }
  });
});

describe("access", () => {
  test("without a valid token everything is the same 401", async () => {
    const ada = worldWith().client();
    const answers = await Promise.all(
      ["", "Basic abc", "Bearer x"].map((authorization) => ada.send({ path: "/api/v1/devices", headers: { authorization } })),
    );
    for (const answer of answers) expect(said(answer)).toEqual([401, "UNAUTHORIZED"]);
    expect(new Set(answers.map(({ error }) => error?.message)).size).toBe(1);
  });

  test("an authenticator that throws is a 500 that says nothing", async () => {
    const world = worldWith({
      authenticate: () => {
        throw new Error("secret inside");
      },
    });
    const answer = await world.client().send({ path: "/api/v1/devices" });
    expect(said(answer)).toEqual([500, "INTERNAL_ERROR"]);
    expect(answer.text).not.toContain("secret");
    expect(world.faults).toHaveLength(1);
  });

  test("an app below the minimum version is told so, before anything else", async () => {
    const ada = worldWith({ minimumAppVersion: "2.1.0" }).client();
    const ask = (version: string): Promise<RestAnswer> => ada.send({ path: "/api/v1/devices", headers: { "x-app-version": version } });
    for (const version of ["2.0.9", "1.99.99", "2.1.0-beta.1", "0.0.1"]) {
      const answer = await ask(version);
      expect(said(answer)).toEqual([426, "CLIENT_TOO_OLD"]);
      expect(answer.error?.details).toEqual({ minimum_version: "2.1.0", current_version: version });
    }
    for (const version of ["2.1.0", "2.1.0+build7", "v2.10.0", "3.0.0-rc.1", "dev"]) expect((await ask(version)).status).toBe(200);
  });

  test("requests are limited per principal, and the answer says when to come back", async () => {
    const world = worldWith({ rateLimit: { perPrincipal: 3 } });
    const [ada, bob] = [world.client("ada@home"), world.client("bob@home")];
    for (let left = 2; left >= 0; left--) {
      expect((await ada.send({ path: "/api/v1/devices" })).headers["X-Rate-Limit-Remaining"]).toBe(String(left));
    }
    const refused = await ada.send({ path: "/api/v1/devices" });
    expect(said(refused)).toEqual([429, "RATE_LIMITED"]);
    expect([refused.headers["Retry-After"], refused.headers["X-Rate-Limit-Limit"]]).toEqual(["20", "3"]);
    const resetAt = new Date(world.timer.now() + 60_000).toISOString();
    expect(refused.error?.details).toEqual({ limit: 3, window: 60, reset_at: resetAt, retry_after_seconds: 20 });
    expect((await bob.send({ path: "/api/v1/devices" })).status).toBe(200);
    world.timer.advance(20_000);
    expect((await ada.send({ path: "/api/v1/devices" })).status).toBe(200);
    expect((await ada.send({ path: "/api/v1/devices" })).status).toBe(429);
  });

  test("requests are limited per address before the token is looked at", async () => {
    let asked = 0;
    const world = worldWith({
      rateLimit: { perAddress: 2 },
      authenticate: () => {
        asked += 1;
        return null;
      },
    });
    const send = (remoteAddress: string | null): Promise<RestAnswer> => world.client().send({ path: "/api/v1/devices", remoteAddress });
    expect([(await send("a")).status, (await send("a")).status, (await send("a")).status, (await send("b")).status]).toEqual([
      401, 401, 429, 401,
    ]);
    expect(asked).toBe(3);
    expect((await world.client().send({ path: "/health/live", remoteAddress: "a" })).status).toBe(200);
  });
});

describe("cross-origin access", () => {
  const origins = ["https://app.example"];
  const preflight = { method: "OPTIONS", path: "/api/v1/devices" };
  const asks = { origin: "https://app.example", "access-control-request-method": "POST", authorization: "" };

  test("a preflight lists what is allowed, for two hours", async () => {
    const { status, headers } = await worldWith({ cors: { origins } })
      .client()
      .send({ ...preflight, headers: asks });
    expect(status).toBe(204);
    expect(headers["Access-Control-Allow-Origin"]).toBe("https://app.example");
    expect(headers["Access-Control-Max-Age"]).toBe("7200");
    expect(headers["Access-Control-Allow-Methods"]).toContain("PATCH");
    expect(headers["Access-Control-Allow-Headers"]).toContain("Idempotency-Key");
  });

  test("an answer exposes its headers to allowed origins, refusals too", async () => {
    const ada = worldWith({ cors: { origins } }).client();
    for (const more of [{}, { authorization: "none" }]) {
      const { headers } = await ada.send({ path: "/api/v1/devices", headers: { origin: "https://app.example", ...more } });
      expect([headers["Access-Control-Allow-Origin"], headers.Vary]).toEqual(["https://app.example", "Origin"]);
      for (const name of ["X-Request-Id", "ETag", "Retry-After", "X-Rate-Limit-Reset"]) {
        expect(headers["Access-Control-Expose-Headers"]).toContain(name);
      }
    }
  });

  test("other origins, and servers without configuration, get nothing", async () => {
    for (const cors of [{ origins }, undefined]) {
      const ada = worldWith(cors === undefined ? {} : { cors }).client();
      for (const origin of ["https://evil.example", "https://app.example.evil.example", "null"]) {
        const { headers } = await ada.send({ ...preflight, headers: { ...asks, origin } });
        expect(headers["Access-Control-Allow-Origin"]).toBeUndefined();
      }
    }
    const { headers } = await worldWith({ cors: { origins: "*" } })
      .client()
      .send({ ...preflight, headers: { ...asks, origin: "https://any.example" } });
    expect(headers["Access-Control-Allow-Origin"]).toBe("https://any.example");
  });
});

describe("hostile bodies", () => {
  const post = (more: Partial<PlainRequest>): Promise<RestAnswer> => {
    const world = worldWith();
    const key = { "idempotency-key": world.id() };
    return world.client().send({ method: "POST", path: "/api/v1/devices", ...more, headers: { ...json, ...key, ...more.headers } });
  };

  test.each([
    ["no body", bytes(""), 400],
    ["no JSON", bytes("{"), 400],
    ["a scalar", bytes("5"), 400],
    ["an array", bytes("[]"), 400],
    ["null", bytes("null"), 400],
    ["no envelope", bytes('{"name":"x"}'), 400],
    ["not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), 400],
    ["deep nesting", bytes(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), 400],
    ["deep nesting in objects", bytes(`${'{"a":'.repeat(50)}1${"}".repeat(50)}`), 400],
    ["more than a MiB", bytes(`"${"x".repeat(1_048_577)}"`), 413],
  ])("%s", async (_, body, status) => {
    const answer = await post({ body });
    expect(answer.status).toBe(status);
    expect(answer.error?.code).toBe(status === 413 ? "PAYLOAD_TOO_LARGE" : "VALIDATION_ERROR");
  });

  test.each(["", "text/plain", "application/json; charset=latin1", "application/xml", "multipart/form-data"])(
    "content type %j is 415",
    async (type) => {
      expect(said(await post({ body: bytes("{}"), headers: { "content-type": type } }))).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    },
  );

  test("gzip is read, within the same bound after decompression", async () => {
    const world = worldWith();
    const ada = world.client();
    const gzip = { ...json, "content-encoding": "gzip", "idempotency-key": world.id() };
    const send = (body: Uint8Array): Promise<RestAnswer> => ada.send({ method: "POST", path: "/api/v1/devices", body, headers: gzip });
    expect((await send(gzipSync(JSON.stringify(ada.envelope({ name: "lamp" }))))).status).toBe(201);
    expect(said(await send(gzipSync(Buffer.alloc(50_000_000))))).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    expect(said(await send(bytes("not gzip")))).toEqual([400, "VALIDATION_ERROR"]);
    const brotli = await ada.send({
      method: "POST",
      path: "/api/v1/devices",
      body: bytes("x"),
      headers: { ...gzip, "content-encoding": "br" },
    });
    expect(said(brotli)).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
  });

  test("names that reach into prototypes are refused", async () => {
    for (const payload of ['{"__proto__":{"a":1},"name":"x"}', '{"name":"x","settings":{"constructor":{}}}']) {
      const meta = `{"trace_id":"00000000-0000-4000-8000-000000000000","timestamp":"2026-01-01T00:00:00.000Z"}`;
      expect(said(await post({ body: bytes(`{"meta":${meta},"payload":${payload}}`) }))).toEqual([400, "VALIDATION_ERROR"]);
    }
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  test("a batch that is too long is 413, a key that nobody can read is 400, and nothing was executed", async () => {
    const world = worldWith();
    const ada = world.client();
    const many = Array.from({ length: 501 }, () => ada.operation());
    expect(said(await ada.batch(many))).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    expect(said(await ada.batch([ada.operation(), { ...ada.operation(), key: "1" }]))).toEqual([400, "VALIDATION_ERROR"]);
    const twice = ada.operation();
    expect(said(await ada.batch([twice, twice]))).toEqual([400, "VALIDATION_ERROR"]);
    expect(said(await ada.batch([]))).toEqual([400, "VALIDATION_ERROR"]);
    const small = worldWith({ limits: { maxOperations: 2 } }).client();
    expect(said(await small.batch([1, 2, 3].map(() => small.operation())))).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    expect((await ada.changes()).head_seq).toBe(0);
  });

  test("a batch needs the client's id", async () => {
    const ada = worldWith().client();
    const operations = [ada.operation()];
    const envelope = ada.envelope({ ordering: "entity", fence: 1, lease: ada.lease, operations });
    for (const id of ["", "me"]) {
      const headers = { "x-device-id": id, "content-type": "application/json" };
      expect(said(await ada.send({ method: "POST", path: "/api/v1/sync/ops", headers, json: envelope }))).toEqual([
        400,
        "VALIDATION_ERROR",
      ]);
    }
  });

  test("paths that cannot be decoded lead nowhere", async () => {
    const ada = worldWith().client();
    for (const path of ["/api/v1/devices/%zz", "/api/v1/devices/%00", "//", "", "/api/v1/devices/..%2f..%2fetc"]) {
      expect([404, 422]).toContain((await ada.send({ path })).status);
    }
  });
});

describe("clocks", () => {
  const late = (world: ContractWorld, byMs: number): unknown => ({
    meta: { trace_id: world.id(), timestamp: new Date(world.timer.now() + byMs).toISOString() },
    payload: { name: "lamp" },
  });
  const create = (world: ContractWorld, byMs: number): Promise<RestAnswer> =>
    world.client().send({
      method: "POST",
      path: "/api/v1/devices",
      headers: { ...json, "idempotency-key": world.id() },
      json: late(world, byMs),
    });

  test("are measured by default", async () => {
    expect((await create(worldWith(), -86_400_000)).status).toBe(201);
  });

  test("that are off by more than five minutes are refused by a strict server, before the ledger", async () => {
    const world = worldWith({ clockSkew: "refuse" });
    expect((await create(world, 300_000)).status).toBe(201);
    for (const byMs of [300_001, -300_001]) {
      const answer = await create(world, byMs);
      expect(said(answer)).toEqual([400, "CLOCK_SKEW"]);
      const shake = { ...(late(world, byMs) as object), payload: { protocol: { min: 1, max: 1 } } };
      expect((await world.client().send({ method: "POST", path: "/api/v1/sync/handshake", json: shake })).status).toBe(200);
      expect(answer.error?.details).toMatchObject({ skew_ms: byMs, server_time: new Date(world.timer.now()).toISOString() });
    }
  });
});

describe("probes", () => {
  test("health tells whether the storage answers", async () => {
    const world = worldWith();
    expect(JSON.parse((await world.client().send({ path: "/health" })).text)).toEqual({ status: "ok", checks: { storage: "ok" } });
    await world.storage.close();
    for (const path of ["/health", "/health/ready"]) expect((await world.client().send({ path })).status).toBe(503);
    expect((await world.client().send({ path: "/health/live" })).status).toBe(200);
    expect(said(await world.client().send({ path: "/api/v1/devices" }))).toEqual([503, "SERVICE_UNAVAILABLE"]);
  });

  test("metrics count requests by template and status, operations by outcome, and the ledger's hits", async () => {
    const world = worldWith();
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create]);
    await ada.ops([create]);
    await ada.op({ payload: { name: 1 } });
    await ada.rest("GET", `devices/${create.entity_id}`);
    await ada.rest("GET", `devices/${world.id()}`);
    await Promise.all([
      ada.ops([ada.operation({ key: "00000000-0000-4000-8000-000000000001" })]),
      ada.ops([ada.operation({ key: "00000000-0000-4000-8000-000000000001" })]),
    ]);
    await world.server.maintain();
    const { text } = await ada.send({ path: "/metrics" });
    for (const line of [
      'guardian_sync_server_requests_total{route="GET /api/v1/devices/{id}",status_class="2xx"} 1',
      'guardian_sync_server_requests_total{route="GET /api/v1/devices/{id}",status_class="4xx"} 1',
      'guardian_sync_server_requests_total{route="DELETE /api/v1/devices/{id}",status_class="2xx"} 0',
      'guardian_sync_server_responses_total{status="404"} 1',
      'guardian_sync_server_operations_total{outcome="rejected"} 2',
      "guardian_sync_server_feed_head_seq 2",
      "idempotency_concurrent_requests_count 1",
      "idempotency_cache_size_entries 3",
      "idempotency_stale_keys_count 0",
      "idempotency_cache_hit_rate 0.2",
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).not.toContain(create.entity_id);
    const answer = JSON.parse((await ada.send({ path: "/metrics.json" })).text) as { gauges: { [name: string]: unknown } };
    expect(answer.gauges.idempotency_cache_size_entries).toBe(3);
  });
});

describe("the handshake", () => {
  test("says what the server can do and whom it sees", async () => {
    const world = worldWith();
    const ada = world.client();
    const account = { space: "elsewhere", principal: "somebody" };
    const answer = await ada.send({
      method: "POST",
      path: "/api/v1/sync/handshake",
      json: ada.envelope({ protocol: { min: 1, max: 3 }, client_id: ada.clientId, account }),
    });
    expect(answer.data).toMatchObject({
      protocol: { min: 1, max: 1 },
      idempotency: { honoured: true, replay_window_s: 86_400, key_window_s: 7_776_000 },
      batch: { max_operations: 500, max_bytes: 1_048_576 },
      operations: ["device.rename", "device.pair", "device.retire", "device.broken", "device.busy", "device.ping"],
      collections: { device: "devices", room: "rooms", lock: "locks" },
      feed: { changes: true, snapshot: true, max_wait_s: 25 },
      realtime: { socket: false },
      cancel: true,
      server_time: new Date(world.timer.now()).toISOString(),
      account: { space: "home", principal: "ada" },
    });
    const { generation } = await ada.opsResponse([ada.operation()]);
    expect(answer.data?.generation).toBe(generation);
  });
});
