import { type JsonObject, SyncError } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PlainRestBackend } from "../testing/tiny-backend.ts";
import { failed, refused } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import type { EntityView, ListedEntity } from "./live-view.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";
const device = defineEntity("device", { collection: "devices" });
const addOne = defineOperation<{ readonly id: string }, { count: number }>("device.addOne", {
  entity: ({ id }) => device.ref(id),
  apply: (draft) => {
    draft.count = (draft.count ?? 0) + 1;
  },
});

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const open = (options: object = {}): Promise<SyncEngine> => world.engine({ entities: [device], operations: [addOne], ...options });

/** Everything a page saw of one entity. */
function look(engine: SyncEngine, id: string): { readonly seen: EntityView[]; readonly now: () => EntityView; readonly off: () => void } {
  const seen: EntityView[] = [];
  const off = engine.entity(device, id).subscribe((view) => seen.push(view));
  return { seen, now: () => seen.at(-1) as EntityView, off };
}
const update = (engine: SyncEngine, entityId: string, payload: JsonObject): Promise<unknown> =>
  world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId, payload }));

describe("the view", () => {
  test("O2 shows a write in the same tick, and stays when it is stored, sent, acknowledged and echoed", async () => {
    const engine = await open();
    const page = look(engine, "d1");
    await world.advance(100);
    expect(page.now()).toEqual({ value: null, syncState: "synced", version: null, serverId: null, pending: 0, isLoading: false });
    const stored = engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { on: true } });
    expect(page.now()).toMatchObject({ value: { on: true }, syncState: "pending", pending: 1 });
    await world.run(stored);
    await world.run(engine.drain());
    await world.advance(60_000);
    expect(page.now()).toMatchObject({ value: { on: true }, syncState: "synced", pending: 0, version: 1 });
    // Never back to nothing in between.
    const values = page.seen.map(({ value }) => value);
    expect(values.slice(values.findIndex((value) => value !== null)).every((value) => value !== null)).toBe(true);
    expect(await engine.status()).toMatchObject({ succeeded: 1, conserved: true });
  });

  test("O2 a write is shown and stays whenever it comes while the file is read for the first time", async () => {
    for (let call = 0; call < 8; call++) {
      const create = (): Promise<unknown> =>
        engine.enqueue({ type: "CREATE", entityType: "device", entityId: `d${call}`, payload: { on: true } });
      let calls = 0;
      let isLooking = false;
      // Stored between two of the reads; the last ones are made in vain.
      const readAccount = async (): Promise<void> => {
        if (isLooking && ++calls === call) await create();
      };
      const engine = await open({ autoStart: false, store: tappedStore(world.store, { readAccount }) });
      isLooking = true;
      const page = look(engine, `d${call}`);
      if (call === 0) await world.run(create());
      await world.advance(100);
      if (calls < call) await world.run(create());
      expect(page.now()).toMatchObject({ value: { on: true }, syncState: "pending", pending: 1 });
      page.off();
      await world.run(engine.close());
    }
  });

  test("O2 a write stays when it is acknowledged before anything was ever read", async () => {
    const engine = await open();
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d0", payload: { on: true } }));
    await world.run(engine.drain());
    world.connectivity.turn(false);
    const page = look(engine, "d1");
    await world.advance(100);
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { on: true } }));
    world.connectivity.turn(true);
    await world.run(engine.drain());
    await world.advance(60_000);
    const values = page.seen.map(({ value }) => value);
    expect(values.slice(values.findIndex((value) => value !== null))).not.toContain(null);
  });

  test("O4 shows what others write, under what waits here", async () => {
    world.backend.write("device", "d1", { name: "lamp", on: false });
    const engine = await open();
    const page = look(engine, "d1");
    await world.run(engine.pull());
    expect(page.now()).toMatchObject({ value: { name: "lamp", on: false }, version: 1, syncState: "synced" });
    world.connectivity.turn(false);
    await update(engine, "d1", { on: true });
    expect(page.now()).toMatchObject({ value: { name: "lamp", on: true }, syncState: "pending" });
    const edited = page.seen.length;
    world.backend.write("device", "d1", { name: "big lamp", on: false });
    world.connectivity.turn(true);
    await world.advance(60_000);
    expect(page.now()).toMatchObject({ value: { name: "big lamp", on: true }, syncState: "synced", pending: 0 });
    expect(page.seen.slice(edited).map(({ value }) => value?.on)).not.toContain(false);
  });

  test("O2 a deletion by others, and one of our own", async () => {
    world.backend.write("device", "a", { n: 1 });
    world.backend.write("device", "b", { n: 2 });
    const engine = await open();
    let items: readonly ListedEntity[] = [];
    engine.entities(device).subscribe((all) => {
      items = all;
    });
    await world.run(engine.pull());
    expect(items.map(({ entityId, value }) => [entityId, value])).toEqual([
      ["a", { n: 1 }],
      ["b", { n: 2 }],
    ]);
    world.backend.write("device", "a", null);
    await world.run(engine.enqueue({ type: "DELETE", entityType: "device", entityId: "b" }));
    expect(items.map(({ entityId }) => entityId)).toEqual(["a"]);
    await world.run(engine.pull());
    expect(items).toEqual([]);
  });

  test("O2 a rejection takes its write back, out of the middle", async () => {
    world.backend.write("device", "d1", { a: 0, b: 0, c: 0 });
    world.backend.judge = ({ payload }) =>
      (payload as JsonObject).b === 1
        ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } }
        : undefined;
    const engine = await open({ autoStart: false, batch: { maxOperations: 1 } });
    const page = look(engine, "d1");
    await world.run(engine.pull());
    await update(engine, "d1", { a: 1 });
    await update(engine, "d1", { b: 1 });
    await update(engine, "d1", { c: 1 });
    expect(page.now().value).toEqual({ a: 1, b: 1, c: 1 });
    engine.start();
    await world.run(engine.drain());
    await world.advance(60_000);
    expect(page.now()).toMatchObject({ value: { a: 1, b: 0, c: 1 }, syncState: "failed" });
    await world.run(engine.failed.archive({ all: true }));
    expect(page.now()).toMatchObject({ syncState: "synced" });
  });

  test("O2 is the same after a restart, offline", async () => {
    world.backend.write("device", "d1", { name: "lamp", count: 3 });
    const first = await open();
    const before = look(first, "d1");
    await world.run(first.pull());
    world.connectivity.turn(false);
    await update(first, "d1", { name: "mine" });
    await world.run(first.run(addOne, { id: "d1" }).stored);
    expect(before.now()).toMatchObject({ value: { name: "mine", count: 4 }, pending: 2 });
    await world.run(first.close());
    const second = await open();
    const page = look(second, "d1");
    await world.advance(10);
    expect(page.now()).toMatchObject({ value: { name: "mine", count: 4 }, pending: 2, syncState: "pending" });
  });

  test("O2 an increment is counted once, though its echo comes before its answer", async () => {
    world.backend.offers = { operations: ["device.addOne"] };
    world.backend.feed.effects.set("device.addOne", ({ count }) => ({ count: Number(count) + 1 }));
    world.backend.write("device", "d1", { count: 0 });
    const engine = await open();
    const page = look(engine, "d1");
    await world.run(engine.pull());
    let release: (() => void) | undefined;
    world.transport.next(OPS, async (request) => {
      const answer = world.backend.answer(request);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return answer;
    });
    const operation = engine.run(addOne, { id: "d1" });
    await world.run(operation.stored);
    await world.advance(20_000);
    expect(page.now().value).toEqual({ count: 1 });
    release?.();
    await world.advance(60_000);
    expect(page.now()).toMatchObject({ value: { count: 1 }, syncState: "synced" });
    expect(new Set(page.seen.slice(2).map(({ value }) => value?.count))).toEqual(new Set([0, 1]));
  });

  test("O2 an increment is counted once, though a snapshot contains it before its answer comes", async () => {
    world.backend.offers = { operations: ["device.addOne"] };
    world.backend.feed.effects.set("device.addOne", ({ count }) => ({ count: Number(count) + 1 }));
    world.backend.write("device", "d1", { count: 0 });
    const engine = await open();
    const page = look(engine, "d1");
    await world.run(engine.pull());
    let release: (() => void) | undefined;
    world.transport.next(OPS, async (request) => {
      const answer = world.backend.answer(request);
      // The history begins anew: everything is read again, without a word about whose effect it is.
      world.backend.feed.generation = "g2";
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return answer;
    });
    await world.run(engine.run(addOne, { id: "d1" }).stored);
    await world.advance(20_000);
    expect(world.transport.to("/api/v1/sync/snapshot")).toHaveLength(2);
    expect(page.now()).toMatchObject({ value: { count: 1 }, version: 2 });
    release?.();
    await world.advance(60_000);
    expect(page.now()).toMatchObject({ value: { count: 1 }, syncState: "synced" });
    expect(new Set(page.seen.slice(2).map(({ value }) => value?.count))).toEqual(new Set([0, 1]));
  });

  test("a listener that throws harms nobody", async () => {
    const engine = await open();
    engine.entity(device, "d1").subscribe(() => {
      throw new Error("a fault of the app");
    });
    const page = look(engine, "d1");
    await update(engine, "d1", { on: true });
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d2", payload: { on: true } }));
    expect(page.seen.length).toBeGreaterThan(0);
    expect(world.logged).toContain("error view_failed UNKNOWN");
  });

  test("nobody looks: nothing is read, nothing is held", async () => {
    const engine = await open();
    const page = look(engine, "d1");
    await world.run(engine.pull());
    page.off();
    await world.advance(100_000);
    const { length } = world.transport.requests;
    await world.advance(600_000);
    expect(world.transport.requests).toHaveLength(length);
    expect((await engine.status()).lock).toBeNull();
  });
});

describe("somebody else signs in", () => {
  test("Q1 while the disk has no place for them, nothing is shown or taken in under the former one's name", async () => {
    let isFull = false;
    const store = tappedStore(world.store, {
      commit: () => {
        if (isFull) throw new SyncError("STORAGE_FULL", "no space is left");
      },
    });
    const engine = await open({ store });
    const page = look(engine, "d1");
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { on: true } }));
    await world.advance(1000);
    expect(page.now().value).toEqual({ on: true });
    isFull = true;
    world.session = { account: { space: "home", principal: "bob" }, token: "bob-1" };
    await expect(world.run(engine.auth.refresh())).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(page.now()).toMatchObject({ value: null, isLoading: true });
    expect(() => engine.run(addOne, { id: "d1" })).toThrow(expect.objectContaining({ code: "NO_ACCOUNT" }));
    isFull = false;
    world.backend.account = world.session.account;
    await world.advance(120_000);
    await world.run(engine.auth.refresh());
    await world.advance(1000);
    expect(page.now().isLoading).toBe(false);
    await world.run(engine.run(addOne, { id: "d1" }).stored);
  });
});

describe("two processes", () => {
  test("O4 one that does not hold the lock reads by itself when it is asked to", async () => {
    const [leader, other] = [await open(), await open()];
    await world.run(leader.pull());
    // It sends without an end, and looks at nothing: it keeps the lock, and reads nothing.
    world.transport.always(OPS, "silence");
    await update(leader, "d0", { on: true });
    await world.advance(10);
    const page = look(other, "d1");
    await world.advance(100);
    world.backend.write("device", "d1", { name: "lamp" });
    await world.run(other.pull({ timeoutMs: 10_000 }));
    expect(page.now()).toMatchObject({ value: { name: "lamp" } });
    expect((await leader.status()).lock).toMatchObject({ mine: true });
  });
});

describe("when nobody looks any more", () => {
  test("Q7 what is acknowledged does not stay in the queue file for an echo that nobody reads", async () => {
    const engine = await open();
    const page = look(engine, "d1");
    await world.run(engine.pull());
    page.off();
    await world.advance(60_000);
    for (let i = 0; i < 20; i++) await update(engine, "d1", { n: i });
    await world.run(engine.drain());
    await world.advance(10_000);
    const { queue, account } = await TestQueue.open(world);
    expect(await (await queue.view(account)).inPhase(["acked"], 0, 100)).toEqual([]);
    expect((await engine.status()).lock).toBeNull();
    const { length } = world.transport.requests;
    await world.advance(600_000);
    expect(world.transport.requests).toHaveLength(length);
  });
});

describe("no flicker", () => {
  test.each([
    [1, false],
    [2, false],
    [3, false],
    [4, true],
    [5, true],
    [6, "entity"],
  ] as const)("O2 X6 over 1,000 edits and a delayed feed no own value ever goes back (seed %i, coalesce %s)", async (seed, coalesce) => {
    world = new TestWorld({ seed });
    const ids = ["a", "b", "c"];
    for (const id of ids) world.backend.write("device", id, { n: 0 });
    const luck = world.random.fork("weather");
    // Answers of the feed are old when they come.
    world.transport.always(
      ({ path }) => path.startsWith("/api/v1/sync/changes"),
      async (request) => {
        const answer = world.backend.answer(request);
        await new Promise<void>((resolve) => {
          world.clock.schedule(luck.pick([0, 20, 300, 2000]), resolve);
        });
        return answer;
      },
    );
    const engine = await open({ coalesce });
    const highest = new Map(ids.map((id) => [id, 0]));
    const backwards: string[] = [];
    for (const id of ids) {
      engine.entity(device, id).subscribe(({ value, isLoading }) => {
        if (isLoading) return;
        const n = Number(value?.n ?? 0);
        if (n < (highest.get(id) ?? 0)) backwards.push(`${id} went from ${highest.get(id)} to ${n}`);
        highest.set(id, n);
      });
    }
    await world.run(engine.pull());
    for (let n = 1; n <= 1000; n++) {
      const id = luck.pick(ids);
      void engine.enqueue({ type: "UPDATE", entityType: "device", entityId: id, payload: { n } });
      expect(highest.get(id)).toBe(n);
      if (luck.chance(0.3)) await world.advance(luck.pick([1, 10, 50, 400]));
      // Somebody else changes another field meanwhile.
      if (luck.chance(0.05)) world.backend.write("device", id, { ...world.backend.feed.documents.get(id), other: n });
    }
    expect(await world.drain(engine)).toEqual({ empty: true });
    await world.advance(60_000);
    expect(backwards).toEqual([]);
    expect(await engine.status()).toMatchObject({ succeeded: 1000, conserved: true });
    for (const id of ids)
      expect(engine.entity(device, id).get()).toMatchObject({ value: world.backend.feed.documents.get(id), syncState: "synced" });
    expect([...world.disk.states.from(0)]).toEqual([]);
  });
});

describe("the feed", () => {
  test("O4 pages, and a snapshot in pages, leave no gap", async () => {
    for (let n = 0; n < 25; n++) world.backend.write("device", `d${n}`, { n });
    world.backend.feed.pageItems = 4;
    const engine = await open();
    let items: readonly ListedEntity[] = [];
    engine.entities(device).subscribe((all) => {
      items = all;
    });
    await world.run(engine.pull());
    expect(items).toHaveLength(25);
    for (let n = 0; n < 25; n += 2) world.backend.write("device", `d${n}`, { n: n * 10 });
    await world.run(engine.pull());
    expect(Object.fromEntries(items.map(({ entityId, value }) => [entityId, value]))).toEqual(
      Object.fromEntries(world.backend.feed.documents),
    );
  });

  test("O4 a position that the server forgot: read anew, what vanished goes, what waits stays", async () => {
    for (const id of ["a", "b", "c"]) world.backend.write("device", id, { id });
    const engine = await open({ autoStart: false });
    let items: readonly ListedEntity[] = [];
    engine.entities(device).subscribe((all) => {
      items = all;
    });
    await world.run(engine.pull());
    await update(engine, "a", { mine: true });
    world.backend.write("device", "b", null);
    world.backend.write("device", "d", { id: "d" });
    world.backend.feed.floor = world.backend.feed.head;
    const notices: string[] = [];
    engine.on("notice", ({ code }) => notices.push(code));
    await world.run(engine.pull());
    expect(notices).toEqual(["FEED_RESET"]);
    expect(items.map(({ entityId, value }) => [entityId, value])).toEqual([
      ["a", { id: "a", mine: true }],
      ["c", { id: "c" }],
      ["d", { id: "d" }],
    ]);
  });
});

describe("a backend without a feed", () => {
  test.each([0, 1, 2] as const)("O2 level %i: the answers to own writes are the documents", async (level) => {
    const backend = new PlainRestBackend({ etags: level >= 1 });
    world = new TestWorld({ backend: backend.answer });
    const engine = await world.engine({ entities: [device], backend: { level } });
    const page = look(engine, "d1");
    await world.run(engine.pull());
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { name: "lamp" } }));
    await update(engine, "d1", { on: true });
    expect(page.now()).toMatchObject({ value: { name: "lamp", on: true }, syncState: "pending" });
    const shown = page.seen.length;
    await world.run(engine.drain());
    expect(page.now()).toMatchObject({ value: { name: "lamp", on: true }, syncState: "synced", pending: 0 });
    expect(page.seen.slice(shown).every(({ value }) => value?.name === "lamp" && value.on === true)).toBe(true);
    await world.run(engine.close());
    const again = await world.engine({ entities: [device], backend: { level } });
    const later = look(again, "d1");
    await world.advance(10);
    expect(later.now()).toMatchObject({ value: { name: "lamp", on: true }, syncState: "synced" });
    await world.run(again.enqueue({ type: "DELETE", entityType: "device", entityId: "d1" }));
    await world.run(again.drain());
    expect(later.now()).toMatchObject({ value: null, syncState: "synced" });
  });
});

describe("what the origin asks for", () => {
  const HELLO = "/api/v1/sync/handshake";
  const CHANGES = "/api/v1/sync/changes";
  const later = refused(429, "RATE_LIMITED", undefined, { "retry-after": "600" });

  test("R2 a Retry-After that a reader was given with its handshake holds for the sender", async () => {
    world.transport.next(HELLO, later);
    const engine = await open({ autoStart: false });
    look(engine, "d1");
    await world.advance(1000);
    engine.start();
    await update(engine, "d1", { on: true });
    await world.advance(590_000);
    expect(world.transport.requests).toHaveLength(1);
  });

  test("R3 a page that is read behind an open breaker closes it", async () => {
    const engine = await open({ breaker: { failureThreshold: 2, windowMs: 60_000, cooldownMs: 60_000 } });
    look(engine, "d1");
    await world.run(engine.pull());
    for (let i = 0; i < 2; i++) world.transport.next("/api/v1/sync/changes", failed("reset"));
    await world.advance(40_000);
    expect((await engine.status()).breaker).toMatchObject({ state: "open" });
    await world.advance(70_000);
    expect((await engine.status()).breaker).toMatchObject({ state: "closed" });
  });

  test("A1 a reader whose handshake is refused asks for a new token", async () => {
    world.backend.write("device", "d1", { name: "lamp" });
    world.transport.next(HELLO, refused(401, "AUTH_REQUIRED"));
    const engine = await open();
    const page = look(engine, "d1");
    await world.advance(1000);
    expect(page.now().value).toEqual({ name: "lamp" });
  });

  test("A1 a reader whose second token is refused as well is given a third one after a wait", async () => {
    const engine = await open();
    await world.run(engine.pull());
    world.backend.write("device", "d1", { name: "lamp" });
    let serial = 1;
    world.onForced = () => {
      serial += 1;
      world.session = { account: { space: "home", principal: "ada" }, token: `token-${serial}` };
    };
    world.transport.always(CHANGES, (request) =>
      request.headers.Authorization === "Bearer token-3" ? world.backend.answer(request) : refused(401, "AUTH_REQUIRED")(request),
    );
    const page = look(engine, "d1");
    await world.advance(120_000);
    expect(page.now().value).toEqual({ name: "lamp" });
    expect(world.asked.forced).toBe(2);
  });

  test("R2 a Retry-After that the reader was given while a request of the sender was under way holds for the question after it", async () => {
    world.backend.write("device", "d1", { name: "lamp" });
    const engine = await open();
    const page = look(engine, "d1");
    await world.run(engine.pull());
    world.transport.next(OPS, async (request) => {
      await new Promise<void>((resolve) => {
        world.clock.schedule(10_000, resolve);
      });
      return world.backend.answer(request);
    });
    world.backend.judge = () => ({ status: 409, outcome: "conflict", error: { code: "CONFLICT", message: "somebody else wrote" } });
    await update(engine, "d1", { on: true });
    await world.advance(1000);
    world.transport.next(CHANGES, later);
    // The long poll ends, and the next one is refused; after that the answer comes, a conflict, which is to be sealed off.
    world.backend.write("device", "d1", { name: "big lamp" });
    await world.advance(500_000);
    const heardAt = world.transport.to(CHANGES).at(-1)?.at ?? 0;
    expect(world.transport.requests.filter(({ at }) => at > heardAt)).toEqual([]);
    await world.advance(300_000);
    expect(page.now()).toMatchObject({ value: { name: "big lamp", on: true }, syncState: "conflict" });
  });

  test("R2 a Retry-After that the sender was given while the reader was greeted holds for the reader", async () => {
    const first = await open();
    await world.run(first.pull());
    await world.run(first.close());
    const before = world.transport.requests.length;
    let greet: (() => void) | undefined;
    const engine = await open({ autoStart: false });
    world.transport.next(HELLO, async (request) => {
      await new Promise<void>((resolve) => {
        greet = resolve;
      });
      return world.backend.answer(request);
    });
    world.transport.next(HELLO, later);
    look(engine, "d1");
    await world.advance(100);
    await update(engine, "d1", { on: true });
    engine.start();
    await world.advance(1000);
    greet?.();
    await world.advance(10_000);
    expect(world.transport.requests.slice(before).map(({ path }) => path)).toEqual([HELLO, HELLO]);
  });
});

describe("somebody else is signed in", () => {
  const ada = { account: { space: "home", principal: "ada" }, token: "token-1" };
  const bob = { account: { space: "home", principal: "bob" }, token: "token-2" };
  const signIn = async (engine: SyncEngine, session: typeof ada | null): Promise<void> => {
    world.session = session;
    await world.run(engine.auth.refresh());
  };

  test("Q6 who looks at one document looks at theirs from then on", async () => {
    world.connectivity.turn(false);
    const engine = await open();
    const page = look(engine, "d1");
    let items: readonly ListedEntity[] = [];
    engine.entities(device).subscribe((all) => {
      items = all;
    });
    const create = (of: string): Promise<unknown> =>
      world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { of } }));
    await create("ada");
    await signIn(engine, bob);
    await world.advance(10);
    expect([page.now().value, items]).toEqual([null, []]);
    await create("bob");
    expect([page.now().value, items.map(({ value }) => value)]).toEqual([{ of: "bob" }, [{ of: "bob" }]]);
    await signIn(engine, ada);
    await world.advance(10);
    expect([page.now().value, items.map(({ value }) => value)]).toEqual([{ of: "ada" }, [{ of: "ada" }]]);
  });

  test("Q6 who began to look while nobody was signed in is told when somebody is", async () => {
    world.connectivity.turn(false);
    const engine = await open();
    engine.entities(device).subscribe(() => undefined);
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { of: "ada" } }));
    await signIn(engine, null);
    const page = look(engine, "d1");
    await world.advance(10);
    await signIn(engine, ada);
    await world.advance(10);
    expect(page.now().value).toEqual({ of: "ada" });
  });

  test("O4 who began to look while nobody was signed in reads as soon as somebody is", async () => {
    world.backend.write("device", "d1", { name: "lamp" });
    const engine = await open();
    await signIn(engine, null);
    const page = look(engine, "d1");
    await world.advance(1000);
    await signIn(engine, ada);
    await world.advance(1000);
    expect(page.now().value).toEqual({ name: "lamp" });
  });

  test("an answer that comes when nobody is signed in any more is recorded, though somebody looks", async () => {
    const engine = await open();
    look(engine, "d1");
    await world.run(engine.pull());
    let answer: (() => void) | undefined;
    world.transport.next(OPS, async (request) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return world.backend.answer(request);
    });
    await update(engine, "d1", { on: true });
    await world.advance(100);
    const told: string[] = [];
    engine.on("succeeded", ({ type }) => told.push(type));
    await signIn(engine, null);
    answer?.();
    await world.advance(1000);
    expect(told).toEqual(["succeeded"]);
    expect(world.logged.filter((line) => line.includes("turn_failed"))).toEqual([]);
  });
});
