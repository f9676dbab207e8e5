/** What other engines did to their users, replayed against ours. Each title names where it was reported. */
import { defineEntity, defineOperation } from "guardian-sync";
import { type Exchange, failed, operationsIn, refused, type SeenRequest, TestWorld } from "guardian-sync/testing";
import { afterEach, describe, expect, test } from "vitest";

const HOUR_MS = 3_600_000;
const OPS = "/api/v1/sync/ops";
const CREATE_A = { type: "CREATE", entityType: "device", entityId: "a", payload: { name: "lamp" } } as const;
const device = defineEntity<{ name: string }>("device", { collection: "devices" });

/** Each operation goes as it was made, so that they can be counted. */
const ONE_BY_ONE = { coalesce: false } as const;

let world: TestWorld;
afterEach(() => world.close());

/** How often each key travelled. */
function journeys(): readonly number[] {
  const counts = new Map<string, number>();
  for (const request of world.transport.to(OPS)) for (const { key } of operationsIn(request)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts.values()];
}

describe("sent twice, or by two", () => {
  test("X1 X2 what was sent before a reload is not replayed after it (TanStack/db#921)", async () => {
    world = new TestWorld();
    const page = await world.process(ONE_BY_ONE);
    await world.enqueue(page.engine, ["CREATE a", "UPDATE a", "CREATE b"]);
    // The answer is recorded; the page goes before it could do anything else.
    page.crash({ at: "store.commit", nth: 3, side: "after" });
    await world.advance(HOUR_MS);
    const reloaded = await world.process(ONE_BY_ONE);
    await world.drain(reloaded.engine);
    await world.advance(HOUR_MS);
    expect(page.isDead).toBe(true);
    expect(world.backend.appliedIds).toEqual(["a", "a", "b"]);
    expect(journeys()).toEqual([1, 1, 1]);
  });

  test("L1 X1 tabs that start together do not both send (measured in TanStack DB)", async () => {
    world = new TestWorld();
    world.faults = { offline: true };
    const first = await world.process(ONE_BY_ONE);
    await world.enqueue(first.engine, ["CREATE a", "UPDATE a", "CREATE b"]);
    first.kill();
    world.faults = { requestDelayMs: [500, 3000] };
    const tabs = [await world.process(ONE_BY_ONE), await world.process(ONE_BY_ONE), await world.process(ONE_BY_ONE)];
    for (const { engine } of tabs) expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "a", "b"]);
    expect(journeys()).toEqual([1, 1, 1]);
  });

  test("L1 X1 a tab whose picture of the queue is old sends nothing of it again (stale outbox scan)", async () => {
    world = new TestWorld();
    const [first, second] = [await world.process(ONE_BY_ONE), await world.process(ONE_BY_ONE)];
    await world.enqueue(first.engine, ["CREATE a", "UPDATE a"]);
    await world.run(second.engine.pending.list());
    second.freeze();
    await world.drain(first.engine);
    second.thaw();
    await world.enqueue(second.engine, ["CREATE b"]);
    await world.drain(second.engine);
    expect(world.backend.appliedIds).toEqual(["a", "a", "b"]);
    expect(journeys()).toEqual([1, 1, 1]);
  });

  test("L1 L2 a frozen leader is replaced, and sends nothing when it wakes (rxdb#8514)", async () => {
    world = new TestWorld();
    const [leader, follower] = [await world.process(ONE_BY_ONE), await world.process(ONE_BY_ONE)];
    world.faults = { requestLost: 1 };
    await world.enqueue(leader.engine, ["CREATE a"]);
    await world.advance(1000);
    leader.freeze();
    world.faults = {};
    await world.enqueue(follower.engine, ["CREATE b"]);
    const since = world.now;
    expect(await world.drain(follower.engine)).toEqual({ empty: true });
    expect(world.now - since).toBeLessThan(135_000);
    leader.thaw();
    await world.advance(HOUR_MS);
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
  });

  test("L1 a leader that let go is replaced (measured in TanStack DB)", async () => {
    world = new TestWorld();
    const [leader, follower] = [await world.process(ONE_BY_ONE), await world.process(ONE_BY_ONE)];
    await world.enqueue(leader.engine, ["CREATE a"]);
    await world.drain(leader.engine);
    await world.run(leader.engine.stop());
    await world.enqueue(follower.engine, ["CREATE b"]);
    expect(await world.drain(follower.engine)).toEqual({ empty: true });
  });
});

describe("lost", () => {
  test("Q1 R4 an expired token eats nothing (amplify-js#10013, TanStack/db#1592)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    const restored = world.transport.always(OPS, refused(401, "UNAUTHORIZED"));
    await world.enqueue(engine, ["CREATE a", "UPDATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "auth_required" });
    await world.advance(48 * HOUR_MS);
    expect(await world.run(engine.status())).toMatchObject({ state: "paused", failed: 0, conserved: true });
    restored();
    await world.run(engine.auth.refresh());
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "a"]);
  });

  test("Q1 R3 an answer of 500 is not taken for sent (workbox#2599, #3237)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    world.transport.next(OPS, ...Array.from({ length: 3 }, () => refused(500, "INTERNAL_ERROR")));
    await world.enqueue(engine, ["CREATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("Q1 R3 a network that fails for three days discards nothing (redux-offline, workbox)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    const back = world.transport.always(() => true, failed("connection_refused"));
    await world.enqueue(engine, ["CREATE a"]);
    await world.advance(72 * HOUR_MS);
    expect(await world.run(engine.status())).toMatchObject({ pending: 1, failed: 0, conserved: true });
    back();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("R3 digits in a message decide nothing: 'timed out after 4000 ms' is no 400 (measured in TanStack DB)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    const says = (request: SeenRequest): Exchange =>
      ({
        ...refused(503, "SERVICE_UNAVAILABLE")(request),
        body: JSON.stringify({ error: { code: "SERVICE_UNAVAILABLE", message: "400 Bad Request: timed out after 4000 ms, 422, 410" } }),
      }) as Exchange;
    world.transport.next(OPS, says, { ...failed("timeout"), detail: "timed out after 4000 ms" } as Exchange);
    await world.enqueue(engine, ["CREATE a"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(engine.status())).toMatchObject({ succeeded: 1, failed: 0 });
  });

  test("Q1 an update of the app that no longer knows an operation wipes nothing (amplify-js#7413)", async () => {
    world = new TestWorld();
    const rename = defineOperation("device.rename", {
      version: 1,
      entity: (input: { readonly id: string; readonly name: string }) => device.ref(input.id),
      apply: (draft, input) => {
        draft.name = input.name;
      },
    });
    world.backend.offers = { operations: ["device.rename"] };
    world.faults = { offline: true };
    const old = await world.process({ ...ONE_BY_ONE, entities: [device], operations: [rename] });
    await world.run(old.engine.run(rename, { id: "a", name: "Kitchen" }).stored);
    old.kill();
    world.faults = {};

    const updated = await world.process({ ...ONE_BY_ONE, entities: [device] });
    await world.enqueue(updated.engine, ["CREATE b"]);
    await world.drain(updated.engine);
    expect(world.backend.appliedIds).toEqual(["b"]);
    expect(await world.run(updated.engine.failed.list())).toMatchObject([{ state: "parked", type: "device.rename" }]);
    await world.run(updated.engine.close());

    const repaired = await world.process({ ...ONE_BY_ONE, entities: [device], operations: [rename] });
    expect(await world.drain(repaired.engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["b", "a"]);
  });
});

describe("stuck", () => {
  test("R3 Q6 one that is refused blocks nobody else (powersync-js#605)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    const error = { code: "VALIDATION_ERROR", message: "no" };
    world.backend.judge = ({ entity_id: id }) => (id === "bad" ? { status: 422, outcome: "rejected", error } : undefined);
    await world.enqueue(engine, ["CREATE a", "CREATE bad", "CREATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
    expect(await world.run(engine.failed.list())).toMatchObject([{ state: "failed", entityId: "bad" }]);
  });

  test("R1 a request that never ends does not stop it for hours (powersync-swift#179, Dexie.js#2225)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    world.transport.next(OPS, "silence");
    await world.enqueue(engine, ["CREATE a"]);
    const since = world.now;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.now - since).toBeLessThan(120_000);
  });

  test("R1 coming back online that nobody tells of is noticed (livestore#1394)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    world.faults = { connectionRefused: 1 };
    await world.enqueue(engine, ["CREATE a"]);
    await world.advance(6 * HOUR_MS);
    world.faults = {};
    await world.advance(120_000);
    expect(world.backend.appliedIds).toEqual(["a"]);
  });
});

describe("wrong", () => {
  test("X4 a burst of edits behind a create does not lose to its own versions (amplify-js#14766, #11674)", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    await world.run(engine.enqueue(CREATE_A));
    for (let i = 0; i < 20; i++)
      await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "a", payload: { count: i }, baseVersion: 1 }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(engine.status())).toMatchObject({ succeeded: 21, conflict: 0, failed: 0 });
  });

  test("E2 what one user wrote is never sent as another", async () => {
    world = new TestWorld();
    const { engine } = await world.process(ONE_BY_ONE);
    world.faults = { offline: true };
    await world.enqueue(engine, ["CREATE a"]);
    await world.advance(1000);
    world.session = { account: { space: "home", principal: "bob" }, token: "token-of-bob" };
    world.backend.account = world.session.account;
    await world.run(engine.auth.refresh());
    world.faults = {};
    await world.enqueue(engine, ["CREATE b"]);
    await world.advance(HOUR_MS);
    expect(world.backend.appliedIds).toEqual(["b"]);
    expect(world.transport.to(OPS).map(({ headers }) => headers.Authorization)).toEqual(["Bearer token-of-bob"]);

    world.session = { account: { space: "home", principal: "ada" }, token: "token-1" };
    await world.run(engine.auth.refresh());
    world.backend.account = world.session.account;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["b", "a"]);
  });

  test("O2 what is shown does not jump back to old data after a reconnect (TanStack/db#1323, powersync-js#622)", async () => {
    world = new TestWorld();
    world.backend.write("device", "a", { name: "old" });
    const { engine } = await world.process({ ...ONE_BY_ONE, entities: [device] });
    const shown: (string | undefined)[] = [];
    const unsubscribe = engine.entity(device, "a").subscribe(({ value }) => shown.push(value?.name));
    await world.run(engine.pull());
    world.faults = { offline: true };
    await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "a", payload: { name: "new" } }));
    await world.advance(HOUR_MS);
    world.faults = { answerDelayMs: [1000, 5000] };
    world.connectivity.turn(true);
    await world.drain(engine);
    await world.run(engine.pull());
    unsubscribe();
    const first = shown.indexOf("new");
    expect(first).toBeGreaterThan(-1);
    expect(new Set(shown.slice(first))).toEqual(new Set(["new"]));
  });
});
