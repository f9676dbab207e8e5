import { describe, expect, test } from "vitest";
import { createEngine } from "../testing/create-engine.ts";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import { backoffOf, type EngineOptions, settingsOf } from "./options.ts";

const world = new TestWorld();
const backend = { baseUrl: "https://api.example.test", session: () => null };
const settings = (more: object = {}): ReturnType<typeof settingsOf> =>
  settingsOf({ store: world.store, backend, ...more } as EngineOptions);

test("every default is filled in", () => {
  const { store: _store, backend: filled, registry, telemetry: _telemetry, ...rest } = settings();
  expect(rest).toEqual({
    ordering: "global",
    concurrency: 4,
    backoff: { baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 5 },
    coalesce: true,
    lock: { heartbeatMs: 10_000, staleMs: 120_000 },
    breaker: { failureThreshold: 10, windowMs: 60_000, cooldownMs: 60_000 },
    rateLimit: { requestsPerSecond: 100, burst: 100 },
    batch: { maxOperations: 50, maxBytes: 1_048_576 },
    maxPending: Number.POSITIVE_INFINITY,
    receiptRetentionMs: 30 * 86_400_000,
    autoStart: true,
  });
  expect(filled).toMatchObject({ timeoutMs: 30_000, minimumLevel: 0, headers: {} });
  expect([registry.entities.size, registry.operations.size]).toEqual([0, 0]);
});

test("R1 backoff is a preset, or numbers over the standard ones", () => {
  expect(backoffOf("aggressive")).toEqual({ baseMs: 500, maxDelayMs: 10_000, maxAttempts: 5 });
  expect(backoffOf("conservative")).toEqual({ baseMs: 2000, maxDelayMs: 30_000, maxAttempts: 5 });
  expect(backoffOf("background")).toEqual({ baseMs: 2000, maxDelayMs: 60_000, maxAttempts: 7 });
  expect(backoffOf({ maxAttempts: 2 })).toEqual({ baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 2 });
});

describe("Q8 an option that is wrong is named, with what it was", () => {
  test.each([
    ["store", { store: undefined }, /memoryStore\(\)/],
    ["store", { store: { path: "app.db" } }, /give a store/],
    ["ordering", { ordering: "random" }, /"random"/],
    ["concurrency", { concurrency: 0 }, /got 0/],
    ["concurrency", { concurrency: 1.5 }, /whole number/],
    ["concurrency", { concurrency: 33 }, /at most 32/],
    ["backend", { backend: undefined }, /baseUrl/],
    ["backend", { backend: null }, /baseUrl/],
    ["backend.baseUrl", { backend: { ...backend, baseUrl: "api.example.com" } }, /absolute/],
    ["backend.baseUrl", { backend: { ...backend, baseUrl: "ftp://x" } }, /absolute/],
    ["backend.baseUrl", { backend: { ...backend, baseUrl: "https://me:secret@x" } }, /credentials/],
    ["backend.baseUrl", { backend: { ...backend, baseUrl: "https://x/?q=1" } }, /query/],
    ["backend.session", { backend: { baseUrl: "https://x" } }, /a function that returns/],
    ["backend.headers", { backend: { ...backend, headers: { authorization: "x" } } }, /authorization is set by the engine/],
    ["backend.headers", { backend: { ...backend, headers: { "Idempotency-Key": "x" } } }, /Idempotency-Key/],
    ["backend.timeoutMs", { backend: { ...backend, timeoutMs: 0 } }, />= 1, got 0/],
    ["backend.level", { backend: { ...backend, level: 4 } }, /0 to 3.*got 4/],
    ["backend.level", { backend: { ...backend, level: "2" } }, /got 2/],
    ["backend.minimumLevel", { backend: { ...backend, minimumLevel: 5 } }, /0 to 4.*got 5/],
    ["backend.minimumLevel", { backend: { ...backend, minimumLevel: 1.5 } }, /got 1.5/],
    ["backoff", { backoff: "brave" }, /unknown preset "brave"; use standard, aggressive/],
    ["backoff.baseMs", { backoff: { baseMs: 0 } }, />= 1, got 0/],
    ["backoff.maxDelayMs", { backoff: { baseMs: 5000, maxDelayMs: 1000 } }, />= 5000, got 1000/],
    ["backoff.maxAttempts", { backoff: { maxAttempts: 0 } }, />= 1, got 0/],
    ["lock.heartbeatMs", { lock: { heartbeatMs: -1 } }, /got -1/],
    ["lock.staleMs", { lock: { heartbeatMs: 10_000, staleMs: 15_000 } }, />= 20000, got 15000/],
    ["breaker.failureThreshold", { breaker: { failureThreshold: 0 } }, /got 0/],
    ["breaker.windowMs", { breaker: { windowMs: Number.NaN } }, /got NaN/],
    ["breaker.cooldownMs", { breaker: { cooldownMs: Number.POSITIVE_INFINITY } }, /got Infinity/],
    ["rateLimit.requestsPerSecond", { rateLimit: { requestsPerSecond: 0 } }, /got 0/],
    ["rateLimit.burst", { rateLimit: { burst: 0.5 } }, /got 0.5/],
    ["batch.maxOperations", { batch: { maxOperations: 0 } }, /got 0/],
    ["batch.maxOperations", { batch: { maxOperations: 501 } }, /at most 500, got 501/],
    ["batch.maxOperations", { batch: { maxOperations: 2.5 } }, /whole number.*got 2.5/],
    ["batch.maxBytes", { batch: { maxBytes: 100 } }, />= 1024, got 100/],
    ["maxPending", { maxPending: 0 }, /got 0/],
    ["maxPending", { maxPending: "many" }, /got many/],
    ["receiptRetentionMs", { receiptRetentionMs: 1000 }, />= 86400000, got 1000/],
    ["entities", { entities: [defineEntity("device"), defineEntity("device")] }, /"device" is defined twice/],
    [
      "operations",
      { operations: [1, 2].map(() => defineOperation("device.ping", { entity: () => ({ entityType: "device", entityId: "1" }) })) },
      /"device.ping" is defined twice/,
    ],
  ] as const)("%s %j", (name, more, what) => {
    expect(() => settings(more)).toThrow(`option ${name}:`);
    expect(() => settings(more)).toThrow(what);
  });

  test("no options at all", () => {
    expect(() => settingsOf(undefined as never)).toThrow("needs an options object");
  });
});

describe("Q8 definitions", () => {
  const entity = (): { entityType: string; entityId: string } => ({ entityType: "device", entityId: "1" });
  test.each([
    [() => defineEntity(""), "entity type must be a string of 1 to 128 characters, got 0 characters"],
    [() => defineEntity(7 as never), "entity type must be a string of 1 to 128 characters, got number"],
    [() => defineOperation("x".repeat(129), { entity }), "operation name must be a string of 1 to 128 characters, got 129 characters"],
    [() => defineOperation("UPDATE", { entity }), 'operation name "UPDATE" is taken'],
    [() => defineOperation("a.b", {} as never), 'operation "a.b": option entity must be a function'],
    [() => defineOperation("a.b", { entity, version: 0 }), 'operation "a.b": version must be an integer >= 1, got 0'],
    [() => defineOperation("a.b", { entity, version: 1.5 }), "got 1.5"],
  ] as const)("%# %s", (define, message) => {
    expect(define).toThrow(message);
  });
});

describe("opening", () => {
  test("Q8 a wrong option rejects before the store is opened", async () => {
    let opened = 0;
    const store = {
      description: "counted",
      open: (): never => {
        opened += 1;
        throw new Error("opened");
      },
    };
    await expect(createEngine({ store, backend: { baseUrl: "nowhere", session: () => null } }, {} as never)).rejects.toThrow(
      "backend.baseUrl",
    );
    expect(opened).toBe(0);
  });

  test("A5 a token that says nothing is refused without `session`, and the store is closed again", async () => {
    const own = new TestWorld();
    const made = own.engine({ backend: { session: undefined as never, getToken: () => "opaque" } });
    await expect(own.run(made)).rejects.toMatchObject({ code: "OPAQUE_TOKEN" });
    await own.close();
  });

  test("A5 a JWT names its account; a refreshed one comes from refreshToken", async () => {
    const own = new TestWorld();
    const jwt = (claims: object): string => `e30.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.s`;
    const engine = await own.engine({
      backend: {
        session: undefined as never,
        getToken: () => jwt({ sub: "ada", tenant: "home", exp: 1 }),
        refreshToken: () => Promise.resolve(jwt({ sub: "ada", tenant: "home", exp: own.now / 1000 + 3600 })),
      },
    });
    expect((await engine.status()).account).toEqual({ space: "home", principal: "ada" });
    await own.run(engine.enqueue({ type: "CREATE", entityType: "device", payload: {} }));
    expect(await own.drain(engine)).toEqual({ empty: true });
    await own.close();
  });
});
