import { parsePendingOp } from "@guardian-sync/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { createSyncEngine, defineEntity, type SyncEngine } from "./index.ts";
import { type OperatorQueue, openQueue } from "./operator.ts";
import { systemClock } from "./platform/node-clock.ts";
import { systemRandom } from "./platform/node-random.ts";
import type { Exchange, Transport } from "./ports/index.ts";
import { MemoryDisk, memoryStore } from "./storage/memory.ts";

const ada = { space: "home", principal: "ada" };
const room = defineEntity("room", { collection: "rooms" });

/** Refuses entities whose id begins with "bad-" (a UUID can begin with "bad"), applies all others. */
const backend: Transport = {
  exchange: ({ url, body = "" }): Promise<Exchange> => {
    const isRefused = url.includes("/bad-") || body.includes('"bad-');
    const [status, content] = isRefused
      ? [422, { error: { code: "VALIDATION_ERROR", message: "no" } }]
      : [url.includes("/sync/") ? 404 : 200, {}];
    return Promise.resolve({ kind: "answer", status: status as number, headers: {}, body: JSON.stringify(content), elapsedMs: 1 });
  },
  close: () => Promise.resolve(),
};

let disk: MemoryDisk;
let app: SyncEngine;
let queue: OperatorQueue;

async function openApp(principal = "ada"): Promise<SyncEngine> {
  return createSyncEngine({
    store: memoryStore({ disk }),
    backend: { baseUrl: "http://localhost:1", session: () => ({ account: { ...ada, principal }, token: "t" }), level: 2 },
    entities: [room],
    rateLimit: { requestsPerSecond: 100_000, burst: 100_000 },
    platform: { transport: backend },
  });
}
const create = (entityId: string, sync = app): Promise<{ readonly id: string }> =>
  sync.enqueue({ type: "CREATE", entityType: "room", entityId, payload: { name: entityId } });
const exported = async (selection = {}): Promise<readonly (readonly [string, string])[]> => {
  const rows = [];
  for await (const page of queue.export(ada, selection)) rows.push(...page);
  return rows.map(({ entity_id, status }) => [entity_id, status] as const);
};

/** Two failed, one applied, two waiting; the app still has the queue open. */
beforeEach(async () => {
  disk = new MemoryDisk();
  app = await openApp();
  for (const id of ["bad-1", "good", "bad-2"]) await create(id);
  expect(await app.drain()).toEqual({ empty: true });
  await app.stop();
  await create("w1");
  await create("w2");
  queue = await openQueue({ store: memoryStore({ disk }), by: "eve@desk" });
  return async () => {
    await queue.close();
    await app.close();
  };
});

test("C2 an operator sees accounts, counts and the lock while the app has the queue open", async () => {
  expect(await queue.accounts()).toEqual([ada]);
  expect(await queue.status(ada)).toMatchObject({
    account: ada,
    counts: { enqueued: 5, succeeded: 1, failed: 2, pending: 2 },
    conserved: true,
    paused: null,
    breaker: { state: "closed", cooldownRemainingMs: 0 },
  });
  expect((await queue.status(ada)).oldestPendingAgeMs).toBeGreaterThanOrEqual(0);
  expect(await queue.lock()).toMatchObject({ released: true });
  await expect(queue.status({ space: "home", principal: "nobody" })).rejects.toThrow(/no account home\/nobody/);
});

describe("C1 an export", () => {
  test("has what is still in the queue, in order, as other programs read it", async () => {
    expect(await exported()).toEqual([
      ["bad-1", "failed"],
      ["bad-2", "failed"],
      ["w1", "pending"],
      ["w2", "pending"],
    ]);
    for await (const page of queue.export(ada)) for (const row of page) expect(parsePendingOp(row)).toMatchObject({ ok: true });
  });

  test("can be cut by status, place and number", async () => {
    expect(await exported({ statuses: ["failed"] })).toHaveLength(2);
    expect(await exported({ limit: 3 })).toHaveLength(3);
    expect(await exported({ after: 3 })).toEqual([
      ["w1", "pending"],
      ["w2", "pending"],
    ]);
    expect(await exported({ statuses: ["archived"] })).toEqual([]);
  });

  test("comes in pages of at most 500, none twice, whatever was settled in between", async () => {
    await app.enqueueMany(
      Array.from({ length: 1203 }, (_, n) => ({ type: "CREATE" as const, entityType: "room", entityId: `n${n}`, payload: {} })),
    );
    const sizes = [];
    const seen = new Set<string>();
    for await (const page of queue.export(ada)) {
      sizes.push(page.length);
      for (const { id } of page) seen.add(id);
      if (sizes.length === 1) {
        app.start();
        await app.drain();
      }
    }
    expect(sizes[0]).toBe(500);
    expect(seen.size).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  test("does not show an operation that was taken back before anybody looked at it", async () => {
    const taken = await create("w3");
    expect(await app.cancel(taken.id)).toBe(true);
    expect((await exported()).map(([id]) => id)).not.toContain("w3");
  });
});

describe("Q6 failed operations", () => {
  test("go to the archive and back, with who and why in the file", async () => {
    const failed = queue.failed(ada);
    expect(await failed.count({ all: true })).toBe(2);
    expect(await failed.archive({ all: true, reason: "known" })).toBe(2);
    await queue.note("failed archive", ada, { reason: "known", detail: "2 operations" });
    expect(await failed.list()).toEqual([]);
    expect(await failed.count({ all: true }, ["archived"])).toBe(2);
    expect((await queue.status(ada)).counts).toMatchObject({ failed: 0, archived: 2 });
    expect(await failed.restore({ all: true })).toBe(2);
    expect((await queue.status(ada)).counts).toMatchObject({ failed: 2, archived: 0 });
    expect(await queue.actions()).toMatchObject([{ action: "failed archive", by: "eve@desk", reason: "known", detail: "2 operations" }]);
  });

  test("are tried again by the app", async () => {
    const [first] = await queue.failed(ada).list();
    expect(await queue.failed(ada).find(first!.id)).toMatchObject({ entityId: "bad-1", state: "failed", code: "VALIDATION_ERROR" });
    expect(await queue.failed(ada).retry({ ids: [first!.id] })).toBe(1);
    expect(await queue.failed(ada).find(first!.id)).toBeUndefined();
    expect((await queue.status(ada)).counts).toMatchObject({ failed: 1, pending: 3 });
    app.start();
    expect(await app.drain()).toEqual({ empty: true });
    expect(await queue.failed(ada).find(first!.id)).toMatchObject({ state: "failed" });
  });
});

test("Q9 a pause holds the app back until it is lifted, and both are written down", async () => {
  await queue.pause(ada, "maintenance");
  app.start();
  expect(await app.drain()).toEqual({ empty: false, reason: "maintenance" });
  expect((await app.status()).paused).toMatchObject({ reason: "maintenance", by: "eve@desk" });
  await app.stop();
  expect(await queue.resume(ada)).toMatchObject({ reason: "maintenance", by: "eve@desk" });
  expect(await queue.resume(ada)).toBeUndefined();
  app.start();
  expect(await app.drain()).toEqual({ empty: true });
  expect((await queue.actions()).map(({ action }) => action)).toEqual(["pause", "resume"]);
});

test("L3 an operator can force the lock free: the fence rises, and the reason is kept", async () => {
  const before = await queue.lock();
  await queue.forceReleaseLock("stuck");
  expect(await queue.lock()).toMatchObject({ fence: (before?.fence ?? 0) + 1, released: true });
  expect(await queue.actions()).toMatchObject([{ action: "lock release", reason: "stuck" }]);
  await expect(queue.forceReleaseLock("")).rejects.toThrow(TypeError);
});

test("the log of actions keeps the last 200, under concurrent writers too", async () => {
  const other = await openQueue({ store: memoryStore({ disk }), by: "other" });
  await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? queue : other).note(`a${n}`, ada)));
  expect(await queue.actions()).toHaveLength(20);
  for (let n = 0; n < 190; n++) await queue.note("more", ada);
  expect(await queue.actions()).toHaveLength(200);
  await other.close();
});

test("Q5 the index is verified without a change, and repaired on demand", async () => {
  expect(await queue.verifyIndex(ada)).toMatchObject({ changed: false, differences: [] });
  const { store } = await memoryStore({ disk }).open({ clock: systemClock(), random: systemRandom() });
  const [row] = await store.listAccounts();
  const { account, counts, revision } = row!;
  await store.commit({ account, expectRevision: revision, count: { failed: 7 - counts.failed } });
  expect(await queue.verifyIndex(ada)).toMatchObject({ changed: false, differences: ["failed was 7 instead of 2"] });
  expect((await queue.status(ada)).counts.failed).toBe(7);
  expect(await queue.rebuildIndex(ada)).toMatchObject({ changed: true });
  expect((await queue.status(ada)).counts.failed).toBe(2);
  expect(await queue.checkIntegrity()).toEqual({ ok: true, problems: [] });
});

test("several accounts of one file stay apart", async () => {
  const bob = await openApp("bob");
  await bob.stop();
  await create("bobs", bob);
  expect(await queue.accounts()).toEqual(expect.arrayContaining([ada, { ...ada, principal: "bob" }]));
  expect((await queue.status({ ...ada, principal: "bob" })).counts.pending).toBe(1);
  expect(await exported()).toHaveLength(4);
  await bob.close();
});
