import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { operationsIn } from "../testing/tiny-backend.ts";
import { answered, refused } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";
import { SessionKeeper, type SessionSource } from "./session-keeper.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const HELLO = "/api/v1/sync/handshake";
const account = { space: "home", principal: "ada" };
const unauthorized = refused(401, "UNAUTHORIZED");

describe("the keeper", () => {
  const keeper = (source: SessionSource): SessionKeeper => new SessionKeeper(source, world.clock);

  test("R4 callers at the same time share one refresh", async () => {
    let calls = 0;
    const own = keeper(async ({ force }) => {
      calls += 1;
      await new Promise<void>((resolve) => world.clock.schedule(100, resolve));
      return { account, token: `${force}-${calls}` };
    });
    let refreshed = 0;
    own.onRefreshed = () => {
      refreshed += 1;
    };
    const all = await world.run(Promise.all([own.refresh(), own.refresh(), own.refresh()]));
    expect(all.map((session) => session?.token)).toEqual(["true-1", "true-1", "true-1"]);
    expect([calls, refreshed]).toEqual([1, 1]);
    await world.run(own.refresh());
    expect(calls).toBe(2);
  });

  test("R4 a failed refresh is over: the next one asks again", async () => {
    let calls = 0;
    const own = keeper(() => {
      calls += 1;
      if (calls === 1) throw new Error("offline");
      return { account, token: "t" };
    });
    await expect(world.run(own.refresh())).rejects.toThrow("offline");
    expect((await world.run(own.refresh()))?.token).toBe("t");
  });

  test("R4 a token that ends within a minute is renewed before it is used", async () => {
    const own = keeper(({ force }) => ({ account, token: force ? "new" : "old", expiresAt: world.now + (force ? 3_600_000 : 59_000) }));
    expect((await own.current())?.token).toBe("new");
    const fine = keeper(() => ({ account, token: "old", expiresAt: world.now + 61_000 }));
    expect((await fine.current())?.token).toBe("old");
  });

  test("A5 an expired session still names its account; null is nobody", async () => {
    const own = keeper(() => ({ account, token: "old", expiresAt: 1 }));
    expect(await own.current()).toMatchObject({ account, token: "old" });
    expect(own.last).toMatchObject({ account });
    const nobody = keeper(() => null);
    expect([await nobody.current(), await nobody.refresh(), nobody.last]).toEqual([null, null, null]);
  });

  test("A5 an answer that is late tells who was there, not who is; a new token of the same account counts", async () => {
    const answers: ((session: { account: typeof account; token: string } | null) => void)[] = [];
    const own = keeper(
      () =>
        new Promise((resolve) => {
          answers.push(resolve);
        }),
    );
    const bob = { account: { space: "home", principal: "bob" }, token: "bob" };
    const [early, late] = [own.refresh(), own.current()];
    await world.advance(1);
    answers[1]?.(bob);
    expect(await world.run(late)).toBe(bob);
    answers[0]?.({ account, token: "ada" });
    expect(await world.run(early)).toBe(bob);
    expect(own.last).toBe(bob);
    const [renewing, asking] = [own.refresh(), own.current()];
    await world.advance(1);
    answers[3]?.(bob);
    await world.run(asking);
    answers[2]?.({ ...bob, token: "renewed" });
    expect((await world.run(renewing))?.token).toBe("renewed");
    expect(own.last?.token).toBe("renewed");
  });

  test("A5 who is there is told one after the other: a slow disk for one is not overtaken, and the last word counts", async () => {
    const bob = { account: { space: "home", principal: "bob" }, token: "bob" };
    let now: typeof bob = bob;
    const own = keeper(() => now);
    const told: string[] = [];
    let isFirst = true;
    own.onSession = async (session) => {
      if (isFirst) {
        isFirst = false;
        await new Promise<void>((resolve) => world.clock.schedule(100, resolve));
      }
      told.push(session?.account.principal ?? "nobody");
    };
    const there = own.refresh();
    await world.advance(10);
    now = { account, token: "ada" };
    const back = own.current();
    await world.run(Promise.all([there, back]));
    expect(told).toEqual(["bob", "ada"]);
  });

  test("R4 a session function that hangs is given up after 30 s", async () => {
    const own = keeper(() => new Promise(() => {}));
    await expect(world.run(own.current(), 31_000)).rejects.toMatchObject({ code: "AUTH_REQUIRED", retryable: true });
  });

  test.each([
    [{ account, token: "" }, "returned no token"],
    [{ account, token: 7 }, "returned no token"],
    [{ account: { space: "", principal: "a" }, token: "t" }, "account: { space, principal }"],
    [{ token: "t" }, "account: { space, principal }"],
    [{ account, token: "t", expiresAt: "soon" }, "expiresAt in milliseconds"],
  ])("Q8 %j is refused", async (session, message) => {
    await expect(keeper(() => session as never).current()).rejects.toThrow(message);
  });
});

describe("a token that is refused", () => {
  test("R4 is refreshed once, and the operation goes again at once, uncharged, with the same key", async () => {
    const engine = await world.engine();
    world.onForced = () => {
      world.session = { account, token: "token-2" };
    };
    world.transport.next(OPS, unauthorized);
    const [operation] = await world.enqueue(engine, ["CREATE d1"]);
    const startedAt = world.now;
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.now - startedAt).toBeLessThan(100);
    const sent = world.transport.to(OPS);
    expect(sent.map(({ headers }) => headers.Authorization)).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(new Set(sent.flatMap((request) => operationsIn(request).map(({ key }) => key))).size).toBe(1);
    expect(sent.map((request) => (request.json as { meta: { attempts: object } }).meta.attempts)).toEqual([
      { [operationsIn(sent[0]!)[0]!.key]: 1 },
      { [operationsIn(sent[0]!)[0]!.key]: 1 },
    ]);
    expect(world.asked.forced).toBe(1);
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "applied" });
  });

  test.each([
    ["the request", OPS],
    ["the handshake", HELLO],
  ])("R4 twice in a row pauses, for %s, too", async (_title, path) => {
    const engine = await world.engine();
    world.transport.next(path, unauthorized, unauthorized);
    const paused: string[] = [];
    engine.on("paused", ({ reason, by }) => paused.push(`${reason} by ${by}`));
    const required: string[] = [];
    engine.on("auth", ({ change }) => required.push(change));
    await world.enqueue(engine, ["CREATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "auth_required" });
    expect(await engine.status()).toMatchObject({ state: "paused", reason: "auth_required", paused: { by: "engine" }, lock: null });
    expect([paused, required]).toEqual([["auth_required by engine"], ["refreshed", "required"]]);
    await world.advance(3_600_000);
    expect(world.transport.to(path)).toHaveLength(2);

    await world.run(engine.auth.refresh());
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["d1"]);
  });

  test("R4 a success in between begins anew", async () => {
    const engine = await world.engine({ batch: { maxOperations: 1 } });
    await world.enqueue(engine, ["CREATE d1", "CREATE d2"]);
    let turn = 0;
    world.transport.next(OPS, unauthorized, world.backend.answer, unauthorized, (request) => {
      turn += 1;
      return world.backend.answer(request);
    });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect([turn, world.asked.forced]).toEqual([1, 2]);
  });

  test("R4 a refresh that fails is no second refusal: it is tried again later", async () => {
    const engine = await world.engine();
    let isBroken = true;
    world.onForced = () => {
      if (isBroken) throw new Error("the sign-in service is away");
    };
    world.transport.next(OPS, unauthorized);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.advance(500);
    expect(await engine.status()).toMatchObject({ state: "waiting", sealed: 1 });
    isBroken = false;
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("Q9 restarting lifts the engine's own pause: the app has signed in anew", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, unauthorized, unauthorized);
    await world.enqueue(engine, ["CREATE d1"]);
    await world.drain(engine);
    await world.run(engine.close());
    const again = await world.engine();
    expect(await world.drain(again)).toEqual({ empty: true });
  });
});

describe("who is signed in", () => {
  const bob = { account: { space: "home", principal: "bob" }, token: "bob-1" };

  test("A5 an operation is sent only as the account that made it, however often the accounts change", async () => {
    const ada = world.session;
    const engine = await world.engine({ autoStart: false });
    await world.enqueue(engine, ["CREATE a1", "CREATE a2"]);
    world.session = bob;
    world.backend.account = bob.account;
    engine.start();
    await world.advance(100);
    expect(world.transport.requests).toEqual([]);
    await world.enqueue(engine, ["CREATE b1"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["b1"]);
    expect(world.transport.requests.every(({ headers }) => headers.Authorization === "Bearer bob-1")).toBe(true);

    world.session = ada;
    world.backend.account = account;
    const asBob = world.transport.requests.length;
    await world.run(engine.auth.refresh());
    await world.enqueue(engine, ["CREATE a3"]);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["b1", "a1", "a2", "a3"]);
    for (const request of world.transport.requests.slice(asBob)) {
      expect(request.headers.Authorization).toBe("Bearer token-1");
      expect(operationsIn(request).some(({ entity_id }) => entity_id === "b1")).toBe(false);
    }
  });

  test("A5 a switch between the look at the session and the send stops the send", async () => {
    const engine = await world.engine();
    await world.drain(engine);
    // The handshake takes a moment, in which the app signs somebody else in.
    world.transport.next(HELLO, (request) => {
      world.session = bob;
      void engine.auth.refresh();
      return world.backend.answer(request);
    });
    await world.enqueue(engine, ["CREATE a1"]);
    await world.advance(1000);
    expect(world.backend.appliedIds).toEqual([]);
    expect(world.transport.to(OPS)).toEqual([]);
  });

  test("A5 signed out: nothing is sent, everything stays, and signing in goes on", async () => {
    const ada = world.session;
    const engine = await world.engine({ autoStart: false });
    await world.enqueue(engine, ["CREATE d1"]);
    world.session = null;
    engine.start();
    await world.advance(10_000);
    expect(world.transport.requests).toEqual([]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "signed_out" });
    expect(await engine.status()).toMatchObject({ state: "idle", reason: "signed_out", account: null, lock: null });
    await expect(engine.enqueue({ type: "DELETE", entityType: "device", entityId: "d1" })).rejects.toMatchObject({ code: "NO_ACCOUNT" });
    world.session = ada;
    await world.run(engine.auth.refresh());
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("A5 the server sees somebody else behind the token: nothing is sent, until a person looks", async () => {
    world.backend.account = bob.account;
    const engine = await world.engine();
    await world.enqueue(engine, ["CREATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "principal_mismatch" });
    expect(world.transport.to(OPS)).toEqual([]);
    world.backend.account = account;
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("A5 so it does when the answer to a write says so", async () => {
    const engine = await world.engine();
    world.transport.next(OPS, refused(403, "PRINCIPAL_MISMATCH"));
    await world.enqueue(engine, ["CREATE d1"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "principal_mismatch" });
    expect(await engine.status()).toMatchObject({ sealed: 1, failed: 0 });
  });
});

test.each([
  [426, "CLIENT_TOO_OLD", "client_too_old"],
  [404, "RESOURCE_NOT_FOUND", "backend_changed"],
] as const)("R3 %s %s pauses: %s, and keeps everything", async (status, code, reason) => {
  const engine = await world.engine();
  world.transport.next(OPS, refused(status, code));
  await world.enqueue(engine, ["CREATE d1"]);
  expect(await world.drain(engine)).toEqual({ empty: false, reason });
  expect(await engine.status()).toMatchObject({ state: "paused", sealed: 1, conserved: true });
  await world.run(engine.resume());
  expect(await world.drain(engine)).toEqual({ empty: true });
});

test("R4 an answer of 401 that is not ours is believed by its status", async () => {
  const engine = await world.engine();
  world.transport.next(OPS, answered(401, { message: "nope" }));
  await world.enqueue(engine, ["CREATE d1"]);
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(world.asked.forced).toBe(1);
});
