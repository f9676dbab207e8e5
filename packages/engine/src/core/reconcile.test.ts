import type { Json, JsonObject } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { fieldRules } from "./field-rules.ts";
import { reconcile, type ReconcileInput } from "./reconcile.ts";

const input = (more: Partial<ReconcileInput>): ReconcileInput => ({
  type: "UPDATE",
  payload: { a: 2 },
  before: { a: 1 },
  mineAt: 2,
  theirsAt: Number.NaN,
  isConditional: true,
  sentVersion: 1,
  current: { version: 2, data: { a: 1, b: 7 } },
  rules: fieldRules(),
  onChanged: "delete-wins",
  apply: undefined,
  ...more,
});
const outcome = (more: Partial<ReconcileInput>): ReturnType<typeof reconcile> => reconcile(input(more));

describe("CREATE", () => {
  const create = (data: JsonObject | null, policy?: "server-wins"): ReturnType<typeof reconcile> =>
    outcome({ type: "CREATE", payload: { a: 1 }, before: undefined, current: { version: 3, data }, rules: fieldRules({}, policy) });

  test("X4 not there: once more, as it is", () => {
    expect(create(null)).toEqual({ kind: "again", payload: { a: 1 }, before: undefined, baseVersion: undefined });
  });
  test("X4 there, and equal in all that was set: done", () => {
    expect(create({ a: 1, id: "x", version: 3 })).toEqual({ kind: "done" });
  });
  test("X4 there, and different: a person decides, unless the server's is to win", () => {
    expect(create({ a: 9 })).toEqual({ kind: "ask", conflicts: [{ path: "a", before: undefined, mine: 1, theirs: 9 }] });
    expect(create({ a: 9 }, "server-wins")).toEqual({ kind: "done" });
  });
});

describe("UPDATE", () => {
  test("X5 merges onto what is there, against its version, with what is there as the new before", () => {
    expect(outcome({})).toEqual({ kind: "again", payload: { a: 2 }, before: { a: 1 }, baseVersion: 2 });
    const set = {
      rules: fieldRules({ s: "set" }),
      payload: { s: ["a", "b"] },
      before: { s: ["a"] },
      current: { version: 5, data: { s: ["c"] } },
    };
    expect(outcome(set)).toEqual({ kind: "again", payload: { s: ["c", "b"] }, before: { s: ["c"] }, baseVersion: 5 });
  });
  test("X5 what it was to follow left no version: it is written against what is there, though that is what its user saw", () => {
    expect(outcome({ sentVersion: undefined, current: { version: 1, data: { a: 1 } } })).toMatchObject({ kind: "again", baseVersion: 1 });
  });
  test("X5 nothing is left to write: done", () => {
    expect(outcome({ current: { version: 2, data: { a: 2 } } })).toEqual({ kind: "done" });
    expect(outcome({ rules: fieldRules({}, "server-wins"), current: { version: 2, data: { a: 3 } } })).toEqual({ kind: "done" });
  });
  test("X5 what both changed and nobody may decide is asked", () => {
    const asked = outcome({ rules: fieldRules({ a: { policy: "ask" } }), current: { version: 2, data: { a: 3 } } });
    expect(asked).toEqual({ kind: "ask", conflicts: [{ path: "a", before: 1, mine: 2, theirs: 3 }] });
  });
  test.each([
    ["it is gone", { current: { version: 2, data: null } }],
    ["it went without a condition", { isConditional: false }],
    ["its condition fits: the server has a reason of its own", { sentVersion: 2 }],
    ["it is no patch", { payload: null }],
  ] as const)("X5 asked when %s", (_why, more) => {
    expect(outcome(more)).toEqual({ kind: "ask", conflicts: [] });
  });
});

describe("DELETE", () => {
  const deletes = (more: Partial<ReconcileInput>): ReturnType<typeof reconcile> =>
    outcome({ type: "DELETE", payload: null, before: undefined, ...more });

  test("X4 gone: done", () => {
    expect(deletes({ current: { version: 4, data: null } })).toEqual({ kind: "done" });
  });
  test("X4 changed by somebody else: it wins, or is asked", () => {
    expect(deletes({})).toEqual({ kind: "again", payload: null, before: undefined, baseVersion: 2 });
    expect(deletes({ onChanged: "ask" })).toEqual({ kind: "ask", conflicts: [] });
  });
  test("X5 its condition fits: the server has a reason of its own", () => {
    expect(deletes({ sentVersion: 2 })).toEqual({ kind: "ask", conflicts: [] });
    expect(deletes({ isConditional: false, sentVersion: undefined })).toEqual({ kind: "ask", conflicts: [] });
  });
});

describe("a declared operation", () => {
  const addOne = (draft: JsonObject): void => {
    (draft as { count?: number }).count = Number(draft.count ?? 0) + 1;
  };
  const declared = (more: Partial<ReconcileInput>): ReturnType<typeof reconcile> =>
    outcome({ type: "device.addOne", payload: { input: { id: "d" }, patch: { count: 1 } }, apply: addOne, ...more });

  test("X5 is run again on what is there; its patch is what that changes", () => {
    const current = { version: 4, data: { count: 6, name: "lamp" } };
    expect(declared({ current })).toEqual({
      kind: "again",
      payload: { input: { id: "d" }, patch: { count: 7 } },
      before: { count: 6 },
      baseVersion: 4,
    });
    expect(current.data).toEqual({ count: 6, name: "lamp" });
  });
  test("X5 of which nothing but its input is known goes as it is", () => {
    const again = declared({ apply: undefined });
    expect(again).toMatchObject({ kind: "again", payload: { input: { id: "d" }, patch: { count: 1 } }, baseVersion: 2 });
  });
  test("X5 that throws on what is there is asked", () => {
    const apply = (): never => {
      throw new Error("a fault of the app");
    };
    expect(declared({ apply })).toMatchObject({ kind: "ask", conflicts: [], faults: [{ where: "apply" }] });
  });
  test("Q8 that writes what is no JSON is asked", () => {
    const apply = (draft: JsonObject): void => {
      (draft as { at: number }).at = Number.NaN;
    };
    expect(declared({ apply })).toMatchObject({ kind: "ask", faults: [{ where: "apply", error: expect.any(TypeError) }] });
  });
  test("Q8 that writes into its input is asked, and changes nothing", () => {
    const payload = { input: { list: [1] }, patch: {} } as const;
    const apply = (_draft: JsonObject, given: Json): void => {
      (given as { list: number[] }).list.push(2);
    };
    expect(declared({ payload, apply })).toMatchObject({ kind: "ask", conflicts: [], faults: [{ where: "apply" }] });
    expect(payload.input.list).toEqual([1]);
  });
});
