import type { JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation, type OperationOptions, type StandardSchema } from "./definitions.ts";
import type { SyncEngine } from "./sync-engine.ts";

type Input = Record<string, unknown>;
const schemaOf = (validate: StandardSchema<Input>["~standard"]["validate"]): StandardSchema<Input> => ({
  "~standard": { version: 1, vendor: "test", validate },
});
const strict = schemaOf((value) =>
  typeof (value as Input).name === "string" ? { value: value as Input } : { issues: [{ message: "must be a string", path: ["name"] }] },
);
const cyclic: Input = { name: "x" };
cyclic.self = cyclic;
const fault = (): never => {
  throw new RangeError("a fault of the app");
};
let outside = 0;
const operation = (more: Partial<OperationOptions<Input>>): ReturnType<typeof defineOperation<Input>> =>
  defineOperation<Input>("device.set", { entity: () => ({ entityType: "device", entityId: "d" }), ...more });

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

/** Nothing was queued, nothing was sent, and the next call is fine. */
async function isUnharmed(engine: SyncEngine): Promise<void> {
  expect(await engine.status()).toMatchObject({ enqueued: 0, pending: 0, conserved: true });
  expect([...world.disk.segments.from(0)]).toEqual([]);
  await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "d", payload: { fine: true } }));
  expect(await world.drain(engine)).toEqual({ empty: true });
}

describe("Q8 bad input is refused with what is wrong, and harms nothing", () => {
  const good = { name: "lamp" };
  const late = schemaOf(() => Promise.reject(new Error("late")));
  test.each([
    [
      "an input that fails its schema",
      operation({ input: strict }),
      { name: 7 },
      "INVALID_INPUT",
      /"name" is not valid \(must be a string\)/,
    ],
    ["a schema that throws", operation({ input: schemaOf(fault) }), good, "INVALID_OPERATION", /its schema threw RangeError/],
    ["a schema that answers later", operation({ input: late }), good, "INVALID_OPERATION", /validates asynchronously/],
    ["NaN", operation({}), { at: Number.NaN }, "INVALID_INPUT", /"at" must be a finite number/],
    ["a cycle", operation({}), cyclic, "INVALID_INPUT", /"self" contains itself/],
    ["an entity that throws", operation({ entity: fault }), good, "INVALID_OPERATION", /its entity threw RangeError/],
    ["an apply that throws", operation({ apply: fault }), good, "INVALID_OPERATION", /its apply threw RangeError: a fault of the app/],
    [
      "an apply that returns a document",
      operation({ apply: () => ({ name: "x" }) as never }),
      good,
      "INVALID_OPERATION",
      /apply returned a value/,
    ],
    [
      "an apply that answers later",
      operation({ apply: (() => Promise.reject(new Error("x"))) as never }),
      good,
      "INVALID_OPERATION",
      /apply is asynchronous/,
    ],
    [
      "an apply that writes outside of its draft",
      operation({
        apply: (_draft, input) => {
          input.name = `${outside++}`;
        },
      }),
      good,
      "INVALID_OPERATION",
      /its apply threw TypeError/,
    ],
    [
      "an apply that writes deep into its input",
      operation({ apply: (_draft, input) => void (input.list as number[]).push(1) }),
      { list: [] },
      "INVALID_OPERATION",
      /its apply threw TypeError/,
    ],
    [
      "an apply that writes NaN",
      operation({
        apply: (draft) => {
          draft.at = Number.NaN;
        },
      }),
      good,
      "INVALID_INPUT",
      /patch of device.set: "at"/,
    ],
    ["a request that throws", operation({ request: fault }), good, "INVALID_OPERATION", /its request threw RangeError/],
  ] as const)("%s", async (_what, definition, input, code, message) => {
    const engine = await world.engine({ operations: [definition as never] });
    const call = (): unknown => engine.run(definition as never, input as never);
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
    expect(call).toThrow(/Nothing was queued/);
    await isUnharmed(engine);
  });

  test("what the caller's object becomes afterwards changes nothing, and the object is not frozen for it", async () => {
    const definition = operation({ apply: (draft, { list }) => void Object.assign(draft, { list }) });
    const engine = await world.engine({ operations: [definition], autoStart: false });
    const input: Input = { list: [1] };
    const run = engine.run(definition, input);
    (input.list as number[]).push(2);
    await world.run(run.stored);
    expect(await engine.pending.list()).toMatchObject([{ payload: { input: { list: [1] }, patch: { list: [1] } } }]);
  });
});

describe("X5 a function of the app that throws while it merges", () => {
  const kinds: readonly (readonly [string, object, JsonObject])[] = [
    ["a policy of a field", { fields: { name: { policy: fault } } }, { name: "mine" }],
    ["a policy of the entity", { policy: fault }, { name: "mine" }],
  ];
  test.each(kinds)("%s: a person decides, and it is reported; nothing is lost, the next one goes on", async (_what, options, payload) => {
    const device = defineEntity("device", { collection: "devices", ...options });
    const reported: unknown[] = [];
    const telemetry = { ...world.telemetry, reportError: (error: unknown) => reported.push(error) };
    const engine = await world.engine({ entities: [device], autoStart: false, telemetry });
    world.backend.write("device", "d", { name: "was" });
    engine.entity(device, "d").subscribe(() => undefined);
    await world.run(engine.pull());
    await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "d", payload }));
    world.backend.write("device", "d", { name: "theirs" });
    await world.run(engine.enqueue({ type: "CREATE", entityType: "device", entityId: "e", payload: {} }));
    engine.start();
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([{ fields: [{ path: "name", before: "was", mine: "mine", theirs: "theirs" }] }]);
    expect(world.backend.appliedIds).toEqual(["e"]);
    expect(world.logged.filter((line) => line.includes("merge_failed"))).toEqual(["error merge_failed APPLY_FAILED"]);
    expect(reported).toEqual([expect.any(RangeError)]);
    expect(await engine.status()).toMatchObject({ conflict: 1, succeeded: 1, conserved: true });
  });
});
