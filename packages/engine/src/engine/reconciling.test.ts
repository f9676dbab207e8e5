import type { JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation, type EntityOptions } from "./definitions.ts";
import type { EntityView } from "./live-view.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";
let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

interface Note extends Record<string, unknown> {
  title?: string;
  tags?: readonly string[];
  count?: number;
}
const addOne = defineOperation<{ readonly id: string }, { count: number }>("note.addOne", {
  entity: ({ id }) => ({ entityType: "note", entityId: id }),
  apply: (draft) => {
    draft.count = (draft.count ?? 0) + 1;
  },
});
interface Page {
  readonly engine: SyncEngine;
  readonly seen: EntityView<Note>[];
  readonly now: () => EntityView<Note>;
}
/** Somebody looks at note n, which the server holds as `document`; then the network is gone, and somebody else writes `theirs`. */
async function apart(document: JsonObject, options: EntityOptions<Note>, theirs: JsonObject | null): Promise<Page> {
  const note = defineEntity<Note>("note", { collection: "notes", ...options });
  world.backend.offers = { operations: [addOne.name], collections: { note: "notes" } };
  world.backend.write("note", "n", document);
  const engine = await world.engine({ entities: [note], operations: [addOne] });
  const seen: EntityView<Note>[] = [];
  engine.entity(note, "n").subscribe((view) => seen.push(view));
  await world.run(engine.pull());
  world.connectivity.turn(false);
  world.backend.write("note", "n", theirs);
  return { engine, seen, now: () => seen.at(-1) as EntityView<Note> };
}
const update = (engine: SyncEngine, payload: JsonObject): Promise<unknown> =>
  world.run(engine.enqueue({ type: "UPDATE", entityType: "note", entityId: "n", payload }));
async function together({ engine }: Page): Promise<void> {
  world.connectivity.turn(true);
  await world.drain(engine);
  await world.advance(60_000);
}
const held = (): JsonObject | undefined => world.backend.feed.documents.get("n");

describe("an edit of what somebody else has changed", () => {
  test("X4 X5 merges by the rules of its entity, and takes effect once", async () => {
    const fields = { tags: "set", count: "increment" } as const;
    const page = await apart({ title: "a", tags: ["x"], count: 1 }, { fields }, { title: "b", tags: ["x", "y"], count: 5 });
    await update(page.engine, { tags: ["x", "z"], count: 3 });
    await together(page);
    expect(held()).toEqual({ title: "b", tags: ["x", "y", "z"], count: 7 });
    expect(page.now()).toMatchObject({ value: held(), syncState: "synced" });
    expect(await page.engine.status()).toMatchObject({ succeeded: 1, conflict: 0, conserved: true });
    // The seal opened, so the second try has a key of its own and names the first.
    const [first, second] = world.transport
      .to(OPS)
      .map(({ json }) => (json as { payload: { operations: JsonObject[] } }).payload.operations[0]);
    expect(second).toMatchObject({ supersedes: [first?.key], base: { version: 2 } });
  });

  test("X5 nobody else touched the field: it is written, and the other one stays", async () => {
    const page = await apart({ title: "a", count: 1 }, { policy: "ask" }, { title: "a", count: 9 });
    await update(page.engine, { title: "mine" });
    await together(page);
    expect(held()).toEqual({ title: "mine", count: 9 });
    expect(await page.engine.conflicts.list()).toEqual([]);
  });

  test("X5 the server's is to win: nothing is left to write", async () => {
    const page = await apart({ title: "a" }, { policy: "server-wins" }, { title: "theirs" });
    await update(page.engine, { title: "mine" });
    await together(page);
    expect(held()).toEqual({ title: "theirs" });
    expect(page.now()).toMatchObject({ value: { title: "theirs" }, syncState: "synced" });
    expect(await page.engine.status()).toMatchObject({ succeeded: 1, conserved: true });
  });

  test("X5 several edits in a row: each is merged with what the one before has left", async () => {
    const page = await apart({ tags: [], count: 0 }, { fields: { tags: "set", count: "increment" } }, { tags: ["y"], count: 10 });
    await update(page.engine, { tags: ["a"], count: 1 });
    await update(page.engine, { tags: ["a", "b"] });
    await update(page.engine, { count: 3 });
    await together(page);
    expect(held()).toEqual({ tags: ["y", "a", "b"], count: 13 });
    expect(await page.engine.status()).toMatchObject({ succeeded: 3, conserved: true });
  });

  test("X5 a declared operation is run again on what is there", async () => {
    world.backend.feed.effects.set(addOne.name, ({ count }) => ({ count: Number(count) + 1 }));
    const page = await apart({ count: 1 }, { fields: { count: "increment" } }, { count: 10 });
    await world.run(page.engine.run(addOne, { id: "n" }).stored);
    await together(page);
    expect(held()).toEqual({ count: 11 });
    expect(page.now()).toMatchObject({ value: { count: 11 }, syncState: "synced" });
  });

  test("X4 a DELETE wins, or is asked about", async () => {
    for (const [onChanged, left] of [
      ["delete-wins", undefined],
      ["ask", { title: "theirs" }],
    ] as const) {
      world = new TestWorld();
      const page = await apart({ title: "a" }, { onChanged }, { title: "theirs" });
      await world.run(page.engine.enqueue({ type: "DELETE", entityType: "note", entityId: "n" }));
      await together(page);
      expect(held()).toEqual(left);
      expect(await page.engine.conflicts.list()).toHaveLength(left === undefined ? 0 : 1);
    }
  });

  test("X5 what others write all the time is merged again and again, ever more rarely, and in the end a person is asked", async () => {
    const page = await apart({ count: 0, title: "" }, { fields: { count: "increment" } }, { count: 1, title: "" });
    let writes = 0;
    world.backend.judge = (operation) => {
      if (operation.entity_id === "n") world.backend.write("note", "n", { count: 0, title: String(++writes) });
      return undefined;
    };
    await update(page.engine, { count: 5 });
    world.connectivity.turn(true);
    await world.advance(3_600_000);
    expect(await page.engine.status()).toMatchObject({ conflict: 1, conserved: true });
    const at = world.transport.to(OPS).map((request) => request.at);
    expect(at).toHaveLength(1 + 8 + 5);
    expect((at[8] ?? 0) - (at[0] ?? 0)).toBeLessThan(10_000);
    expect((at[13] ?? 0) - (at[8] ?? 0)).toBeGreaterThan(5000);
  });

  test("X5 where nothing was declared, an edit carries no condition; with the version that its user saw it is asked about", async () => {
    const page = await apart({ title: "a" }, {}, { title: "theirs" });
    await update(page.engine, { title: "mine" });
    await together(page);
    expect(held()).toEqual({ title: "mine" });
    await world.run(page.engine.enqueue({ type: "UPDATE", entityType: "note", entityId: "n", payload: { title: "late" }, baseVersion: 1 }));
    await together(page);
    expect(await page.engine.conflicts.list()).toMatchObject([{ before: null, fields: [], server: { value: { title: "mine" } } }]);
  });
});

describe("a conflict that a person decides", () => {
  const fields = { title: { policy: "ask" } } as const;
  const asked = async (theirs: JsonObject | null = { title: "theirs", count: 2 }): Promise<Page & { readonly id: string }> => {
    const page = await apart({ title: "a", count: 1 }, { fields }, theirs);
    await update(page.engine, { title: "mine" });
    await together(page);
    const [conflict] = await page.engine.conflicts.list();
    return { ...page, id: conflict?.id ?? "" };
  };

  test("X5 is shown with before, mine and theirs, field by field, and holds back its entity alone", async () => {
    const page = await asked();
    expect(await page.engine.conflicts.list()).toMatchObject([
      {
        before: { title: "a" },
        fields: [{ path: "title", before: "a", mine: "mine", theirs: "theirs" }],
        server: { version: 2, value: { title: "theirs", count: 2 } },
        wanted: { title: "mine", count: 2 },
      },
    ]);
    expect(page.now()).toMatchObject({ value: { title: "mine" }, syncState: "conflict" });
    await update(page.engine, { count: 5 });
    await world.run(page.engine.enqueue({ type: "CREATE", entityType: "note", entityId: "m", payload: {} }));
    await together(page);
    expect(await page.engine.status()).toMatchObject({ conflict: 1, pending: 1, succeeded: 1 });
  });

  test.each([
    ["mine", { title: "mine", count: 2 }],
    ["theirs", { title: "theirs", count: 2 }],
    [{ merged: { title: "both" } }, { title: "both", count: 2 }],
  ] as const)("X5 resolved by %j", async (resolution, expected) => {
    const page = await asked();
    const heard: unknown[] = [];
    page.engine.on("resolved", ({ choice, by }) => heard.push([choice, by]));
    const operation = await page.engine.operation(page.id);
    expect(await world.run(page.engine.conflicts.resolve(page.id, resolution))).toBe(true);
    await together(page);
    expect(held()).toEqual(expected);
    expect(page.now()).toMatchObject({ value: expected, syncState: "synced" });
    expect(await page.engine.status()).toMatchObject({ conflict: 0, conserved: true, succeeded: 1 });
    expect(heard).toEqual([[typeof resolution === "string" ? resolution : "merged", "person"]]);
    expect(await operation?.status()).toMatchObject({ state: resolution === "theirs" ? "superseded" : "applied" });
    expect(await world.run(page.engine.conflicts.resolve(page.id, resolution))).toBe(false);
  });

  test("X5 what waited behind it goes on", async () => {
    const page = await asked();
    await update(page.engine, { count: 7 });
    await world.run(page.engine.conflicts.resolve(page.id, "theirs"));
    await together(page);
    expect(held()).toEqual({ title: "theirs", count: 7 });
  });

  test("X5 of what was deleted meanwhile only theirs can be chosen", async () => {
    const page = await asked(null);
    await expect(page.engine.conflicts.resolve(page.id, "mine")).rejects.toMatchObject({ code: "INVALID_OPERATION" });
    expect(await page.engine.conflicts.list()).toHaveLength(1);
    expect(await world.run(page.engine.conflicts.resolve(page.id, "theirs"))).toBe(true);
    expect(await page.engine.status()).toMatchObject({ conflict: 0, conserved: true });
  });

  test("Q8 a choice that says nothing is refused, and changes nothing", async () => {
    const page = await asked();
    for (const wrong of [{ merged: null }, {}]) {
      await expect(page.engine.conflicts.resolve(page.id, wrong as never)).rejects.toMatchObject({ code: "INVALID_OPERATION" });
    }
    expect(await page.engine.conflicts.resolve("nobody", "mine")).toBe(false);
    expect(await page.engine.conflicts.list()).toHaveLength(1);
  });

  test("X5 a restart keeps what was merged, asked and decided", async () => {
    const page = await asked();
    world.connectivity.turn(false);
    await world.run(page.engine.conflicts.resolve(page.id, { merged: { title: "both" } }));
    await world.run(page.engine.close());
    const note = defineEntity<Note>("note", { collection: "notes", fields });
    const again = await world.engine({ entities: [note], operations: [addOne] });
    const seen: EntityView<Note>[] = [];
    again.entity(note, "n").subscribe((view) => seen.push(view));
    await world.advance(1000);
    expect(seen.at(-1)).toMatchObject({ value: { title: "both" }, syncState: "pending" });
    world.connectivity.turn(true);
    await world.drain(again);
    expect(held()).toEqual({ title: "both", count: 2 });
  });
});
