import type { Json } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { addOvertaken, fieldsSetBy, type Overtaken, type Rest, restOf } from "./overtaken.ts";

const update = { type: "UPDATE", payload: { a: 1, b: 2 } } as const;
const declared = { type: "device.dim", payload: { input: { c: 9 }, patch: { a: 1, b: 2 } } } as const;

describe("Q6 what an applied operation takes from an earlier one that failed", () => {
  test.each([
    [update, ["a", "b"]],
    [declared, ["a", "b"]],
    [{ type: "DELETE", payload: null }, "everything"],
    [{ type: "CREATE", payload: { a: 1 } }, "everything"],
  ] as const)("%# sets", (operation, fields) => {
    expect(fieldsSetBy(operation)).toEqual(fields);
  });
  test("adds up, each field once", () => {
    expect(addOvertaken(undefined, ["a"])).toEqual(["a"]);
    expect(addOvertaken(["a", "b"], ["b", "c"])).toEqual(["a", "b", "c"]);
    expect(addOvertaken(["a"], "everything")).toBe("everything");
    expect(addOvertaken("everything", ["a"])).toBe("everything");
  });
  test.each([
    ["untouched", update, undefined, { kind: "all" }],
    ["other fields", update, ["c"], { kind: "all" }],
    ["one field", update, ["b", "c"], { kind: "some", payload: { a: 1 } }],
    ["all fields", update, ["b", "a"], { kind: "nothing" }],
    ["an empty patch", { type: "UPDATE", payload: {} }, ["a"], { kind: "all" }],
    ["deleted", update, "everything", { kind: "nothing" }],
    ["a CREATE", { type: "CREATE", payload: { a: 1, b: 2 } }, ["a"], { kind: "some", payload: { b: 2 } }],
    ["a DELETE, edited", { type: "DELETE", payload: null }, ["a"], { kind: "all" }],
    ["a DELETE, deleted", { type: "DELETE", payload: null }, "everything", { kind: "nothing" }],
    ["declared, one field", declared, ["a"], { kind: "all" }],
    ["declared, all fields", declared, ["a", "b"], { kind: "nothing" }],
    ["declared, no patch", { type: "x", payload: { input: 1 } }, ["a"], { kind: "all" }],
  ] as readonly (readonly [string, { type: string; payload: Json }, Overtaken | undefined, Rest])[])(
    "leaves: %s",
    (_what, operation, overtaken, rest) => {
      expect(restOf(operation, overtaken)).toEqual(rest);
    },
  );
});
