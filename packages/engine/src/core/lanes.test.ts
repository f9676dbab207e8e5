import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EntityTag, Seq } from "../ports/index.ts";
import { type InLanes, lanesAheadOf, lanesOf, MAX_OVERTAKING, nextInLanes, type NextInput, type Waiting } from "./lanes.ts";

const NOW = 1000;
const one = (seq: number, entity: string, more: Partial<Waiting> = {}): Waiting => ({
  seq: seq as Seq,
  id: `o${seq}`,
  entityTag: entity as EntityTag,
  lane: undefined,
  priority: 0,
  dueAt: 0,
  ...more,
});
const next = (
  waiting: readonly Waiting[],
  more: Partial<NextInput> = {},
): { readonly seqs: readonly number[]; readonly until?: number } => {
  const { picked, waitUntil } = nextInLanes({ waiting, busy: [], now: NOW, longestMs: 500, limit: 100, ...more });
  return { seqs: picked.map(({ seq }) => seq), ...(waitUntil === undefined ? {} : { until: waitUntil }) };
};

describe("lanes", () => {
  test("Q2 all that wait may go, each lane in its order", () => {
    expect(next([one(1, "a"), one(2, "b"), one(3, "a")])).toEqual({ seqs: [1, 2, 3] });
    expect(next([one(1, "a"), one(2, "b"), one(3, "a")], { limit: 2 })).toEqual({ seqs: [1, 2] });
  });
  test("Q2 a busy lane is left out, and nothing else", () => {
    expect(next([one(2, "a"), one(3, "b"), one(4, "a")], { busy: [one(1, "a")] })).toEqual({ seqs: [3] });
  });
  test("Q2 one that is late closes its lane, and says until when", () => {
    expect(next([one(1, "a", { dueAt: NOW + 9 }), one(2, "b"), one(3, "a"), one(4, "c", { dueAt: NOW })])).toEqual({
      seqs: [2, 4],
      until: NOW + 9,
    });
    expect(next([one(1, "a", { dueAt: NOW + 9 }), one(2, "a", { dueAt: NOW + 3 })])).toEqual({ seqs: [], until: NOW + 9 });
  });
  test("R1 a time that was written before the clock was set back has come", () => {
    expect(next([one(1, "a", { dueAt: NOW + 500 })])).toEqual({ seqs: [], until: NOW + 500 });
    expect(next([one(1, "a", { dueAt: NOW + 501 })])).toEqual({ seqs: [1] });
  });
  test("Q2 an explicit lane orders across entities", () => {
    const waiting = [one(2, "a", { lane: "x" }), one(3, "b", { lane: "x" }), one(4, "b"), one(5, "c", { lane: "y" })];
    expect(next(waiting)).toEqual({ seqs: [2, 3, 4, 5] });
    expect(next(waiting, { busy: [one(1, "a")] })).toEqual({ seqs: [5] });
    expect(next(waiting, { busy: [one(1, "z", { lane: "x" })] })).toEqual({ seqs: [5] });
  });
  test("Q2 a lane that is called like an entity is another one", () => {
    expect(next([one(2, "b", { lane: "a" })], { busy: [one(1, "a")] })).toEqual({ seqs: [2] });
  });
  test("Q2 priority decides between lanes, never in one", () => {
    expect(next([one(1, "a"), one(2, "b", { priority: 5 }), one(3, "c", { priority: -1 })])).toEqual({ seqs: [2, 1, 3] });
    expect(next([one(1, "a"), one(2, "b"), one(3, "b", { priority: 5 })])).toEqual({ seqs: [2, 3, 1] });
  });
  test("Q2 nobody is overtaken for ever", () => {
    const late = MAX_OVERTAKING + 2;
    expect(next([one(1, "a"), one(2, "b", { priority: 5 }), one(late, "c", { priority: 5 })])).toEqual({ seqs: [1, 2, late] });
  });

  test("Q2 what does not fit into one request is shared out, so that a lane with much does not keep the others waiting", () => {
    const waiting = [one(1, "a"), one(2, "b"), one(3, "c"), one(4, "a"), one(5, "b"), one(6, "a"), one(7, "a")];
    expect(next(waiting, { limit: 3, requests: 3 })).toEqual({ seqs: [1, 4, 6] });
    expect(next(waiting, { limit: 3, requests: 2 })).toEqual({ seqs: [1, 2, 4] });
    expect(next(waiting, { limit: 7, requests: 3 })).toEqual({ seqs: [1, 2, 3, 4, 5, 6, 7] });
  });

  test("X9 a child does not go beside its parent, goes behind it in the same request, and does not keep its siblings waiting", () => {
    const [parent, child, sibling] = [one(1, "a"), one(2, "b", { dependsOn: ["o1"] }), one(4, "c", { dependsOn: ["o1"] })];
    expect(next([child, one(3, "d"), sibling], { busy: [parent] })).toEqual({ seqs: [3] });
    expect(next([parent, child, sibling])).toEqual({ seqs: [1, 2, 4] });
    expect(next([parent, child, one(3, "b"), sibling], { limit: 2, requests: 2 })).toEqual({ seqs: [1, 2] });
    expect(next([sibling], { busy: [child] })).toEqual({ seqs: [4] });
    const late = next([one(1, "a", { dueAt: NOW + 9 }), child, one(3, "b"), one(5, "e", { dependsOn: ["o3"] }), one(6, "f")]);
    expect(late).toEqual({ seqs: [6], until: NOW + 9 });
  });
  test("X9 an urgent child pulls its parent along", () => {
    const waiting = [one(1, "a"), one(2, "p"), one(3, "b"), one(4, "c", { dependsOn: ["o2"], priority: 5 })];
    expect(next(waiting)).toEqual({ seqs: [2, 4, 1, 3] });
  });

  test("X10 a group goes when all of its lanes are free and all of its members are due, as urgent as its most urgent one", () => {
    const group = [one(2, "a", { groupId: "g" }), one(3, "b", { groupId: "g" })];
    expect(next([...group, one(4, "a"), one(5, "c")], { busy: [one(1, "b")] })).toEqual({ seqs: [5] });
    const late = [group[0] as Waiting, one(3, "b", { groupId: "g", dueAt: NOW + 9 })];
    expect(next([...late, one(4, "a"), one(5, "b"), one(6, "c")])).toEqual({ seqs: [6], until: NOW + 9 });
    const urgent = [one(2, "a", { groupId: "g" }), one(3, "b", { groupId: "g", priority: 3 })];
    expect(next([one(1, "c"), ...urgent])).toEqual({ seqs: [2, 3, 1] });
  });
  test("X10 no bound splits a group: the first one goes over it, another one waits", () => {
    const group = [2, 3, 4].map((seq) => one(seq, `e${seq}`, { groupId: "g" }));
    expect(next([one(1, "a"), ...group, one(5, "b")], { limit: 3 })).toEqual({ seqs: [1] });
    expect(next([...group, one(5, "b")], { limit: 2 })).toEqual({ seqs: [2, 3, 4] });
    expect(next([one(1, "a"), ...group, one(5, "b")], { limit: 4, requests: 4 })).toEqual({ seqs: [1, 5] });
  });

  const arbitrary = fc.record({
    waiting: fc
      .array(
        fc.record({
          entityTag: fc.constantFrom("a", "b", "c", "d") as fc.Arbitrary<EntityTag>,
          lane: fc.constantFrom(undefined, undefined, "x", "y"),
          priority: fc.constantFrom(0, 0, 1, 7, -3),
          dueAt: fc.constantFrom(0, 0, 0, NOW, NOW + 5, NOW + 50),
          gap: fc.constantFrom(1, 1, 1, 700),
          isGrouped: fc.boolean(),
          parent: fc.option(fc.nat({ max: 30 }), { freq: 3, nil: undefined }),
        }),
        { maxLength: 30 },
      )
      .map((list) => {
        let at = 0;
        let group = 0;
        return list.map(({ gap, isGrouped, parent, ...rest }, index) => {
          at += gap;
          // One that stands behind another one of its group, or begins one.
          if (!isGrouped || gap > 1 || index % 4 === 0) group = at;
          const dependsOn = parent === undefined ? undefined : [parent < index ? `o${parent}` : `x${parent % 3}`];
          return { ...rest, seq: at as Seq, id: `o${index}`, dependsOn, groupId: isGrouped ? `g${group}` : undefined };
        });
      }),
    busy: fc.array(
      fc.record({
        id: fc.constantFrom("x0", "x1"),
        entityTag: fc.constantFrom("a", "b", "z") as fc.Arbitrary<EntityTag>,
        lane: fc.constantFrom(undefined, "x"),
      }),
      { maxLength: 2 },
    ),
    limit: fc.integer({ min: 1, max: 10 }),
    requests: fc.integer({ min: 1, max: 4 }),
  });
  const isBehind = (later: InLanes, earlier: InLanes): boolean =>
    [...lanesOf(later), ...lanesAheadOf(later)].some((lane) => lanesOf(earlier).includes(lane));
  const unitOf = <W extends Waiting>(all: readonly W[], { seq, groupId }: Waiting): readonly W[] =>
    all.filter((other) => other.seq === seq || (groupId !== undefined && other.groupId === groupId));

  test("Q2 X9 X10 whatever waits: what is picked has nothing unpicked before it in any lane, is behind none that is busy, and is whole", () => {
    fc.assert(
      fc.property(arbitrary, ({ waiting, busy, limit, requests }) => {
        const { picked } = nextInLanes({ waiting, busy, now: NOW, longestMs: 500, limit, requests });
        expect(picked.length > 0 || nextInLanes({ waiting, busy, now: NOW, longestMs: 500, limit }).picked.length === 0).toBe(true);
        expect(picked.length <= limit || unitOf(picked, picked[0] as Waiting).length === picked.length).toBe(true);
        picked.forEach((chosen, at) => {
          expect(chosen.dueAt).toBeLessThanOrEqual(NOW);
          expect(busy.some((held) => isBehind(chosen, held))).toBe(false);
          const before = waiting.filter((other) => other.seq < chosen.seq && isBehind(chosen, other));
          expect(before.every((other) => picked.indexOf(other) >= 0 && picked.indexOf(other) < at)).toBe(true);
          const unit = unitOf(waiting, chosen);
          const first = picked.findIndex(({ seq }) => seq === unit[0]?.seq);
          expect(picked.slice(first, first + unit.length)).toEqual(unit);
        });
      }),
    );
  });
  test("Q2 whatever waits: nothing is left out that could go", () => {
    fc.assert(
      fc.property(arbitrary, ({ waiting, busy }) => {
        const { picked } = nextInLanes({ waiting, busy, now: NOW, longestMs: 500, limit: waiting.length });
        for (const other of waiting) {
          const unit = unitOf(waiting, other);
          const isFree = unit.every((one) => !busy.some((held) => isBehind(one, held)) && one.dueAt <= NOW);
          const first = unit[0] as Waiting;
          const waits = unit.some((one) =>
            waiting.some((before) => before.seq < first.seq && isBehind(one, before) && !picked.includes(before)),
          );
          expect(picked.includes(other)).toBe(isFree && !waits);
        }
      }),
    );
  });

  test("Q2 X9 whatever takes off and lands when: no lane is in two requests, each lane keeps its order, and everything gets its turn", () => {
    const draws = fc.array(fc.nat(), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(arbitrary, draws, ({ waiting: all, limit, requests }, luck) => {
        const air: (readonly Waiting[])[] = [];
        const done: Waiting[] = [];
        let waiting = all.map((one) => ({ ...one, dueAt: 0 }));
        for (let step = 0; waiting.length + air.length > 0; step++) {
          const lands = air.length === requests || (air.length > 0 && (luck[step % luck.length] as number) % 3 === 0);
          const { picked } = lands
            ? { picked: [] }
            : nextInLanes({ waiting, busy: air.flat(), now: NOW, longestMs: 500, limit, requests: requests - air.length });
          if (picked.length > 0) {
            expect(air.flat().some((flying) => picked.some((one) => isBehind(one, flying) || isBehind(flying, one)))).toBe(false);
            air.push(picked);
            waiting = waiting.filter((one) => !picked.includes(one));
          } else if (air.length > 0)
            done.push(...(air.splice((luck[step % luck.length] as number) % air.length, 1)[0] as readonly Waiting[]));
          else throw new Error("nothing takes off, and nothing is in the air");
        }
        expect(done).toHaveLength(all.length);
        for (const [at, one] of done.entries())
          expect(done.slice(at + 1).some((other) => other.seq < one.seq && isBehind(one, other))).toBe(false);
      }),
    );
  });

  test("Q2 however urgent what comes in is, no more than so many overtake", () => {
    let waiting = [one(1, "slow")];
    let seq = 1;
    let overtaken = 0;
    while (waiting.some(({ entityTag }) => entityTag === "slow")) {
      while (waiting.length < 3) waiting.push(one(++seq, `urgent ${seq}`, { priority: 9 }));
      const { picked } = nextInLanes({ waiting, busy: [], now: NOW, longestMs: 500, limit: 1 });
      waiting = waiting.filter((other) => !picked.includes(other));
      overtaken += 1;
    }
    expect(overtaken).toBeGreaterThan(MAX_OVERTAKING - 10);
    expect(overtaken).toBeLessThanOrEqual(MAX_OVERTAKING + 1);
  });
});
