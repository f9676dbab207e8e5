import type { OperationResult } from "@guardian-sync/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { refused } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { PendingOperation } from "./pending.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const rejected: Omit<OperationResult, "key"> = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };
const updates = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `UPDATE d${i}`);
const seqs = async (engine: SyncEngine, page?: object): Promise<readonly number[]> =>
  (await engine.pending.list(page)).map(({ seq }) => seq);
const inWords = ({ seq, entityId, state, attempts, waitsFor, blockedBy, nextAttemptAt, code }: PendingOperation): unknown => [
  `${seq} ${entityId} ${state}`,
  { attempts, waitsFor, blockedBy, nextAttemptAt, code },
];

test("Q2 what nobody has looked at yet: in order, with what it is about", async () => {
  const engine = await world.engine({ autoStart: false });
  expect(await engine.pending.list()).toEqual([]);
  const [first] = await world.enqueue(engine, ["CREATE a", "DELETE b"]);
  const enqueuedAt = new Date(world.now).toISOString();
  const common = { entityType: "device", state: "pending", attempts: 0, waitsFor: null, blockedBy: null, nextAttemptAt: null };
  const untried = { code: null, lastError: null, enqueuedAt };
  expect(await engine.pending.list()).toEqual([
    { ...common, ...untried, seq: 1, id: first?.id, type: "CREATE", entityId: "a", payload: { name: `a at ${world.now}` } },
    { ...common, ...untried, seq: 2, id: expect.any(String), type: "DELETE", entityId: "b", payload: null },
  ]);
});

test("what is sealed, what waits its time, what waits for another one: each says why", async () => {
  const engine = await world.engine({ batch: { maxOperations: 1 }, backoff: { baseMs: 60_000, maxDelayMs: 60_000 } });
  world.backend.judge = ({ entity_id, type }) => (entity_id === "a" && type === "CREATE" ? rejected : undefined);
  await world.enqueue(engine, ["CREATE a"]);
  await world.drain(engine);
  world.transport.next(OPS, refused(500, "INTERNAL_ERROR"));
  await world.enqueue(engine, ["UPDATE a", "UPDATE b", "UPDATE c"]);
  await world.advance(1000);
  const listed = await engine.pending.list();
  const [, sealed] = listed;
  expect(listed.map(inWords)).toEqual([
    ["2 a blocked", { attempts: 0, waitsFor: "operation", blockedBy: 1, nextAttemptAt: null, code: null }],
    ["3 b sealed", { attempts: 1, waitsFor: "backoff", blockedBy: null, nextAttemptAt: sealed?.nextAttemptAt, code: "INTERNAL_ERROR" }],
    ["4 c pending", { attempts: 0, waitsFor: null, blockedBy: null, nextAttemptAt: null, code: null }],
  ]);
  expect(sealed?.nextAttemptAt).toBeGreaterThan(world.now);
  expect(sealed?.lastError).toContain("500");
  await world.drain(engine);
  expect((await engine.pending.list()).map(inWords)).toEqual([
    ["2 a blocked", { attempts: 0, waitsFor: "operation", blockedBy: 1, nextAttemptAt: null, code: null }],
  ]);
});

test("Q7 pages: after a seq, at most as many as asked for, across segments and the head; what has ended is left out", async () => {
  const engine = await world.engine({ batch: { maxOperations: 2 } });
  await world.enqueue(engine, updates(2));
  world.backend.judge = ({ entity_id }) => (entity_id === "x" ? rejected : undefined);
  await world.enqueue(engine, ["CREATE x"]);
  await world.drain(engine);
  await world.run(engine.stop());
  await world.enqueue(engine, ["UPDATE x"]);
  for (let n = 0; n < 3; n++) await world.enqueue(engine, updates(3));
  const [, tenth] = (await engine.pending.list()).slice(5);
  await world.run(engine.cancel(tenth?.id ?? ""));
  // 3 failed and holds 4; 10 is cancelled.
  const all = [4, 5, 6, 7, 8, 9, 11, 12, 13];
  expect(await seqs(engine)).toEqual(all);
  const paged: number[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page = await seqs(engine, { after, limit: 2 });
    paged.push(...page);
    after = page.at(-1);
  }
  expect(paged).toEqual(all);
  expect(await seqs(engine, { after: 4, limit: 1 })).toEqual([5]);
  expect(await seqs(engine, { after: 12, limit: 1000 })).toEqual([13]);
});

test("Q7 of a long queue it reads no more than a page", async () => {
  const read: number[] = [];
  const store = tappedStore(world.store, { readSegments: (_account, _from, limit) => void read.push(limit) });
  const engine = await world.engine({ store, autoStart: false });
  for (let n = 0; n < 40; n++) await world.enqueue(engine, ["UPDATE a"]);
  read.length = 0;
  expect(await seqs(engine, { after: 20, limit: 3 })).toEqual([21, 22, 23]);
  expect(read).toEqual([1, 1, 1]);
});
