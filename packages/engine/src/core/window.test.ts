import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EntityTag, Seq } from "../ports/index.ts";
import { type Candidate, planWindow, type WindowPlan } from "./window.ts";

const NOW = 1000;
const tag = (name: string): EntityTag => name as EntityTag;
const seq = (value: number): Seq => value as Seq;
const holdsOf = (holds: Readonly<Record<string, number>>): ReadonlyMap<EntityTag, Seq> =>
  new Map(Object.entries(holds).map(([name, by]) => [tag(name), seq(by)]));

const candidate = (at: number, entity: string, more: Partial<Candidate> = {}): Candidate => ({
  seq: seq(at),
  entityTag: tag(entity),
  isTombstone: false,
  isReadable: true,
  isKnown: true,
  isSettled: false,
  expiresAt: 0,
  dueAt: 0,
  ...more,
});
const plan = (candidates: readonly Candidate[], holds: Readonly<Record<string, number>> = {}): WindowPlan =>
  planWindow(candidates, holdsOf(holds), NOW);
/** `1 send`, `2 block 1`: seq, what happens, by whom. */
const words = ({ steps }: WindowPlan, candidates: readonly Candidate[]): readonly string[] =>
  steps.map((step) => `${candidates[step.index]?.seq} ${step.do}${step.do === "block" ? ` ${step.by}` : ""}`);

const unknown = { isKnown: false };
const unreadable = { isReadable: false };

describe("one operation", () => {
  test.each([
    ["Q2 what is due goes", {}, "send"],
    ["Q2 a due time that has come is due", { dueAt: NOW }, "send"],
    ["Q1 one that ended before the head reached it is forgotten", { isTombstone: true }, "forget"],
    ["X2 one whose key stands in the success record is not sent", { isSettled: true }, "settled_before"],
    ["Q1 one past its last moment expires", { expiresAt: NOW }, "expire"],
    ["Q1 one before its last moment goes", { expiresAt: NOW + 1 }, "send"],
    ["Q1 one of a type that nobody knows is parked", unknown, "park"],
    ["Q1 one that cannot be read is quarantined", unreadable, "quarantine"],
    ["Q1 unreadable counts before unknown", { ...unknown, ...unreadable }, "quarantine"],
    ["Q1 the end counts before everything else", { ...unknown, isTombstone: true, isSettled: true, expiresAt: 1 }, "forget"],
    ["X2 what took effect has not expired", { isSettled: true, expiresAt: 1 }, "settled_before"],
    ["Q1 what expired does not hold its entity as an unknown one", { ...unknown, expiresAt: 1 }, "expire"],
  ] as const)("%s", (_title, more, step) => {
    expect(plan([candidate(1, "a", more)])).toEqual({ steps: [{ do: step, index: 0 }] });
  });

  test("Q2 one that is late stops all, and says until when", () => {
    expect(plan([candidate(1, "a", { dueAt: NOW + 5 }), candidate(2, "b")])).toEqual({ steps: [], waitUntil: NOW + 5 });
  });
});

describe("what holds an entity back", () => {
  test.each([
    ["a hold from before blocks", [candidate(5, "a"), candidate(6, "b")], { a: 3 }, ["5 block 3", "6 send"]],
    ["a hold binds only what came after it", [candidate(2, "a"), candidate(5, "a")], { a: 3 }, ["2 send", "5 block 3"]],
    [
      "a parked one holds those behind it",
      [candidate(1, "a", unknown), candidate(2, "a"), candidate(3, "b")],
      {},
      ["1 park", "2 block 1", "3 send"],
    ],
    ["so does an unreadable one", [candidate(1, "a", unreadable), candidate(2, "a")], {}, ["1 quarantine", "2 block 1"]],
    ["behind a hold an unknown one waits like every other", [candidate(5, "a", unknown)], { a: 3 }, ["5 block 3"]],
    [
      "behind a hold an unreadable one is quarantined all the same",
      [candidate(5, "a", unreadable), candidate(6, "a")],
      { a: 3 },
      ["5 quarantine", "6 block 3"],
    ],
    [
      "only the first of several unknown ones is parked",
      [candidate(1, "a", unknown), candidate(2, "a", unknown)],
      {},
      ["1 park", "2 block 1"],
    ],
    ["an expired one holds nothing", [candidate(1, "a", { expiresAt: 1 }), candidate(2, "a")], {}, ["1 expire", "2 send"]],
    ["an expired one behind a hold expires", [candidate(5, "a", { expiresAt: 1 })], { a: 3 }, ["5 expire"]],
    [
      "what comes behind a late one is not looked at",
      [candidate(1, "a"), candidate(2, "b", { dueAt: 2000 }), candidate(3, "c", unknown)],
      {},
      ["1 send"],
    ],
    ["a held one that is late stops nobody", [candidate(5, "a", { dueAt: 2000 }), candidate(6, "b")], { a: 3 }, ["5 block 3", "6 send"]],
  ] as const)("Q2 %s", (_title, candidates, holds, expected) => {
    expect(words(plan(candidates, holds), candidates)).toEqual(expected);
  });
});

const entities = ["a", "b", "c"];
const candidates = fc
  .array(
    fc.record({
      entityTag: fc.constantFrom(...entities).map(tag),
      isTombstone: rarely(),
      isReadable: rarely().map((is) => !is),
      isKnown: rarely().map((is) => !is),
      isSettled: rarely(),
      expiresAt: fc.constantFrom(0, 0, 0, NOW - 1, NOW + 1),
      dueAt: fc.constantFrom(0, 0, 0, 0, NOW, NOW + 500, NOW + 900),
    }),
    { maxLength: 25 },
  )
  .map((all) => all.map((one, index): Candidate => ({ ...one, seq: seq(10 + index * 2) })));
const holding = fc.dictionary(fc.constantFrom(...entities), fc.integer({ min: 1, max: 40 }));

/** With groups of neighbours, and with dependencies on what comes before and is not of the same group. */
const grouped = fc
  .tuple(
    candidates,
    fc.array(fc.record({ size: fc.integer({ min: 1, max: 4 }), parents: fc.array(fc.nat({ max: 24 }), { maxLength: 2 }) }), {
      maxLength: 12,
    }),
  )
  .map(([all, cuts]) => {
    const window: Candidate[] = [];
    for (const [at, { size, parents }] of cuts.entries()) {
      const before = window.map(({ seq: earlier }) => earlier);
      const dependsOn = parents.flatMap((index) => before[index] ?? []);
      for (const one of all.slice(window.length, window.length + size)) {
        window.push({ ...one, ...(size === 1 ? {} : { groupId: `g${at}` }), ...(dependsOn.length === 0 ? {} : { dependsOn }) });
      }
    }
    return window;
  });
const isLive = ({ isTombstone, isSettled }: Candidate): boolean => !isTombstone && !isSettled;

function rarely(): fc.Arbitrary<boolean> {
  return fc.nat({ max: 5 }).map((draw) => draw === 0);
}

describe("any window", () => {
  test("Q2 the plan speaks of a prefix, in order, once each; what follows is left for later", () => {
    fc.assert(
      fc.property(candidates, holding, (window, holds) => {
        const { steps, waitUntil } = plan(window, holds);
        expect(steps.map((step) => step.index)).toEqual(steps.map((_, index) => index));
        const next = window[steps.length];
        if (next === undefined) expect(waitUntil).toBeUndefined();
        else {
          expect(next.dueAt).toBeGreaterThan(NOW);
          expect(waitUntil).toBe(next.dueAt);
        }
      }),
    );
  });

  test("Q2 behind one that holds its entity, nothing of that entity goes; other entities are not touched by it", () => {
    fc.assert(
      fc.property(candidates, holding, (window, holds) => {
        const held = new Map(Object.entries(holds).map(([name, by]) => [tag(name), [by]]));
        for (const step of plan(window, holds).steps) {
          const { seq: at, entityTag } = window[step.index] as Candidate;
          const before = (held.get(entityTag) ?? []).filter((by) => by < at);
          if (step.do === "send") expect(before).toEqual([]);
          if (step.do === "park") expect(before).toEqual([]);
          if (step.do === "block") expect(before).toContain(step.by);
          if (step.do === "park" || step.do === "quarantine") held.set(entityTag, [...(held.get(entityTag) ?? []), at]);
        }
      }),
    );
  });

  test("Q2 what goes is readable, known, due, alive, and not known to have taken effect", () => {
    fc.assert(
      fc.property(candidates, holding, (window, holds) => {
        for (const step of plan(window, holds).steps) {
          const one = window[step.index] as Candidate;
          if (step.do !== "send") continue;
          expect([one.isReadable, one.isKnown, one.isTombstone, one.isSettled]).toEqual([true, true, false, false]);
          expect(one.dueAt).toBeLessThanOrEqual(NOW);
          expect(one.expiresAt === 0 || one.expiresAt > NOW).toBe(true);
        }
      }),
    );
  });

  test("Q2 a plan does not depend on what lies behind the window", () => {
    fc.assert(
      fc.property(candidates, holding, fc.nat({ max: 25 }), (window, holds, cut) => {
        const whole = plan(window, holds);
        const part = plan(window.slice(0, cut), holds);
        expect(part.steps).toEqual(whole.steps.slice(0, Math.min(cut, whole.steps.length)));
      }),
    );
  });
});

describe("a group", () => {
  const g = { groupId: "g" };
  test.each([
    ["goes together", [candidate(1, "a", g), candidate(2, "b", g), candidate(3, "c")], {}, ["1 send", "2 send", "3 send"]],
    [
      "waits for what one of its members waits for",
      [candidate(5, "a", g), candidate(6, "b", g), candidate(7, "a"), candidate(8, "c")],
      { b: 2 },
      ["5 block 2", "6 block 2", "7 block 2", "8 send"],
    ],
    [
      "waits for a member that cannot go, wherever that stands in it",
      [candidate(1, "a", g), candidate(2, "b", { ...g, ...unknown }), candidate(3, "c", g), candidate(4, "a")],
      {},
      ["1 block 2", "2 park", "3 block 2", "4 block 2"],
    ],
    [
      "waits for a member that stands elsewhere",
      [candidate(4, "a", { ...g, waitsFor: seq(6) }), candidate(5, "b", { ...g, waitsFor: seq(6) }), candidate(7, "c")],
      {},
      ["4 block 6", "5 block 6", "7 send"],
    ],
    ["expires whole", [candidate(1, "a", { ...g, expiresAt: 1 }), candidate(2, "b", g)], {}, ["1 expire", "2 expire"]],
    [
      "fails whole with a member whose parent is gone",
      [candidate(1, "a", g), candidate(2, "b", { ...g, parents: "dead" })],
      {},
      ["1 orphan", "2 orphan"],
    ],
    ["that is late stops what is behind it", [candidate(1, "a", g), candidate(2, "b", { ...g, dueAt: 2000 }), candidate(3, "c")], {}, []],
  ] as const)("X10 %s", (_title, window, holds, expected) => {
    expect(words(plan(window, holds), window)).toEqual(expected);
  });

  test("X10 is never split, in any window", () => {
    fc.assert(
      fc.property(grouped, holding, (window, holds) => {
        const { steps } = plan(window, holds);
        const looked = window.slice(0, steps.length);
        // The plan ends between groups, as far as they still wait.
        const next = window[steps.length];
        const last = looked.findLast(isLive);
        if (next?.groupId !== undefined) expect(last?.groupId).not.toBe(next.groupId);
        for (const id of new Set(looked.flatMap(({ groupId }) => groupId ?? []))) {
          const kinds = steps
            .filter(({ index }) => window[index]?.groupId === id && isLive(window[index] as Candidate))
            .map((step) => step.do);
          if (kinds.includes("send")) expect(new Set(kinds)).toEqual(new Set(["send"]));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what depends on another", () => {
  const after = (...seqs: readonly number[]): Partial<Candidate> => ({ dependsOn: seqs.map(seq) });
  test.each([
    ["goes behind it", [candidate(1, "a"), candidate(2, "b", after(1))], {}, ["1 send", "2 send"]],
    [
      "waits with it, through several levels, and so does what is behind it in its entity",
      [candidate(5, "a"), candidate(6, "b", after(5)), candidate(7, "c", after(6)), candidate(8, "c"), candidate(9, "d")],
      { a: 2 },
      ["5 block 2", "6 block 2", "7 block 2", "8 block 2", "9 send"],
    ],
    ["waits for one that stands elsewhere", [candidate(5, "b", { waitsFor: seq(3) }), candidate(6, "b")], {}, ["5 block 3", "6 block 3"]],
    ["is looked at again when this plan puts its parent aside", [candidate(1, "a", unknown), candidate(2, "b", after(1))], {}, ["1 park"]],
    ["fails with it", [candidate(1, "a", { parents: "dead" }), candidate(2, "a")], {}, ["1 orphan", "2 send"]],
    [
      "fails with it, and holds its entity when it was to make it",
      [candidate(1, "a", { parents: "dead", isCreate: true }), candidate(2, "a")],
      {},
      ["1 orphan", "2 block 1"],
    ],
    [
      "waits for a person when nobody knows its parent",
      [candidate(1, "a", { parents: "lost" }), candidate(2, "a")],
      {},
      ["1 lose", "2 block 1"],
    ],
  ] as const)("X9 %s", (_title, window, holds, expected) => {
    expect(words(plan(window, holds), window)).toEqual(expected);
  });

  test("X9 never goes before its parent, in any window, and never in its place", () => {
    fc.assert(
      fc.property(grouped, holding, (window, holds) => {
        const { steps } = plan(window, holds);
        const sent = new Set(steps.filter((step) => step.do === "send").map(({ index }) => window[index]?.seq));
        for (const { index, do: what } of steps) {
          if (what !== "send") continue;
          for (const parent of window[index]?.dependsOn ?? []) expect(sent).toContain(parent);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("Q2 nothing starves: a window of which nothing can be done at all is late", () => {
    fc.assert(
      fc.property(grouped, holding, (window, holds) => {
        const { steps, waitUntil } = plan(window, holds);
        if (steps.length === 0 && window.length > 0) expect(waitUntil).toBeGreaterThan(NOW);
      }),
    );
  });
});
