import { describe, expect, test } from "vitest";
import { selectionOf } from "./selection.ts";

describe("C2 which operations are meant", () => {
  test("is said by ids, by age, or by --all", () => {
    expect(selectionOf(["a", "b"], {})).toEqual({ ids: ["a", "b"] });
    expect(selectionOf([], { all: true })).toEqual({ all: true });
    expect(selectionOf([], { olderThan: "1d" })).toEqual({ all: true, olderThanMs: 86_400_000 });
    expect(selectionOf(["a"], { olderThan: "1d", reason: "r" })).toEqual({ ids: ["a"], olderThanMs: 86_400_000, reason: "r" });
  });

  test("is never everything by accident", () => {
    expect(() => selectionOf([], {})).toThrow(/Say which/);
    expect(() => selectionOf(["a"], { all: true })).toThrow(/not both/);
    expect(() => selectionOf([], { olderThan: "soon" })).toThrow(/no duration/);
  });

  test("has a default age where a command has one, and only when nothing else is said", () => {
    expect(selectionOf([], {}, "30d")).toEqual({ all: true, olderThanMs: 2_592_000_000 });
    expect(selectionOf([], { all: true }, "30d")).toEqual({ all: true });
    expect(selectionOf(["a"], {}, "30d")).toEqual({ ids: ["a"] });
  });
});
