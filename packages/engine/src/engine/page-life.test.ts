import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Exchange, HttpRequest, PageLife, PageLifeEvent, Transport } from "../ports/index.ts";
import { failed } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestWorld } from "../testing/test-world.ts";
import { operationsIn } from "../testing/tiny-backend.ts";
import { defineEntity } from "./definitions.ts";
import type { EngineOptions } from "./options.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const keys = (): readonly (readonly string[])[] =>
  world.transport.to(OPS).map((request) => operationsIn(request).map(({ key }) => String(key)));
const changesOf = (engine: SyncEngine): string[] => {
  const changes: string[] = [];
  engine.on("lock", ({ change, fence }) => changes.push(`${change} ${fence}`));
  return changes;
};

/** A page that a test hides, freezes and leaves. While it is frozen, no answer reaches it. */
class Page implements PageLife, Transport {
  /** How often its engine has turned to the store. */
  tapped = 0;
  readonly listeners = new Set<(event: PageLifeEvent) => void>();
  #thawed: Promise<void> | undefined;
  #thaw: () => void = () => {};

  subscribe(listener: (event: PageLifeEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  happen(event: PageLifeEvent): void {
    for (const listener of this.listeners) listener(event);
  }
  freeze(): void {
    this.happen("frozen");
    this.#thawed = new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }
  resume(): void {
    this.#thawed = undefined;
    this.#thaw();
    this.happen("resumed");
  }
  async exchange(request: HttpRequest): Promise<Exchange> {
    const exchange = await world.transport.exchange(request);
    await this.#thawed;
    return exchange;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  engine(options: Pick<EngineOptions, "autoStart" | "entities"> = {}): Promise<SyncEngine> {
    const tap = (): void => {
      this.tapped += 1;
    };
    const store = tappedStore(world.store, { readLock: tap, writeLock: tap, readAccount: tap, dataVersion: tap, commit: tap });
    return world.engine({ ...options, store, platform: { pageLife: this, transport: this } });
  }
}

describe.each(["frozen", "leaving"] as const)("a page that is %s", (away) => {
  test("L1 gives the lock back, and another tab goes on at once", async () => {
    const page = new Page();
    const first = await page.engine();
    const changes = changesOf(first);
    world.transport.next(OPS, failed("offline"));
    await world.enqueue(first, ["UPDATE a"]);
    await world.advance(10);
    expect(world.disk.lock).toMatchObject({ owner: "process-1", released: false });
    const { tapped } = page;
    page.happen(away);
    // In the same turn, and nothing asked of the store since.
    expect(world.disk.fastLockHolder).toBeUndefined();
    await world.advance(1);
    expect([changes, page.tapped]).toEqual([["acquired 1", "released 1"], tapped]);
    const second = await world.engine();
    expect(await world.drain(second)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
    page.happen("resumed");
    await world.advance(60_000);
    expect([world.backend.appliedIds, keys().length]).toEqual([["a"], 2]);
  });

  test("L1 writes the answer down that was under way, and goes on when it is back", async () => {
    const page = new Page();
    const engine = await page.engine();
    world.transport.next(OPS, async (request) => {
      await new Promise<void>((resolve) => void world.clock.schedule(5000, resolve));
      return world.backend.answer(request);
    });
    await world.enqueue(engine, ["UPDATE a"]);
    await world.advance(100);
    page.happen(away);
    await world.enqueue(engine, ["UPDATE b"]);
    await world.advance(60_000);
    expect(await engine.status()).toMatchObject({ succeeded: 1, pending: 1 });
    expect(world.disk.fastLockHolder).toBeUndefined();
    page.happen("resumed");
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
    expect(keys().length).toBe(2);
  });

  test("L1 is back before it could stop: it goes on, and sends nothing twice", async () => {
    const page = new Page();
    const engine = await page.engine();
    await world.enqueue(engine, ["UPDATE a"]);
    page.happen(away);
    page.happen("resumed");
    page.happen(away);
    page.happen("visible");
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect([world.backend.appliedIds, keys().length]).toEqual([["a"], 1]);
  });

  test("a drain under way waits for its return, no longer than it was told to", async () => {
    const page = new Page();
    const engine = await page.engine();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE a"]);
    const long = engine.drain({ timeoutMs: 600_000 });
    const short = engine.drain({ timeoutMs: 2000 });
    page.happen(away);
    const before = world.now;
    expect(await world.run(short)).toEqual({ empty: false, reason: "offline" });
    expect(world.now - before).toBe(2000);
    world.connectivity.turn(true);
    await world.advance(60_000);
    expect(keys()).toEqual([]);
    page.happen("resumed");
    expect(await world.run(long)).toEqual({ empty: true });
  });

  test("stays stopped when the app stopped it, before or meanwhile", async () => {
    const page = new Page();
    const engine = await page.engine({ autoStart: false });
    await world.enqueue(engine, ["UPDATE a"]);
    page.happen(away);
    page.happen("resumed");
    await world.advance(1000);
    engine.start();
    page.happen(away);
    await world.run(engine.stop());
    page.happen("resumed");
    page.happen("visible");
    await world.advance(60_000);
    expect([await engine.status(), keys()]).toMatchObject([{ state: "stopped", succeeded: 0 }, []]);
    page.happen(away);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
  });
});

test("L1 a page that reads the feed gives the lock back in the middle of a long poll, and reads on when it is back", async () => {
  const page = new Page();
  const device = defineEntity("device", { collection: "devices" });
  const engine = await page.engine({ entities: [device] });
  const stopSilence = world.transport.always(({ path }) => path.includes("wait=25"), "silence");
  const names: unknown[] = [];
  const off = engine.entity(device, "d1").subscribe(({ value }) => names.push((value as { readonly name?: string } | null)?.name));
  await world.advance(2000);
  expect(world.disk.lock).toMatchObject({ released: false });
  page.happen("frozen");
  expect(world.disk.fastLockHolder).toBeUndefined();
  world.backend.write("device", "d1", { name: "by another" });
  await world.advance(60_000);
  expect([world.disk.fastLockHolder, names.at(-1)]).toEqual([undefined, undefined]);
  stopSilence();
  page.happen("resumed");
  await world.advance(2000);
  expect([world.disk.lock?.released, names.at(-1)]).toEqual([false, "by another"]);
  off();
  await world.advance(60_000);
  expect(world.disk.lock).toMatchObject({ released: true });
});

test("L1 L2 X1 a page frozen in the middle of a request: another tab takes over, and its answer changes nothing when it is back", async () => {
  const page = new Page();
  const first = await page.engine();
  const changes = changesOf(first);
  world.transport.next(OPS, "silence");
  await world.enqueue(first, ["UPDATE a", "UPDATE b"]);
  await world.advance(100);
  page.freeze();
  const second = await world.engine();
  expect(await world.drain(second)).toEqual({ empty: true });
  expect(world.backend.appliedIds).toEqual(["a", "b"]);
  await world.advance(60_000);
  page.resume();
  await world.advance(60_000);
  const [sent, again, ...more] = keys();
  expect([again, more]).toEqual([sent, []]);
  expect(changes[0]).toBe("acquired 1");
  expect(changes).not.toContain("acquired 2");
  expect(await first.status()).toMatchObject({ succeeded: 2, sealed: 0, conserved: true });
});

test("a page that is hidden goes on; one that is shown again looks at once", async () => {
  const page = new Page();
  world.session = null;
  const engine = await page.engine();
  await world.advance(1000);
  const before = world.asked.calls;
  page.happen("hidden");
  await world.advance(1000);
  expect(world.asked.calls).toBe(before);
  world.session = { account: { space: "home", principal: "ada" }, token: "token-1" };
  page.happen("visible");
  await world.advance(10);
  expect(world.asked.calls).toBeGreaterThan(before);
  page.happen("hidden");
  await world.enqueue(engine, ["UPDATE a"]);
  expect(await world.drain(engine)).toEqual({ empty: true });
});

test("a closed engine listens to no page", async () => {
  const page = new Page();
  const engine = await page.engine();
  expect(page.listeners.size).toBe(1);
  await world.run(engine.close());
  expect(page.listeners.size).toBe(0);
});
