import { canonicalJson, isJsonObject, type Json, type JsonObject, MAX_PAYLOAD_BYTES } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EntityTag, Seq } from "../ports/index.ts";
import { type Effect, type FoldCandidate, type Foldable, foldTwo, planFolds } from "./coalesce.ts";
import { orderLanesOf } from "./lanes.ts";
import { MAX_MEMBERS } from "./max-members.ts";
import { fieldRules } from "./field-rules.ts";
import { mergePatch } from "./merge.ts";

const apart = (): undefined => undefined;
const rules = fieldRules({ tags: "set", score: "increment", rows: { byKey: "id" }, "deep.n": "value" });
const replacing = { isReplacing: true, rules, joinDeclared: apart };
const one = (type: string, payload: Json = null, more: Partial<Foldable> = {}): Foldable => {
  const id = more.id ?? `${type}-${JSON.stringify(payload)}`;
  return { id, key: `key of ${id}`, type, version: 1, entityType: "device", entityId: "a", createdAt: 1, payload, ...more };
};
const window = (contents: readonly Foldable[], more: Partial<FoldCandidate> = {}): readonly FoldCandidate[] =>
  contents.map((content, index) => {
    const facts = {
      seq: (index + 1) as Seq,
      entityTag: content.entityId,
      resultKey: content.key,
      lanes: [""],
      isFree: true,
      members: 0,
      isReplacing: true,
      rules,
    };
    return { ...facts, content, ...more };
  });
const folds = (candidates: readonly FoldCandidate[]): unknown => planFolds(candidates, apart).map(({ index, members }) => [index, members]);

describe("two operations of one entity", () => {
  test.each([
    ["CREATE", "UPDATE", { type: "CREATE", payload: { x: 1, y: 2 } }],
    ["CREATE", "DELETE", "nothing"],
    ["UPDATE", "UPDATE", { type: "UPDATE", payload: { x: 1, y: 2 } }],
    ["UPDATE", "DELETE", { type: "DELETE", payload: null }],
    ["DELETE", "CREATE", undefined],
    ["DELETE", "UPDATE", undefined],
    ["UPDATE", "CREATE", undefined],
    ["CREATE", "CREATE", undefined],
    ["DELETE", "DELETE", undefined],
    ["UPDATE", "light.turn", undefined],
    ["light.turn", "UPDATE", undefined],
    ["light.turn", "DELETE", undefined],
    ["light.turn", "light.turn", undefined],
  ] as const)("X6 %s, then %s", (first, then, expected) => {
    const payloadOf = (type: string, payload: Json): Json => (type === "DELETE" ? null : payload);
    const folded = foldTwo(one(first, payloadOf(first, { x: 1, y: 1 })), one(then, payloadOf(then, { y: 2 })), replacing);
    expect(folded).toEqual(expected);
  });

  test("X6 a DELETE, and later fields, take the first's base; of each field what stood there before the first touched it", () => {
    const first = one("UPDATE", { a: 1, b: 1 }, { base: { version: 3 }, before: { a: 0 } });
    const second = one("UPDATE", { a: 2, b: 2, c: 2 }, { base: { after: first.key }, before: { a: 1, b: 1, c: 0 } });
    const expected = { base: { version: 3 }, before: { a: 0, c: 0 } };
    expect(foldTwo(first, second, replacing)).toEqual({ ...expected, type: "UPDATE", payload: { a: 2, b: 2, c: 2 } });
    const end = one("DELETE", null, { base: { after: first.key }, before: {} });
    expect(foldTwo(first, end, replacing)).toEqual({ type: "DELETE", payload: null, base: { version: 3 }, before: { a: 0 } });
  });

  test.each([
    ["a value", { a: 0 }, { a: 1 }, { a: 0 }, false],
    ["another value", { a: 0 }, { a: 1 }, { a: 2 }, true],
    ["the same value twice", { a: 0 }, { a: 1 }, { a: 1 }, true],
    ["a part", { deep: { n: 0, m: 0 } }, { deep: { n: 1, m: 0 } }, { deep: { n: 0, m: 2 } }, false],
    ["another part", { deep: { n: 0, m: 0 } }, { deep: { n: 1, m: 0 } }, { deep: { n: 1, m: 2 } }, true],
    ["a sum", { score: 1 }, { score: 5 }, { score: 1 }, true],
    ["a member of a set", { tags: ["p"] }, { tags: ["p", "q"] }, { tags: ["p", "r"] }, false],
    ["more members of a set", { tags: ["p"] }, { tags: ["p", "q"] }, { tags: ["q", "r"] }, true],
    ["an item", { rows: [{ id: 1 }] }, { rows: [] }, { rows: [{ id: 1 }] }, false],
    ["a member of an item", { rows: [{ id: 1, n: 1 }] }, { rows: [{ id: 1, n: 2 }] }, { rows: [{ id: 1, n: 1 }] }, false],
    ["another member of an item", { rows: [{ id: 1, n: 1 }] }, { rows: [{ id: 1, n: 2 }] }, { rows: [{ id: 1, n: 3 }] }, true],
  ])("X6 X5 putting %s back is an edit of its own where others write, too", (_what, before, first, second, isFolded) => {
    const known = one("UPDATE", first, { before });
    expect(foldTwo(known, one("UPDATE", second, { before: first }), replacing) !== undefined).toBe(isFolded);
    expect(foldTwo(one("UPDATE", first), one("UPDATE", second), replacing)).toBeDefined();
  });

  test("X6 X5 where somebody else's change was seen between them, they stay apart: it is not added twice", () => {
    const first = one("UPDATE", { score: 12, name: "a" }, { base: { version: 3 }, before: { score: 10 } });
    const seen = (score: number): Foldable => one("UPDATE", { score: score + 1 }, { base: { after: first.key }, before: { score } });
    expect(foldTwo(first, seen(17), replacing)).toBeUndefined();
    expect(foldTwo(first, seen(12), replacing)).toMatchObject({ payload: { score: 13, name: "a" }, before: { score: 10 } });
  });

  test("X6 X5 where the time before is known of one only, they stay apart", () => {
    const [known, blind] = [one("UPDATE", { a: 1 }, { before: { a: 0 } }), one("UPDATE", { a: 2 })];
    expect(foldTwo(known, blind, replacing)).toBeUndefined();
    expect(foldTwo(blind, known, replacing)).toBeUndefined();
  });

  test("X6 where objects merge and null removes, no patch does what two such patches do", () => {
    const patches = (a: Json, b: Json, type = "UPDATE"): unknown =>
      foldTwo(one(type, { x: a, z: 1 }), one("UPDATE", { x: b }), { ...replacing, isReplacing: false });
    expect(patches(1, { deep: 1 })).toBeUndefined();
    expect(patches({ deep: 1 }, { deep: 2 })).toBeUndefined();
    expect(patches(1, null)).toMatchObject({ payload: { x: null, z: 1 } });
    expect(patches(1, null, "CREATE")).toBeUndefined();
    expect(patches({ deep: 1 }, 2)).toMatchObject({ payload: { x: 2, z: 1 } });
    expect(foldTwo(one("UPDATE", { x: 1 }), one("UPDATE", { y: { deep: 1 } }), { ...replacing, isReplacing: false })).toMatchObject({
      type: "UPDATE",
    });
  });

  test("X6 declared ones become what their definition says, and stay apart where it says nothing", () => {
    const [first, second] = [one("count", { input: 1, patch: { n: 1 } }), one("count", { input: 2, patch: { n: 3 } })];
    const sum = (a: Foldable, b: Foldable): Json => ({
      input: [a, b].map(({ payload }) => (payload as JsonObject).input as Json),
      patch: {},
    });
    expect(foldTwo(first, second, { ...replacing, joinDeclared: sum })).toEqual({ type: "count", payload: { input: [1, 2], patch: {} } });
    expect(foldTwo(first, { ...second, type: "other" }, { ...replacing, joinDeclared: sum })).toBeUndefined();
    expect(foldTwo(first, second, replacing)).toBeUndefined();
  });
});

describe("a window", () => {
  const edits = [one("UPDATE", { x: 1 }, { id: "1" }), one("UPDATE", { y: 2 }, { id: "2" }), one("UPDATE", { x: 3 }, { id: "3" })];

  test("X6 neighbours become the first, which knows the last", () => {
    const last = { seq: 3, key: "key of 3", at: 1 };
    expect(planFolds(window(edits), apart)).toEqual([
      { index: 0, members: [1, 2], becomes: { type: "UPDATE", payload: { x: 3, y: 2 }, last } },
    ]);
  });

  test("X6 Q2 what is about another entity stands between, unless each entity is a lane of its own", () => {
    const mixed = [edits[0], { ...edits[1], entityId: "b" }, edits[2]] as readonly Foldable[];
    expect(folds(window(mixed))).toEqual([]);
    expect(folds(window(mixed).map((candidate) => ({ ...candidate, lanes: [candidate.entityTag] })))).toEqual([[0, [2]]]);
  });

  test.each([
    ["version", { version: 2 }],
    ["group", { groupId: "g" }],
    ["lane", { lane: "l" }],
    ["priority", { priority: 1 }],
    ["last moment", { expiresAt: 5 }],
    ["wish to stay alone", { coalesce: false }],
    ["dependency", { dependsOn: ["9"] }],
  ] as readonly (readonly [string, Partial<Foldable>])[])("X6 another %s keeps it apart", (_what, more) => {
    expect(folds(window([edits[0] as Foldable, { ...(edits[1] as Foldable), ...more }]))).toEqual([]);
  });

  test("X6 what another one depends on stays as it was made", () => {
    const dependent = one("UPDATE", { z: 1 }, { id: "4", entityId: "b", dependsOn: ["1"] });
    expect(folds(window([...edits, dependent]))).toEqual([[1, [2]]]);
    const made = [one("CREATE", {}, { id: "c" }), one("DELETE", null, { id: "d" })];
    expect(folds(window([...made, { ...dependent, dependsOn: ["c"] }]))).toEqual([]);
    expect(folds(window([...made, dependent]))).toEqual([[0, [1]]]);
  });

  test("X6 what was made on top of another one than the last does not bring along what that one wrote", () => {
    const [first, second, third] = edits as unknown as readonly [Foldable, Foldable, Foldable];
    const on = (edit: Foldable, { key }: Foldable): Foldable => ({ ...edit, before: {}, base: { after: key } });
    const start = { ...first, before: {}, base: { version: 1 } };
    expect(folds(window([start, on(second, first), on(third, second)]))).toEqual([[0, [1, 2]]]);
    expect(folds(window([start, on(third, second)]))).toEqual([]);
    expect(folds(window([start, { ...third, before: {}, base: { version: 1 } }]))).toEqual([]);
    const [survivor, next] = window([start, on(third, second)]) as readonly [FoldCandidate, FoldCandidate];
    expect(folds([{ ...survivor, members: 1, resultKey: second.key }, next])).toEqual([[0, [1]]]);
  });

  test("X6 X8 what was sent, or holds others of its own, is not folded into another", () => {
    const [first, second] = window(edits) as readonly [FoldCandidate, FoldCandidate];
    expect(folds([{ ...first, isFree: false }, second])).toEqual([]);
    expect(folds([first, { ...second, isFree: false }])).toEqual([]);
    expect(folds([first, { ...second, members: 1 }])).toEqual([]);
    expect(folds([{ ...first, members: 1 }, second])).toEqual([[0, [1]]]);
  });

  test("X6 Q7 a payload never grows beyond what may be enqueued, nor a unit beyond what ends in one transaction", () => {
    const long = (name: string): Foldable => one("UPDATE", { [name]: "x".repeat(MAX_PAYLOAD_BYTES * 0.4) }, { id: name });
    expect(folds(window([long("a"), long("b"), long("c"), one("UPDATE", { d: 1 })]))).toEqual([
      [0, [1]],
      [2, [3]],
    ]);
    expect(folds(window(Array.from({ length: 12 }, (_, i) => ({ ...long("a"), id: String(i) }))))).toEqual([
      [0, Array.from({ length: 11 }, (_, i) => i + 1)],
    ]);
    const many = window(Array.from({ length: MAX_MEMBERS + 3 }, (_, i) => one("UPDATE", { n: i }, { id: String(i) })));
    expect(planFolds(many, apart).map(({ index, members }) => [index, members.length])).toEqual([
      [0, MAX_MEMBERS],
      [MAX_MEMBERS + 1, 1],
    ]);
  });
});

type Documents = Map<string, JsonObject>;
function run(documents: Documents, { type, payload }: Effect, entityId: string): void {
  const there = documents.get(entityId);
  if (type === "DELETE") documents.delete(entityId);
  else if (type === "CREATE" && there === undefined) documents.set(entityId, payload as JsonObject);
  else if (type === "UPDATE" && there !== undefined) documents.set(entityId, { ...there, ...(payload as JsonObject) });
}
const inWords = (documents: Documents): string => canonicalJson(Object.fromEntries(documents));
const fields = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.integer({ max: 9 }), { maxKeys: 3 });
/** What people do: a thing is made, edited and removed, never removed twice. */
const schedule = fc.array(fc.record({ entity: fc.constantFrom("d", "e", "f"), payload: fields, ends: fc.nat(5), free: fc.nat(9) }), {
  maxLength: 40,
});

describe("any schedule", () => {
  const planned = schedule.map((steps) => {
    const alive = new Set<string>(["f"]);
    const gone = new Set<string>();
    return steps.flatMap(({ entity, payload, ends, free }, index): readonly FoldCandidate[] => {
      if (gone.has(entity)) return [];
      const type = !alive.has(entity) ? "CREATE" : ends === 0 ? "DELETE" : "UPDATE";
      alive.add(entity);
      if (type === "DELETE") gone.add(entity);
      const content = one(type, type === "DELETE" ? null : payload, { id: String(index), entityId: entity });
      return [{ ...(window([content])[0] as FoldCandidate), seq: (index + 1) as Seq, isFree: free > 0 }];
    });
  });

  test.each(["next to each other", "past other entities"])("X6 %s: folded or not, the documents end equal", (how) => {
    const check = (candidates: readonly FoldCandidate[]): void => {
      const laned = candidates.map((candidate) =>
        how === "past other entities" ? { ...candidate, lanes: [candidate.entityTag] } : candidate,
      );
      const start = (): Documents => new Map([["f", { a: 0 }]]);
      const [plain, folded] = [start(), start()];
      for (const { content } of laned) run(plain, content, content.entityId);
      const units = planFolds(laned, apart);
      const members = new Set(units.flatMap((unit) => unit.members));
      const becomes = new Map(units.map((unit) => [unit.index, unit.becomes]));
      laned.forEach(({ content }, index) => {
        const effect = becomes.get(index) ?? content;
        if (!members.has(index) && effect !== "nothing") run(folded, effect, content.entityId);
      });
      expect(inWords(folded)).toBe(inWords(plain));
    };
    fc.assert(fc.property(planned, check), { numRuns: 300 });
  });

  test("X6 Q2 in lanes: nothing changes places with what stands in its entity or in its explicit lane", () => {
    const lane = fc.array(fc.constantFrom(undefined, undefined, "x", "y"), { minLength: 40, maxLength: 40 });
    const check = (candidates: readonly FoldCandidate[], lanes: readonly (string | undefined)[]): void => {
      const laned = candidates.map((candidate, index): FoldCandidate => {
        const name = lanes[index];
        const content = name === undefined ? candidate.content : { ...candidate.content, lane: name };
        return { ...candidate, content, lanes: orderLanesOf({ entityTag: candidate.entityTag as EntityTag, lane: name }) };
      });
      const units = planFolds(laned, apart);
      const survivorOf = new Map(units.flatMap(({ index, members }) => members.map((member) => [member, index] as const)));
      const places = laned.map((candidate, index) => ({ lanes: candidate.lanes, index, place: survivorOf.get(index) ?? index }));
      for (const later of places) {
        const before = places.filter(({ index, lanes: own }) => index < later.index && own.some((one) => later.lanes.includes(one)));
        expect(before.every(({ place }) => place <= later.place)).toBe(true);
      }
    };
    fc.assert(fc.property(planned, lane, check), { numRuns: 300 });
  });
  test("X6 Q2 in lanes: edits of an entity fold past others, unless one of its lane stands between", () => {
    const edits = [
      one("UPDATE", { a: 1 }, { lane: "x" }),
      one("UPDATE", { a: 2 }, { entityId: "e" }),
      one("UPDATE", { a: 3 }, { lane: "x" }),
    ];
    const inLanes = (list: readonly Foldable[]): readonly FoldCandidate[] =>
      window(list).map((candidate) => ({
        ...candidate,
        lanes: orderLanesOf({ entityTag: candidate.entityTag as EntityTag, lane: candidate.content.lane }),
      }));
    expect(folds(inLanes(edits))).toEqual([[0, [2]]]);
    const [first, between, last] = edits as [Foldable, Foldable, Foldable];
    expect(folds(inLanes([first, { ...between, lane: "x" }, last]))).toEqual([]);
    expect(folds(inLanes([first, { ...between, lane: "y" }, last]))).toEqual([[0, [2]]]);
  });

  test("X6 whichever two are folded first, the three come to the same", () => {
    const base = { before: fields, base: fc.record({ version: fc.nat(3) }) };
    const any = fc.record({ type: fc.constantFrom("CREATE", "UPDATE", "DELETE"), payload: fields, ...base });
    const made = ({
      type,
      payload,
      before,
      base: on,
    }: {
      type: string;
      payload: JsonObject;
      before: JsonObject;
      base: { version: number };
    }): Foldable => (type === "CREATE" ? one(type, payload) : one(type, type === "DELETE" ? null : payload, { before, base: on }));
    fc.assert(
      fc.property(any, any, any, (...three) => {
        const [a, b, c] = three.map(made) as [Foldable, Foldable, Foldable];
        const [ab, bc] = [foldTwo(a, b, replacing), foldTwo(b, c, replacing)];
        if (ab === undefined || bc === undefined || ab === "nothing" || bc === "nothing") return;
        const { base: _base, before: _before, ...rest } = b;
        const { base: _b, before: _c, ...first } = a;
        expect(foldTwo({ ...first, ...ab }, c, replacing)).toEqual(foldTwo(a, { ...rest, ...bc }, replacing));
      }),
    );
  });

  test("X6 X5 what merges merges the same: sets, sums and lists, whatever somebody else wrote", () => {
    const row = fc.record({ id: fc.constantFrom("x", "y", "z"), n: fc.nat(3) });
    const rows = fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 3 });
    const document = fc.record({ tags: fc.uniqueArray(fc.constantFrom("p", "q", "r", "s")), score: fc.nat(9), rows, name: fc.nat(3) });
    const edit = fc.record({ tags: document.map(({ tags }) => tags), score: fc.nat(9), name: fc.nat(3), rows }, { requiredKeys: [] });
    fc.assert(
      fc.property(
        document,
        document,
        fc.array(edit as fc.Arbitrary<JsonObject>, { minLength: 2, maxLength: 5 }),
        (start, theirs, edits) => {
          let shown: JsonObject = start;
          const operations = edits.map((payload, index) => {
            const before = Object.fromEntries(Object.keys(payload).map((name) => [name, shown[name] ?? null]));
            shown = { ...shown, ...payload };
            return one("UPDATE", payload, { id: String(index), before, base: { after: `key of ${index - 1}` } });
          });
          const merge = (there: JsonObject, { payload, before }: Effect): JsonObject => {
            const sides = { before: before as JsonObject, mine: payload as JsonObject, theirs: there };
            return { ...there, ...mergePatch({ ...sides, rules, mineAt: 2, theirsAt: 1 }).patch };
          };
          const single = operations.reduce<JsonObject>(merge, theirs);
          const units = planFolds(window(operations), apart);
          const members = new Set(units.flatMap((unit) => unit.members));
          const effects = operations.flatMap((operation, index) =>
            members.has(index) ? [] : [(units.find((unit) => unit.index === index)?.becomes ?? operation) as Effect],
          );
          const folded = effects.reduce<JsonObject>(merge, theirs);
          const inOrder = (list: Json | undefined): Json =>
            [...(list as readonly Json[])].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
          const sorted = (value: JsonObject): JsonObject => ({ ...value, tags: inOrder(value.tags), rows: inOrder(value.rows) });
          expect(isJsonObject(folded)).toBe(true);
          expect(sorted(folded)).toEqual(sorted(single));
        },
      ),
    );
  });
});
