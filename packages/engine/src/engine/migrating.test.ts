import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation, type OperationOptions, type StandardSchema } from "./definitions.ts";
import type { EntityView } from "./live-view.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";
const lamp = defineEntity("lamp", { collection: "lamps", fields: { notes: "set" } });

interface First {
  readonly id: string;
  readonly percent: number;
}
interface Second {
  readonly id: string;
  readonly level: { readonly value: number };
}
const entity = ({ id }: { readonly id: string }): ReturnType<typeof lamp.ref> => lamp.ref(id);
const dimFirst = defineOperation<First, { level: number }>("lamp.dim", {
  entity,
  apply: (draft, { percent }) => {
    draft.level = percent / 100;
  },
});
const isLevel: StandardSchema<Second> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof (value as Second).level?.value === "number"
        ? { value: value as Second }
        : { issues: [{ message: "must be a number", path: ["level", "value"] }] },
  },
};
const dimSecond = (
  more: Partial<OperationOptions<Second, { level: number }>> = {},
): ReturnType<typeof defineOperation<Second, { level: number }>> =>
  defineOperation<Second, { level: number }>("lamp.dim", {
    version: 2,
    input: isLevel,
    entity,
    apply: (draft, { level }) => {
      draft.level = level.value;
    },
    ...more,
  });
const migrate = (input: unknown): Second => ({ id: (input as First).id, level: { value: (input as First).percent / 100 } });

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
  world.backend.offers = { operations: ["lamp.dim"], collections: { lamp: "lamps" } };
});
afterEach(() => world.close());

const withDefinition = (operation: object, autoStart = true): Promise<SyncEngine> =>
  world.engine({ entities: [lamp], operations: [operation as never], autoStart });
/** One of version 1 and a plain edit behind it wait, and another entity's; then the app is gone. */
async function queuedByFirst(): Promise<void> {
  const engine = await withDefinition(dimFirst, false);
  await world.run(engine.run(dimFirst, { id: "a", percent: 40 }).stored);
  await world.run(engine.enqueue({ type: "UPDATE", entityType: "lamp", entityId: "a", payload: { on: true } }));
  await world.run(engine.enqueue({ type: "UPDATE", entityType: "lamp", entityId: "b", payload: { on: true } }));
  await world.run(engine.close());
}
function look(engine: SyncEngine, id: string): () => EntityView {
  let seen: EntityView | undefined;
  engine.entity(lamp, id).subscribe((view) => {
    seen = view;
  });
  return () => seen as EntityView;
}
const sent = (): readonly unknown[] => world.backend.applied.map(({ type, entity_id, payload }) => [type, entity_id, payload]);
const CONVERTED = [
  ["UPDATE", "b", { on: true }],
  ["lamp.dim", "a", { id: "a", level: { value: 0.4 } }],
  ["UPDATE", "a", { on: true }],
];

describe("Q1 an operation that an older version of its definition wrote", () => {
  test("is converted where it is shown, and when it is sealed", async () => {
    await queuedByFirst();
    world.backend.write("lamp", "a", { level: 1 });
    const engine = await withDefinition(dimSecond({ migrate }), false);
    const now = look(engine, "a");
    await world.run(engine.pull());
    expect(now()).toMatchObject({ value: { level: 0.4, on: true }, syncState: "pending" });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(sent()).toEqual([CONVERTED[1], CONVERTED[2], CONVERTED[0]]);
  });

  test("X8 that was sealed goes as it was: the same bytes, the same key", async () => {
    const engine = await withDefinition(dimFirst);
    world.transport.next(OPS, "silence");
    await world.run(engine.run(dimFirst, { id: "a", percent: 40 }).stored);
    await world.advance(100);
    expect(await engine.status()).toMatchObject({ sealed: 1 });
    await world.run(engine.close());
    const again = await withDefinition(
      dimSecond({
        migrate: () => {
          throw new Error("never asked");
        },
      }),
    );
    expect(await world.drain(again)).toEqual({ empty: true });
    const [first, second] = world.transport
      .to(OPS)
      .map(({ json }) => JSON.stringify((json as { payload: { operations: object[] } }).payload.operations));
    expect(second).toBe(first);
    expect(sent()).toEqual([["lamp.dim", "a", { id: "a", percent: 40 }]]);
  });

  test("X5 and that met somebody else's write is run again with its converted input", async () => {
    const engine = await withDefinition(dimFirst, false);
    world.backend.write("lamp", "a", { level: 1, name: "x" });
    look(engine, "a");
    await world.run(engine.pull());
    await world.run(engine.run(dimFirst, { id: "a", percent: 40 }).stored);
    world.backend.write("lamp", "a", { level: 0.9, name: "y" });
    await world.run(engine.close());
    const again = await withDefinition(dimSecond({ migrate }));
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(sent()).toEqual([["lamp.dim", "a", { id: "a", level: { value: 0.4 } }]]);
    expect(await again.status()).toMatchObject({ succeeded: 1, conflict: 0, conserved: true });
  });
});

describe("Q1 one that cannot be converted", () => {
  test.each([
    ["no migrate", dimSecond(), /version 1 cannot be read by version 2.*give its definition a migrate/],
    [
      "a migrate that throws",
      dimSecond({
        migrate: () => {
          throw new RangeError("secret");
        },
      }),
      /converting it threw RangeError/,
    ],
    [
      "a migrate that answers later",
      dimSecond({ input: undefined as never, migrate: (() => Promise.resolve({})) as never }),
      /must be plain JSON/,
    ],
    [
      "a migrate to what its schema refuses",
      dimSecond({ migrate: () => ({ id: "a" }) as never }),
      /is not valid \(invalid, "level.value"\)/,
    ],
    [
      "a migrate to what is no JSON",
      dimSecond({ input: undefined as never, migrate: () => ({ at: Number.NaN }) as never }),
      /must be a finite number/,
    ],
    [
      "a migrate to what apply cannot take",
      dimSecond({ input: undefined as never, migrate: () => ({ id: "a" }) as never }),
      /converting it threw TypeError/,
    ],
  ] as const)(
    "%s: parked, shown from its stored patch, its entity held; it comes back with a definition that can",
    async (_what, bad, text) => {
      await queuedByFirst();
      const engine = await withDefinition(bad);
      const now = look(engine, "a");
      expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
      const [kept] = await engine.failed.list();
      expect(kept).toMatchObject({ state: "parked", code: "UNKNOWN_TYPE", lastError: expect.stringMatching(text) });
      expect(kept?.lastError).not.toContain("secret");
      expect(now()).toMatchObject({ syncState: "failed" });
      expect(sent()).toEqual([CONVERTED[0]]);
      await world.run(engine.close());

      const good = await withDefinition(dimSecond({ migrate }));
      expect(await world.drain(good)).toEqual({ empty: true });
      expect(sent()).toEqual(CONVERTED);
      expect(await good.status()).toMatchObject({ failed: 0, succeeded: 3, conserved: true });
    },
  );

  test("an older app finds one of a newer: parked, and shown from its stored patch; the newer one takes it back", async () => {
    const second = dimSecond();
    const newer = await withDefinition(second, false);
    await world.run(newer.run(second, { id: "a", level: { value: 0.4 } }).stored);
    await world.run(newer.close());
    world.backend.write("lamp", "a", { level: 1 });
    const older = await withDefinition(dimFirst);
    const now = look(older, "a");
    await world.run(older.pull());
    await world.drain(older);
    expect(now()).toMatchObject({ value: { level: 0.4 }, syncState: "failed" });
    expect(await older.failed.list()).toMatchObject([{ code: "UNKNOWN_TYPE", lastError: expect.stringMatching(/a newer app wrote it/) }]);
    await world.run(older.close());
    const again = await withDefinition(dimSecond());
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(sent()).toEqual([["lamp.dim", "a", { id: "a", level: { value: 0.4 } }]]);
  });
});
