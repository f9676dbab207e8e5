import { canonicalJson, type Json, type JsonObject } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FieldDeclarations, type FieldPolicy, fieldRules } from "./field-rules.ts";
import { type Merged, type MergeInput, mergePatch } from "./merge.ts";

interface Case extends Pick<MergeInput, "before" | "mine" | "theirs"> {
  readonly fields?: FieldDeclarations;
  readonly policy?: FieldPolicy;
  readonly mineAt?: number;
  readonly theirsAt?: number;
}
const merge = ({ before, mine, theirs, fields, policy, mineAt = 2, theirsAt = 1 }: Case): Merged =>
  mergePatch({ before, mine, theirs, rules: fieldRules(fields, policy), mineAt, theirsAt });
const patchOf = (one: Case): JsonObject => merge(one).patch;

describe("a field that is one value", () => {
  test("X5 unchanged there: mine; unchanged here: theirs; equal: nothing is left", () => {
    expect(patchOf({ before: { a: 1 }, mine: { a: 2 }, theirs: { a: 1, b: 9 } })).toEqual({ a: 2 });
    expect(patchOf({ before: { a: 1 }, mine: { a: 1 }, theirs: { a: 5 } })).toEqual({});
    expect(patchOf({ before: { a: 1 }, mine: { a: { x: 1, y: 2 } }, theirs: { a: { y: 2, x: 1 } } })).toEqual({});
  });
  test.each([
    ["client-wins", { a: 2 }],
    ["server-wins", {}],
    ["last-write-wins", { a: 2 }],
    [({ before, mine, theirs }) => [before, mine, theirs] as Json, { a: [1, 2, 3] }],
    [() => undefined, {}],
  ] as readonly (readonly [FieldPolicy, JsonObject])[])("X5 changed by both, %s", (policy, expected) => {
    expect(merge({ before: { a: 1 }, mine: { a: 2 }, theirs: { a: 3 }, policy })).toEqual({ patch: expected, conflicts: [] });
  });
  test("X5 the last write wins by when the edit was made; a server that does not say when has written earlier", () => {
    const one = { before: { a: 1 }, mine: { a: 2 }, theirs: { a: 3 }, policy: "last-write-wins" } as const;
    expect(patchOf({ ...one, mineAt: 5, theirsAt: 6 })).toEqual({});
    expect(patchOf({ ...one, mineAt: 6, theirsAt: 5 })).toEqual({ a: 2 });
    expect(patchOf({ ...one, mineAt: 6, theirsAt: Number.NaN })).toEqual({ a: 2 });
  });
  test("X5 what is to be asked stays theirs until somebody has decided; the rest merges", () => {
    const one = { before: { a: 1, b: 1 }, mine: { a: 2, b: 2 }, theirs: { a: 3, b: 1 }, fields: { a: { policy: "ask" } } } as const;
    expect(merge(one)).toEqual({ patch: { b: 2 }, conflicts: [{ path: "a", before: 1, mine: 2, theirs: 3 }] });
  });
  test("X5 a policy that throws is asked", () => {
    const policy = (): never => {
      throw new Error("a fault of the app");
    };
    expect(merge({ before: { a: 1 }, mine: { a: 2 }, theirs: { a: 3 }, policy }).conflicts).toHaveLength(1);
  });
  test.each([
    ["NaN", () => Number.NaN],
    ["a Date", () => new Date(0) as never],
    ["a promise", () => Promise.reject(new Error("late")) as never],
  ] as readonly (readonly [string, FieldPolicy])[])("X5 a policy that returns %s is asked, and what it did is told", (_what, policy) => {
    const merged = merge({ before: { a: 1 }, mine: { a: 2 }, theirs: { a: 3 }, policy });
    expect(merged).toMatchObject({ patch: {}, conflicts: [{ path: "a" }], faults: [{ where: "a", error: expect.any(TypeError) }] });
  });
  test("X5 where nobody knows what was there before, what differs was changed by both", () => {
    expect(patchOf({ before: undefined, mine: { a: 2 }, theirs: { a: 3 }, policy: "server-wins" })).toEqual({});
    expect(patchOf({ before: undefined, mine: { a: 2 }, theirs: {}, policy: "client-wins" })).toEqual({ a: 2 });
  });
});

describe("fields of other kinds", () => {
  test("X5 sets: what I added is there, what I removed is gone, what they did stays", () => {
    const one = { before: { s: ["a", "b"] }, mine: { s: ["b", "c"] }, theirs: { s: ["b", "a", "d"] }, fields: { s: "set" } } as const;
    expect(patchOf(one)).toEqual({ s: ["b", "d", "c"] });
  });
  test("X5 increments add up", () => {
    expect(patchOf({ before: { n: 10 }, mine: { n: 13 }, theirs: { n: 12 }, fields: { n: "increment" } })).toEqual({ n: 15 });
    expect(patchOf({ before: {}, mine: { n: 1 }, theirs: { n: 1 }, fields: { n: "increment" } })).toEqual({ n: 2 });
  });
  test("X5 lists by key: members of an item merge, added items come behind, removed ones go", () => {
    const one = {
      before: { l: [{ id: 1, a: 1, b: 1 }, { id: 2 }, { id: 3 }] },
      mine: { l: [{ id: 1, a: 2, b: 1 }, { id: 3 }, { id: 4 }] },
      theirs: { l: [{ id: 3 }, { id: 2 }, { id: 1, a: 1, b: 5 }, { id: 5 }] },
      fields: { l: { byKey: "id" } },
    } as const;
    expect(patchOf(one)).toEqual({ l: [{ id: 3 }, { id: 1, a: 2, b: 5 }, { id: 5 }, { id: 4 }] });
  });
  test.each([
    ["client-wins", undefined],
    ["server-wins", [{ id: 1, a: 2 }]],
  ] as const)("X5 an item that I removed and they changed, %s", (policy, kept) => {
    const one = {
      before: { l: [{ id: 1, a: 1 }] },
      mine: { l: [] },
      theirs: { l: [{ id: 1, a: 2 }] },
      fields: { l: { byKey: "id", policy } },
    };
    expect({ ...one.theirs, ...patchOf(one) }.l).toEqual(kept ?? []);
  });
  test("X5 what is not of its kind is one value", () => {
    expect(patchOf({ before: { s: "x" }, mine: { s: "y" }, theirs: { s: ["a"] }, fields: { s: "set" } })).toEqual({ s: "y" });
    const twice = { before: {}, mine: { l: [{ id: 1 }, { id: 1 }] }, theirs: {}, fields: { l: { byKey: "id" } } };
    expect(patchOf(twice)).toEqual({ l: [{ id: 1 }, { id: 1 }] });
  });
  test("X5 parts of an object merge when they are declared; an object that is not is one value", () => {
    const one = { before: { o: { a: 1, b: 1 } }, mine: { o: { a: 2, b: 1 } }, theirs: { o: { a: 1, b: 7, c: 3 } } };
    expect(patchOf({ ...one, fields: { "o.a": "value" } })).toEqual({ o: { a: 2, b: 7, c: 3 } });
    expect(patchOf(one)).toEqual({ o: { a: 2, b: 1 } });
    const removed = {
      before: { o: { a: 1, b: 1 } },
      mine: { o: { b: 1 } },
      theirs: { o: { a: 1, b: 7 } },
      fields: { "o.a": "value" },
    } as const;
    expect(patchOf(removed)).toEqual({ o: { b: 7 } });
  });
});

describe("what may not be written", () => {
  test("E2 the server's own fields and the names of the language stay out", () => {
    const mine = JSON.parse('{"id":"x","version":9,"createdAt":1,"updatedAt":1,"__proto__":{"p":1},"constructor":1,"a":1}') as JsonObject;
    const { patch } = merge({ before: {}, mine, theirs: {} });
    expect(Object.keys(patch)).toEqual(["a"]);
    const nested = JSON.parse('{"o":{"__proto__":{"p":1},"a":1}}') as JsonObject;
    const merged = patchOf({ before: {}, mine: nested, theirs: { o: {} }, fields: { "o.a": "value" } });
    expect(merged).toEqual({ o: { a: 1 } });
    expect(({} as { p?: number }).p).toBeUndefined();
  });
  test.each([
    [{ a: "bag" }, /"a".*kind/],
    [{ a: { policy: "mine" } }, /"a".*policy/],
    [{ a: { byKey: "" } }, /"a".*byKey/],
    [{ a: { byKey: "id", kind: "set" } }, /"a".*byKey/],
    [{ "a.": "set" }, /"a\."/],
    [{ "a.__proto__": "set" }, /"a\.__proto__"/],
    [{ a: "set", "a.b": "set" }, /"a".*whole and in parts/],
    [{ a: null }, /"a"/],
  ] as readonly (readonly [object, RegExp])[])("Q8 a wrong declaration names its field: %j", (fields, message) => {
    expect(() => fieldRules(fields as FieldDeclarations)).toThrow(message);
  });
});

describe("laws of merging", () => {
  const scalar = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom("a", "b"), fc.constant(null), fc.boolean());
  const set = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  const item = fc.record({ id: fc.constantFrom(1, 2, 3), a: fc.integer({ min: 0, max: 2 }) });
  const list = fc.uniqueArray(item, { selector: ({ id }) => id });
  const document = fc.record({
    v: scalar,
    w: scalar,
    s: set,
    n: fc.integer({ min: 0, max: 9 }),
    l: list,
    o: fc.record({ x: scalar, y: scalar }),
  });
  const fields: FieldDeclarations = { s: "set", n: "increment", l: { byKey: "id" }, "o.x": "value" };
  const over = (theirs: JsonObject, { patch }: Merged): JsonObject => ({ ...theirs, ...patch });
  const text = (value: JsonObject): string => canonicalJson({ ...value, s: [...(value.s as string[])].sort() });

  test("X5 identity: nobody else wrote, so mine is what there is", () => {
    fc.assert(
      fc.property(document, document, (before, mine) => {
        expect(text(over(before, merge({ before, mine, theirs: before, fields })))).toBe(text(mine));
      }),
    );
  });
  test("X5 agreement: what they have already is not written again", () => {
    fc.assert(
      fc.property(document, document, (before, mine) => {
        const { n: _added, ...agreed } = mine;
        expect(merge({ before, mine: agreed, theirs: mine, fields })).toEqual({ patch: {}, conflicts: [] });
      }),
    );
  });
  test("X5 no lost field: whatever I did not touch stays as it is there, under every policy", () => {
    const policy = fc.constantFrom<FieldPolicy>("client-wins", "server-wins", "last-write-wins", "ask");
    fc.assert(
      fc.property(
        document,
        document,
        document,
        fc.subarray(["v", "w", "s", "n", "l", "o"]),
        policy,
        (before, mine, theirs, touched, rule) => {
          const own = Object.fromEntries(touched.map((name) => [name, mine[name as keyof typeof mine]])) as JsonObject;
          const after = over(theirs, merge({ before, mine: own, theirs, fields, policy: rule }));
          for (const name of Object.keys(theirs))
            if (!touched.includes(name)) expect(after[name]).toEqual(theirs[name as keyof typeof theirs]);
        },
      ),
    );
  });
  test("X5 sets and increments: it is irrelevant who comes first", () => {
    fc.assert(
      fc.property(set, set, set, fc.integer(), fc.integer(), fc.integer(), (s, t, u, a, b, c) => {
        const [before, one, two] = [
          { s, n: a },
          { s: t, n: b },
          { s: u, n: c },
        ];
        const oneThenTwo = over(one, merge({ before, mine: two, theirs: one, fields }));
        const twoThenOne = over(two, merge({ before, mine: one, theirs: two, fields }));
        expect(text(oneThenTwo)).toBe(text(twoThenOne));
      }),
    );
  });
  test("X5 a second merge against what the first one left has nothing to write", () => {
    fc.assert(
      fc.property(document, document, document, (before, mine, theirs) => {
        const after = over(theirs, merge({ before, mine, theirs, fields }));
        const own = Object.fromEntries(Object.keys(mine).map((name) => [name, after[name] as Json]));
        expect(merge({ before: theirs, mine: own, theirs: after, fields: { ...fields, n: "value" } }).patch).toEqual({});
      }),
    );
  });
  test("X5 nothing that was given is changed", () => {
    fc.assert(
      fc.property(document, document, document, (before, mine, theirs) => {
        const given = canonicalJson([before, mine, theirs]);
        merge({ before, mine, theirs, fields });
        expect(canonicalJson([before, mine, theirs])).toBe(given);
      }),
    );
  });
});
