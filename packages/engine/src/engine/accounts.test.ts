import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { operationsIn } from "../testing/tiny-backend.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { type TestSession, TestWorld } from "../testing/test-world.ts";
import { defineEntity } from "./definitions.ts";
import type { EntityView, ListedEntity } from "./live-view.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";
const device = defineEntity("device", { collection: "devices" });
const ada: TestSession = { account: { space: "home", principal: "ada" }, token: "ada-home" };
const bob: TestSession = { account: { space: "home", principal: "bob" }, token: "bob-home" };
const adaAtWork: TestSession = { account: { space: "work", principal: "ada" }, token: "ada-work" };

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
  world.session = ada;
});
afterEach(() => world.close());

const open = (options: object = {}): Promise<SyncEngine> => world.engine({ entities: [device], ...options });
async function signIn(engine: SyncEngine, session: TestSession | null): Promise<void> {
  world.session = session;
  if (session !== null) world.backend.account = session.account;
  await world.run(engine.auth.refresh());
}
const NOTHING = { pending: 0, sealed: 0, failed: 0, parked: 0, conflict: 0, quarantined: 0, oldestPendingAgeMs: null };
const refuse = (word: string): void => {
  world.backend.judge = ({ entity_id }) =>
    entity_id === word ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } : undefined;
};

describe("Q1 A5 before somebody signs out", () => {
  test("what would stay behind is counted, with its age", async () => {
    const engine = await open();
    refuse("a");
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE b", "UPDATE c"]);
    await world.advance(5000);
    expect(await engine.auth.waiting()).toEqual({ ...NOTHING, pending: 2, failed: 1, oldestPendingAgeMs: 5000 });
  });

  test("what is on its way to the disk is counted, too", async () => {
    const engine = await open({ autoStart: false });
    const stored = engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "a", payload: {} });
    const waiting = engine.auth.waiting();
    await world.run(stored);
    expect(await world.run(waiting)).toMatchObject({ pending: 1 });
  });

  test("send: everything went, and they can go", async () => {
    const engine = await open();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE a"]);
    world.connectivity.turn(true);
    expect(await world.run(engine.auth.leave({ waiting: "send" }))).toEqual({ left: true, remaining: NOTHING, discarded: 0 });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("send: what could not go in time, or was refused, stays, and says so", async () => {
    const engine = await open();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE a"]);
    const late = await world.run(engine.auth.leave({ waiting: "send", timeoutMs: 1000 }));
    expect(late).toMatchObject({ left: false, remaining: { pending: 1 }, discarded: 0, reason: "offline" });
    refuse("a");
    world.connectivity.turn(true);
    const refused = await world.run(engine.auth.leave({ waiting: "send" }));
    expect(refused).toMatchObject({ left: false, remaining: { pending: 0, failed: 1 } });
    expect(refused.reason).toBeUndefined();
  });

  test("keep: everything stays, locked, until they sign in again; nobody else sees or sends it", async () => {
    const engine = await open({ autoStart: false });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    expect(await world.run(engine.auth.leave({ waiting: "keep" }))).toMatchObject({ left: true, remaining: { pending: 2 }, discarded: 0 });
    await signIn(engine, null);
    await expect(engine.auth.waiting()).rejects.toMatchObject({ code: "NO_ACCOUNT" });
    await signIn(engine, bob);
    engine.start();
    expect(await engine.auth.waiting()).toEqual(NOTHING);
    expect(await engine.pending.list()).toEqual([]);
    await world.advance(60_000);
    expect(world.backend.appliedIds).toEqual([]);
    await signIn(engine, ada);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
  });

  test("discard: all of it is taken back with receipts, events and a record; nothing goes out", async () => {
    const engine = await open();
    refuse("a");
    await world.enqueue(engine, ["CREATE a"]);
    await world.drain(engine);
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    world.connectivity.turn(false);
    const [operation] = await world.enqueue(engine, ["CREATE b", "UPDATE b"]);
    const told: string[] = [];
    engine.on("cancelled", ({ operation: { type } }) => told.push(type));
    let seen: readonly ListedEntity[] = [];
    engine.entities(device).subscribe((items) => {
      seen = items;
    });
    await world.advance(10);
    expect(seen).toHaveLength(1);
    const result = await world.run(engine.auth.leave({ waiting: "discard", reason: "a shared tablet" }));
    expect(result).toEqual({ left: true, remaining: NOTHING, discarded: 4 });
    expect(told.sort()).toEqual(["CREATE", "CREATE", "UPDATE", "UPDATE"]);
    expect(seen).toEqual([]);
    expect(await operation?.status()).toMatchObject({ state: "cancelled", settled: { verdict: "cancelled", code: "CANCELLED" } });
    expect(await engine.status()).toMatchObject({ enqueued: 4, cancelled: 4, conserved: true, paused: null });
    world.connectivity.turn(true);
    await world.drain(engine);
    expect(world.backend.appliedIds).toEqual([]);
    await world.run(engine.close());
    const again = await open({ autoStart: false });
    expect(await (await again.operation(operation?.id ?? ""))?.status()).toMatchObject({ state: "cancelled" });
  });

  test("X8 discard: what may be under way stays, and gets its marker when they sign in again", async () => {
    const engine = await open();
    world.transport.next(OPS, "silence");
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    await world.enqueue(engine, ["UPDATE b"]);
    expect(await world.run(engine.auth.leave({ waiting: "discard" }))).toMatchObject({
      left: true,
      remaining: { sealed: 1 },
      discarded: 1,
    });
    await signIn(engine, null);
    await world.advance(120_000);
    expect(world.backend.appliedIds).toEqual([]);
    await signIn(engine, ada);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual([]);
    expect(await engine.status()).toMatchObject({ cancelled: 2, sealed: 0, conserved: true });
  });

  test("X1 discard: one of which nobody could say what became of it goes out once more for its marker, and ends as the server says", async () => {
    const engine = await open();
    world.transport.next(OPS, "silence");
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.run(engine.stop());
    // It waited longer than the ledger remembers.
    world.backend.knownSince = new Date(world.now + 200 * 86_400_000).toISOString();
    await world.advance(100 * 86_400_000);
    engine.start();
    await world.drain(engine);
    const [first, ...others] = await engine.failed.list();
    expect([first?.code, others.length]).toEqual(["OUTCOME_UNKNOWN", 1]);
    expect(await world.run(engine.auth.leave({ waiting: "discard" }))).toMatchObject({
      left: true,
      remaining: { parked: 0, sealed: 2 },
      discarded: 0,
    });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual([]);
    expect(await engine.status()).toMatchObject({ cancelled: 2, failed: 0, conserved: true });
  });

  test("Q7 discard: a long queue goes in pages; a crash in the middle leaves nothing paused, and it can be said again", async () => {
    const engine = await open({ autoStart: false });
    await world.enqueue(
      engine,
      Array.from({ length: 250 }, (_, at) => `UPDATE e${at}`),
    );
    expect(await world.run(engine.auth.leave({ waiting: "discard" }))).toMatchObject({ discarded: 250, remaining: NOTHING });
    await world.enqueue(engine, ["UPDATE x"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["x"]);
    expect([...world.disk.states.from(0)]).toEqual([]);
  });

  test("Q8 without a choice nothing is done", async () => {
    const engine = await open({ autoStart: false });
    await world.enqueue(engine, ["UPDATE a"]);
    for (const waiting of [undefined, "drop"])
      await expect(engine.auth.leave({ waiting } as never)).rejects.toMatchObject({
        code: "INVALID_OPERATION",
        message: expect.stringContaining("Nothing was done"),
      });
    expect(await engine.auth.waiting()).toMatchObject({ pending: 1 });
  });

  test("all of it can be read, in pages: what waits, then what failed", async () => {
    const engine = await open();
    refuse("bad");
    await world.enqueue(engine, ["UPDATE bad"]);
    await world.drain(engine);
    world.connectivity.turn(false);
    await world.enqueue(
      engine,
      Array.from({ length: 150 }, (_, at) => `UPDATE e${at}`),
    );
    const read: string[] = [];
    const sizes: number[] = [];
    await world.run(
      (async () => {
        for await (const page of engine.auth.unsent()) {
          sizes.push(page.length);
          read.push(...page.map(({ entityId, state }) => `${state} ${entityId}`));
        }
      })(),
    );
    expect(sizes).toEqual([100, 50, 1]);
    expect(read).toHaveLength(151);
    expect(read.at(-1)).toBe("failed bad");
  });
});

describe("A5 another account or another tenant, while work waits and requests are under way", () => {
  test.each([
    ["another person", bob],
    ["another tenant of the same person", adaAtWork],
  ])("%s: nothing is sent or shown as theirs, and nothing is lost", async (_what, other) => {
    const engine = await open();
    let view: EntityView | undefined;
    let items: readonly ListedEntity[] = [];
    engine.entity(device, "a1").subscribe((now) => {
      view = now;
    });
    engine.entities(device).subscribe((now) => {
      items = now;
    });
    const changes: string[] = [];
    engine.on("auth", ({ change }) => changes.push(change));
    await world.run(engine.pull());
    // Under way, and another waits behind it, when they switch.
    let answer: (() => void) | undefined;
    world.transport.next(OPS, async (request) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return world.backend.answer(request);
    });
    await world.enqueue(engine, ["CREATE a1"]);
    await world.advance(50);
    await world.enqueue(engine, ["CREATE a2"]);
    expect(items).toHaveLength(2);
    world.session = other;
    const refreshed = engine.auth.refresh();
    await world.run(refreshed);
    await world.advance(10);
    expect([view?.value, items]).toEqual([null, []]);
    // A token of theirs that is renewed meanwhile changes nothing of that.
    world.session = { ...other, token: `${other.token}-renewed` };
    await world.run(engine.auth.refresh());
    answer?.();
    await world.advance(100);
    world.backend.account = other.account;
    await world.enqueue(engine, ["CREATE b1"]);
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(items.map(({ entityId }) => entityId)).not.toContain("a1");
    expect(await engine.status()).toMatchObject({ enqueued: 1, succeeded: 1, account: other.account });

    await signIn(engine, ada);
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect([...world.backend.appliedIds].sort()).toEqual(["a1", "a2", "b1"]);
    expect(await engine.status()).toMatchObject({ enqueued: 2, succeeded: 2, conserved: true, account: ada.account });
    for (const request of world.transport.to(OPS)) {
      const isOthers = request.headers.Authorization?.startsWith(`Bearer ${other.token}`) === true;
      expect(operationsIn(request).every(({ entity_id }) => entity_id.startsWith(isOthers ? "b" : "a"))).toBe(true);
    }
    expect(changes.filter((change) => change !== "refreshed")).toEqual(["signed_in", "signed_in"]);
  });

  test("there and back, while the disk is slow to make a place for the other: what is written belongs to who is there", async () => {
    let makeRoom: (() => void) | undefined;
    let isSlow = false;
    const store = tappedStore(world.store, {
      commit: async () => {
        if (!isSlow) return;
        isSlow = false;
        await new Promise<void>((resolve) => {
          makeRoom = resolve;
        });
      },
    });
    const engine = await open({ store, autoStart: false });
    isSlow = true;
    world.session = bob;
    const there = engine.auth.refresh();
    await world.advance(10);
    world.session = ada;
    // The app asks for a token again before the first answer was dealt with.
    engine.start();
    await world.advance(10);
    makeRoom?.();
    await world.run(there);
    await world.advance(100);
    await world.enqueue(engine, ["CREATE a1"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ account: ada.account, enqueued: 1, succeeded: 1 });
    expect(world.transport.to(OPS).every(({ headers }) => headers.Authorization === "Bearer ada-home")).toBe(true);
  });

  test("signed out: who looks sees nothing any more, is told so once, and sees it again after signing in", async () => {
    const engine = await open();
    const seen: EntityView[] = [];
    const changes: string[] = [];
    engine.on("auth", ({ change }) => changes.push(change));
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d", payload: { of: "ada" } }));
    engine.entity(device, "d").subscribe((view) => seen.push(view));
    await world.advance(100);
    await signIn(engine, null);
    expect(seen.at(-1)).toMatchObject({ value: null, isLoading: true });
    await world.advance(10_000);
    expect(seen.at(-1)).toMatchObject({ value: null, isLoading: true });
    await signIn(engine, ada);
    await world.advance(100);
    expect(seen.at(-1)).toMatchObject({ value: { of: "ada" } });
    expect(changes.filter((change) => change !== "refreshed")).toEqual(["signed_out", "signed_in"]);
  });
});
