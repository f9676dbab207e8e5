import type { JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import type { EntityView } from "./live-view.ts";
import type { SyncEngine } from "./sync-engine.ts";

interface Note extends Record<string, unknown> {
  title?: string;
  tags?: readonly string[];
  votes?: number;
}
const note = defineEntity<Note>("note", { collection: "notes", fields: { tags: "set", votes: "increment" } });
let isBroken = false;
const tag = defineOperation<{ readonly id: string; readonly tag: string }, Note>("note.tag", {
  entity: ({ id }) => note.ref(id),
  apply: (draft, { tag: added }) => {
    if (isBroken) throw new RangeError("secret words");
    draft.tags = [...(draft.tags ?? []), added];
  },
});

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
  isBroken = false;
  world.backend.offers = { operations: [tag.name], collections: { note: "notes" } };
});
afterEach(() => world.close());

const open = (options: object = {}): Promise<SyncEngine> => world.engine({ entities: [note], operations: [tag], ...options });
interface Page {
  readonly seen: EntityView<Note>[];
  readonly now: () => EntityView<Note>;
}
function look(engine: SyncEngine, id = "n"): Page {
  const seen: EntityView<Note>[] = [];
  engine.entity(note, id).subscribe((view) => seen.push(view));
  return { seen, now: () => seen.at(-1) as EntityView<Note> };
}
const update = (engine: SyncEngine, payload: JsonObject, entityId = "n"): Promise<unknown> =>
  world.run(engine.enqueue({ type: "UPDATE", entityType: "note", entityId, payload }));
/** The feed is read, and nothing is sent. */
async function reading(): Promise<SyncEngine> {
  world.backend.write("note", "n", { title: "a", tags: ["x"], votes: 1 });
  const engine = await open({ autoStart: false });
  return engine;
}

describe("what is pulled under an edit that waits", () => {
  test("O2 O4 X5 is shown beside it, and nothing jumps when it is merged", async () => {
    const engine = await reading();
    const page = look(engine);
    await world.run(engine.pull());
    await update(engine, { tags: ["x", "mine"], votes: 3, title: "mine" });
    world.backend.write("note", "n", { title: "theirs", tags: ["x", "theirs"], votes: 10 });
    await world.run(engine.pull());
    const merged = { title: "mine", tags: ["x", "theirs", "mine"], votes: 12 };
    expect(page.now()).toMatchObject({ value: merged, version: 2, syncState: "pending", pending: 1 });
    const shown = page.seen.length;
    engine.start();
    await world.drain(engine);
    await world.advance(60_000);
    expect(world.backend.feed.documents.get("n")).toEqual(merged);
    expect(page.now()).toMatchObject({ value: merged, syncState: "synced" });
    expect(page.seen.slice(shown).every(({ value }) => JSON.stringify(value) === JSON.stringify(merged))).toBe(true);
  });

  test("O2 O4 X5 the same after a restart, and after the history began anew", async () => {
    const engine = await reading();
    look(engine);
    await world.run(engine.pull());
    await update(engine, { tags: ["x", "mine"] });
    world.backend.write("note", "n", { title: "theirs", tags: ["x", "theirs"], votes: 10 });
    world.backend.feed.generation = "g2";
    await world.run(engine.pull());
    await world.run(engine.close());
    const again = await open({ autoStart: false });
    const page = look(again);
    await world.advance(10);
    expect(page.now()).toMatchObject({ value: { title: "theirs", tags: ["x", "theirs", "mine"], votes: 10 }, pending: 1 });
  });

  test("O4 a deletion: nothing is left to show, the edit waits, and a person decides in the end", async () => {
    const engine = await reading();
    const page = look(engine);
    await world.run(engine.pull());
    await update(engine, { title: "mine" });
    world.backend.write("note", "n", null);
    await world.run(engine.pull());
    expect(page.now()).toMatchObject({ value: null, syncState: "pending", pending: 1 });
    engine.start();
    await world.drain(engine);
    expect(page.now()).toMatchObject({ value: null, syncState: "conflict" });
    expect(await engine.status()).toMatchObject({ conflict: 1, conserved: true });
  });

  test("O4 a drop, because access was lost or the history begins anew without it: what waits is kept", async () => {
    const engine = await reading();
    const page = look(engine);
    await world.run(engine.pull());
    await update(engine, { title: "mine" });
    await world.run(engine.enqueue({ type: "CREATE", entityType: "note", entityId: "new", payload: { title: "new" } }));
    // A snapshot that does not name it sweeps it.
    world.backend.write("note", "n", null);
    world.backend.feed.generation = "g2";
    await world.run(engine.pull());
    expect(page.now()).toMatchObject({ value: null, pending: 1 });
    const other = look(engine, "new");
    expect(other.now()).toMatchObject({ value: { title: "new" }, pending: 1 });
    expect(await engine.status()).toMatchObject({ pending: 2, conserved: true });
  });

  test("O2 what is acknowledged stays, though the feed is late and somebody else's change comes first", async () => {
    const engine = await reading();
    const page = look(engine);
    await world.run(engine.pull());
    // Only the feed is out of reach.
    const stop = world.transport.always(({ path }) => path.includes("cursor="), "silence");
    engine.start();
    const shown = page.seen.length;
    await update(engine, { tags: ["x", "mine"] });
    await world.drain(engine);
    expect(await engine.status()).toMatchObject({ succeeded: 1, pending: 0 });
    expect(page.now()).toMatchObject({ value: { tags: ["x", "mine"] }, pending: 0 });
    world.backend.write("note", "n", { title: "theirs", tags: ["x", "mine", "theirs"], votes: 1 });
    stop();
    await world.advance(120_000);
    expect(page.now()).toMatchObject({ value: { title: "theirs", tags: ["x", "mine", "theirs"] }, syncState: "synced", version: 3 });
    expect(page.seen.slice(shown).every(({ value }) => value?.tags?.includes("mine") === true)).toBe(true);
  });
});

describe("an apply that throws on what is shown", () => {
  const run = (engine: SyncEngine, id = "n"): Promise<void> => world.run(engine.run(tag, { id, tag: "mine" }).stored);
  async function broken(): Promise<{ engine: SyncEngine; page: Page; parked: string[] }> {
    const engine = await reading();
    const parked: string[] = [];
    engine.on("parked", ({ code }) => parked.push(code));
    const page = look(engine);
    await world.run(engine.pull());
    await update(engine, { title: "before" });
    await run(engine);
    await update(engine, { title: "after" });
    await update(engine, { title: "other" }, "m");
    expect(page.now().value).toMatchObject({ title: "after", tags: ["x", "mine"] });
    isBroken = true;
    world.backend.write("note", "n", { title: "theirs", tags: [], votes: 5 });
    await world.run(engine.pull());
    await world.advance(100);
    return { engine, page, parked };
  }

  test("O2 Q1 it is parked, the page shows the base with what is around it, and its entity is held; others go on", async () => {
    const { engine, page, parked } = await broken();
    expect(page.now()).toMatchObject({ value: { title: "after", tags: [], votes: 5 }, syncState: "failed" });
    expect(parked).toEqual(["APPLY_FAILED"]);
    const [kept] = await engine.failed.list();
    expect(kept).toMatchObject({ state: "parked", code: "APPLY_FAILED", type: "note.tag" });
    expect(kept?.lastError).toMatch(/apply of "note.tag" version 1 threw RangeError.*retry.*discard/);
    expect(JSON.stringify(kept)).not.toContain("secret words");
    expect(world.logged.filter((line) => line.includes("apply_failed"))).toEqual(["error apply_failed APPLY_FAILED"]);
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(world.backend.applied.map(({ payload }) => payload)).toEqual([{ title: "before" }, { title: "other" }]);
    expect(await engine.status()).toMatchObject({ failed: 1, pending: 1, succeeded: 2, conserved: true });
    expect(await world.run(engine.rebuildIndex())).toMatchObject({ changed: false });
  });

  test("Q2 Q6 mended and retried it goes in its place, though nothing had been looked at yet", async () => {
    const { engine, page } = await broken();
    isBroken = false;
    expect(await world.run(engine.failed.retry({ all: true }))).toBe(1);
    expect(page.now().value).toMatchObject({ tags: ["mine"] });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied.map(({ type, payload }) => [type, payload])).toEqual([
      ["UPDATE", { title: "before" }],
      ["note.tag", { id: "n", tag: "mine" }],
      ["UPDATE", { title: "after" }],
      ["UPDATE", { title: "other" }],
    ]);
  });

  test("Q6 retried while it still throws, it is parked once more, and no more than that", async () => {
    const { engine, parked } = await broken();
    await world.run(engine.failed.retry({ all: true }));
    await world.advance(60_000);
    expect(parked).toEqual(["APPLY_FAILED", "APPLY_FAILED"]);
    expect(await engine.status()).toMatchObject({ failed: 1, conserved: true });
    // Whoever looks next finds it parked.
    const other = await open({ autoStart: false });
    look(other);
    await world.advance(60_000);
    expect(parked).toHaveLength(2);
    expect((await other.failed.list()).length).toBe(1);
  });

  test("X8 what was sealed before is left out of the view and reported, never parked", async () => {
    const engine = await reading();
    const page = look(engine);
    await world.run(engine.pull());
    world.transport.next("/api/v1/sync/ops", "silence");
    await run(engine);
    engine.start();
    await world.advance(100);
    expect(await engine.status()).toMatchObject({ sealed: 1 });
    isBroken = true;
    world.backend.write("note", "n", { title: "theirs", tags: [], votes: 5 });
    await world.run(engine.pull());
    expect(page.now()).toMatchObject({ value: { tags: [] }, syncState: "failed" });
    expect(world.logged.filter((line) => line.includes("apply_failed"))).toHaveLength(1);
    await world.drain(engine);
    await world.advance(60_000);
    // It met the other one's write, and cannot be run on that: a person decides.
    expect(await engine.status()).toMatchObject({ failed: 0, conflict: 1, conserved: true });
    expect(page.now()).toMatchObject({ value: { tags: [] }, syncState: "conflict" });
  });

  test("O2 a process that only looks parks it, too", async () => {
    const first = await reading();
    look(first);
    await world.run(first.pull());
    await run(first);
    await world.run(first.close());
    isBroken = true;
    const second = await open({ autoStart: false });
    const page = look(second);
    await world.advance(100);
    expect(page.now()).toMatchObject({ value: { tags: ["x"] }, syncState: "failed" });
    expect(await second.failed.list()).toMatchObject([{ code: "APPLY_FAILED" }]);
  });
});
