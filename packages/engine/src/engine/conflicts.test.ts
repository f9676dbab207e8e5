import type { CurrentState, Json, JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failed } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation, type EntityDefinition } from "./definitions.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

interface Lamp {
  name: string;
  level?: number;
}
const lamp: EntityDefinition<Lamp> = defineEntity<Lamp>("device", { collection: "devices" });
const brighten = defineOperation<{ readonly id: string; readonly by: number }, Lamp>("lamp.brighten", {
  entity: ({ id }) => lamp.ref(id),
  apply: (draft, { by }) => {
    draft.level = (draft.level ?? 0) + by;
  },
});

/** The backend refuses whatever comes next, and says what it holds. */
function conflictWith(current?: CurrentState): void {
  world.backend.judge = () => ({
    status: 409,
    outcome: "conflict",
    error: { code: "CONFLICT", message: "it was changed" },
    ...(current === undefined ? {} : { current }),
  });
}
const theirs = (version: number, data: JsonObject | null): CurrentState => ({ version, data, deleted: data === null });
const sides = async (engine: SyncEngine): Promise<unknown> =>
  (await engine.conflicts.list()).map(({ payload, server, wanted }) => ({ payload, server, wanted }));

describe("a conflict shows both sides", () => {
  test("what the server holds by its answer, and what was wanted on top of it; after a restart, too", async () => {
    const engine = await world.engine({ entities: [lamp] });
    conflictWith(theirs(7, { name: "Theirs", level: 3 }));
    await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "a", payload: { name: "Mine" }, baseVersion: 1 }));
    await world.drain(engine);
    const both = {
      payload: { name: "Mine" },
      server: { version: 7, value: { name: "Theirs", level: 3 } },
      wanted: { name: "Mine", level: 3 },
    };
    expect(await sides(engine)).toEqual([both]);
    expect(await engine.conflicts.list()).toMatchObject([{ state: "conflict", entityId: "a", code: "CONFLICT", seq: 1 }]);
    await world.run(engine.close());
    expect(await sides(await world.engine({ entities: [lamp] }))).toEqual([both]);
  });

  test("X8 also when the answer to the marker that keeps a late copy from being applied was lost: nobody took it back", async () => {
    const engine = await world.engine({ entities: [lamp] });
    conflictWith(theirs(7, { name: "Theirs" }));
    world.transport.next(
      ({ path }) => path.endsWith("/cancel"),
      (request) => {
        world.backend.answer(request);
        return failed("timeout");
      },
    );
    const edit = { type: "UPDATE", entityType: "device", entityId: "a" } as const;
    await world.run(
      engine.enqueueMany([
        { ...edit, payload: { name: "Mine" }, baseVersion: 1 },
        { ...edit, payload: { level: 2 } },
      ]),
    );
    await world.drain(engine);
    expect(await sides(engine)).toMatchObject([{ payload: { name: "Mine" }, server: { version: 7 } }]);
    // Nor does what is behind it go before it.
    expect(await engine.status()).toMatchObject({ conflict: 1, pending: 1, cancelled: 0, conserved: true });
    expect(world.backend.applied).toEqual([]);
  });

  test("of a declared operation: its effect on what the server holds now", async () => {
    const engine = await world.engine({ entities: [lamp], operations: [brighten] });
    world.backend.offers = { operations: [brighten.name] };
    conflictWith(theirs(2, { name: "Lamp", level: 5 }));
    engine.run(brighten, { id: "a", by: 2 });
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([
      { type: "lamp.brighten", payload: { input: { id: "a", by: 2 } }, wanted: { name: "Lamp", level: 7 } },
    ]);
  });

  test("of what somebody else deleted nothing is left to change", async () => {
    const engine = await world.engine();
    conflictWith(theirs(4, null));
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([{ server: { version: 4, value: null }, wanted: null }]);
  });

  test("an answer that does not say: nothing is known, and nothing is made up", async () => {
    const engine = await world.engine();
    conflictWith();
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([{ server: null, wanted: null }]);
  });

  test("a document too long to keep with the operation: its version is known", async () => {
    const engine = await world.engine();
    conflictWith(theirs(4, { text: "x".repeat(70_000) } as Record<string, Json>));
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([{ server: { version: 4, value: undefined }, wanted: null }]);
  });

  test("what the change feed brought since is newer than the answer", async () => {
    const engine = await world.engine({ entities: [lamp] });
    conflictWith(theirs(1, { name: "Old" }));
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    for (const name of ["Old", "New"]) world.backend.write("device", "a", { name });
    await world.run(engine.pull());
    expect(await engine.conflicts.list()).toMatchObject([{ server: { version: 2, value: { name: "New" } } }]);
  });
});
