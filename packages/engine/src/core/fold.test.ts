import type { Json, JsonObject } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FieldDeclarations, type FieldPolicy, fieldRules } from "./field-rules.ts";
import { fold, type LiveOperation } from "./fold.ts";
import { reconcile } from "./reconcile.ts";

const FIELDS: FieldDeclarations = { tags: "set", score: "increment", items: { byKey: "id" }, title: { policy: "server-wins" } };

function update(payload: JsonObject, before?: JsonObject, more: { fields?: FieldDeclarations; policy?: FieldPolicy } = {}): LiveOperation {
  const { fields = FIELDS, policy } = more;
  const merge = before === undefined ? undefined : { before, rules: fieldRules(fields, policy), mineAt: 2 };
  return { type: "UPDATE", payload, state: "pending", apply: undefined, merge };
}
const declared = (apply: LiveOperation["apply"], more: Partial<LiveOperation> = {}): LiveOperation => ({
  type: "device.rename",
  payload: { input: { to: ["a"] }, patch: { name: "kept" } },
  state: "pending",
  apply,
  ...more,
});

describe("an edit that waits, on what others have written since", () => {
  test("O2 X5 their additions are shown beside mine", () => {
    const before = { tags: ["a"], score: 1, items: [{ id: 1, on: false }] };
    const mine = update({ tags: ["a", "b"], score: 3, items: [{ id: 1, on: true }] }, before);
    const theirs = { tags: ["a", "c"], score: 5, items: [{ id: 1, on: false }, { id: 2 }], name: "new" };
    expect(fold(theirs, [mine]).value).toEqual({
      tags: ["a", "c", "b"],
      score: 7,
      items: [{ id: 1, on: true }, { id: 2 }],
      name: "new",
    });
  });
  test("O2 a plain field: mine; with server-wins theirs, as it will be", () => {
    const theirs = { name: "theirs", title: "theirs" };
    const before = { name: "was", title: "was" };
    expect(fold(theirs, [update({ name: "mine", title: "mine" }, before)]).value).toEqual({ name: "mine", title: "theirs" });
  });
  test("O2 what a person has to decide is shown as mine until then, the rest merged", () => {
    const fields = { "settings.theme": { policy: "ask" }, tags: "set" } as const;
    const before = { settings: { theme: "a" }, tags: [] };
    const mine = update({ settings: { theme: "b" }, tags: ["x"] }, before, { fields });
    expect(fold({ settings: { theme: "c" }, tags: ["y"] }, [mine]).value).toEqual({ settings: { theme: "b" }, tags: ["y", "x"] });
  });
  test("O2 the last write wins by what the document says of its own time", () => {
    const last = { policy: "last-write-wins" } as const;
    const mine = update({ name: "mine" }, { name: "was" }, last);
    for (const name of ["updatedAt", "updated_at"]) {
      const theirs = { name: "theirs", [name]: "2024-01-01T00:00:00.000Z" };
      expect(fold(theirs, [mine]).value).toMatchObject({ name: "theirs" });
    }
    expect(fold({ name: "theirs" }, [mine]).value).toMatchObject({ name: "mine" });
  });
  test("O2 of one of which nobody knows what its user saw, its fields replace", () => {
    expect(fold({ tags: ["c"] }, [update({ tags: ["b"] })]).value).toEqual({ tags: ["b"] });
  });

  const tags = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  const items = fc.uniqueArray(fc.record({ id: fc.constantFrom(1, 2, 3), on: fc.boolean() }), { selector: ({ id }) => id });
  const document = fc.record({ tags, score: fc.integer({ min: -9, max: 9 }), items, title: fc.string(), name: fc.string() });
  const patch = fc.record(
    { tags, score: fc.integer({ min: -9, max: 9 }), items, title: fc.string(), name: fc.string() },
    { requiredKeys: [] },
  );

  test("O2 X5 nothing jumps when the server merges: the view before is the view after, operation by operation", () => {
    fc.assert(
      fc.property(document, document, fc.array(patch, { minLength: 1, maxLength: 3 }), (base, theirs, patches) => {
        let seen: JsonObject = base;
        const waiting = patches.map((payload) => {
          const before = Object.fromEntries(Object.keys(payload).map((name) => [name, seen[name] as Json]));
          seen = { ...seen, ...payload };
          return update(payload, before);
        });
        const shown = fold(theirs, waiting).value;
        let server: JsonObject = theirs;
        for (const [index, { payload, merge }] of waiting.entries()) {
          const outcome = reconcile({
            type: "UPDATE",
            payload,
            before: merge?.before,
            mineAt: 2,
            theirsAt: Number.NaN,
            isConditional: true,
            sentVersion: 1,
            current: { version: 2 + index, data: server },
            rules: fieldRules(FIELDS),
            onChanged: "delete-wins",
            apply: undefined,
          });
          if (outcome.kind === "ask") return;
          if (outcome.kind === "again") server = { ...server, ...(outcome.payload as JsonObject) };
          expect(fold(server, waiting.slice(index + 1)).value).toEqual(shown);
        }
        expect(server).toEqual(shown);
      }),
    );
  });
});

describe("a declared operation", () => {
  test("O2 without its definition its stored patch stands in", () => {
    expect(fold({ on: true }, [declared(undefined)]).value).toEqual({ on: true, name: "kept" });
  });
  test("O2 one that throws is left out and named; those around it stay", () => {
    const error = new Error("a fault of the app");
    const broken = declared(() => {
      throw error;
    });
    const folded = fold({ on: true }, [update({ a: 1 }), broken, update({ b: 2 })]);
    expect(folded).toEqual({ value: { on: true, a: 1, b: 2 }, syncState: "failed", broken: [{ index: 1, error }] });
  });
  test.each([
    ["writes into its input", (_draft: JsonObject, input: Json) => void (input as { to: string[] }).to.push("x")],
    ["returns a document of its own", () => ({ name: "x" }) as never],
    ["answers later", () => Promise.reject(new Error("late")) as never],
  ])("Q8 one that %s is left out, and nothing that is kept changes", (_what, apply) => {
    const operation = declared(apply);
    const snapshot = { list: [1] };
    expect(fold(snapshot, [operation])).toMatchObject({ value: { list: [1] }, broken: [{ index: 0 }] });
    expect(operation.payload).toEqual({ input: { to: ["a"] }, patch: { name: "kept" } });
  });
  test("Q8 writes into a draft of its own", () => {
    const snapshot = { list: [1], deep: { in: [2] } };
    const push = (draft: JsonObject): void => {
      (draft as { list: number[] }).list.push(2);
      (draft as { deep: { in: number[] } }).deep.in.push(3);
    };
    expect(fold(snapshot, [declared(push)]).value).toEqual({ list: [1, 2], deep: { in: [2, 3] } });
    expect(snapshot).toEqual({ list: [1], deep: { in: [2] } });
  });
});
