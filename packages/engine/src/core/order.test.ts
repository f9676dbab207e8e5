import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EntityTag, Seq } from "../ports/index.ts";
import { STATES } from "./lifecycle.ts";
import { holdsEntity } from "./holds-entity.ts";
import { type OrderedOperation, takeTurn, type Turn } from "./order.ts";

const tag = (name: string): EntityTag => name as EntityTag;
const seq = (value: number): Seq => value as Seq;
const op = (at: number, entity = "a", more: Partial<OrderedOperation> = {}): OrderedOperation => ({
  seq: seq(at),
  entityTag: tag(entity),
  state: "pending",
  dueAt: 0,
  ...more,
});
const turn = (window: OrderedOperation[], holds: Record<string, number> = {}, ordering: "global" | "entity" = "global", now = 1000): Turn =>
  takeTurn({ ordering, window, now, holds: new Map(Object.entries(holds).map(([name, by]) => [tag(name), seq(by)])) });

describe("global order", () => {
  test("Q2 what is due goes in the order of seq", () => {
    expect(turn([op(1), op(2, "b"), op(3)])).toEqual({ send: [1, 2, 3], block: [] });
    expect(turn([])).toEqual({ send: [], block: [] });
  });
  test("Q2 one that is not due stops all behind it, and nothing before it", () => {
    expect(turn([op(1), op(2, "b", { dueAt: 5000 }), op(3, "c")])).toEqual({ send: [1], block: [], waitUntil: 5000 });
    expect(turn([op(1, "a", { dueAt: 1000 })])).toEqual({ send: [1], block: [] });
  });
  test("Q2 a held entity is overtaken by all others", () => {
    expect(turn([op(2), op(3, "b"), op(4)], { a: 1 })).toEqual({
      send: [3],
      block: [
        { seq: 2, by: 1 },
        { seq: 4, by: 1 },
      ],
    });
  });
  test("Q2 a hold binds only what came after it", () => {
    expect(turn([op(2), op(9)], { a: 5 })).toEqual({ send: [2], block: [{ seq: 9, by: 5 }] });
  });
  test("Q2 one that is blocked already is neither sent nor blocked again, and holds back those behind it", () => {
    expect(turn([op(2, "a", { state: "blocked", blockedBy: seq(1) }), op(3, "b"), op(4)])).toEqual({
      send: [3],
      block: [{ seq: 4, by: 1 }],
    });
    expect(turn([op(2, "a", { state: "blocked" }), op(4)])).toEqual({ send: [], block: [{ seq: 4, by: 2 }] });
  });
  test("Q2 sealed ones go again in their place; those that have ended are passed over", () => {
    expect(turn([op(1, "a", { state: "sealed" }), op(2, "a", { state: "acked" }), op(3)])).toEqual({ send: [1, 3], block: [] });
    expect(turn([op(1, "a", { state: "sealed", dueAt: 2000 }), op(2, "b")])).toEqual({ send: [], block: [], waitUntil: 2000 });
  });
  test("Q2 dependents wait with the one that they need", () => {
    const window = [op(2), op(3, "b", { dependsOn: [seq(2)] }), op(4, "c", { dependsOn: [seq(3)] }), op(5, "d", { dependsOn: [seq(99)] })];
    expect(turn(window, { a: 1 })).toEqual({
      send: [5],
      block: [
        { seq: 2, by: 1 },
        { seq: 3, by: 1 },
        { seq: 4, by: 1 },
      ],
    });
  });
  test("Q2 a group goes together or not at all", () => {
    const group = [op(2, "a", { groupId: "g" }), op(3, "b", { groupId: "g" })];
    expect(turn([...group, op(4, "b"), op(5, "c")], { b: 1 })).toEqual({
      send: [5],
      block: [
        { seq: 2, by: 1 },
        { seq: 3, by: 1 },
        { seq: 4, by: 1 },
      ],
    });
    expect(turn([op(2, "a", { groupId: "g" }), op(3, "b", { groupId: "g", dueAt: 7000 })])).toEqual({
      send: [],
      block: [],
      waitUntil: 7000,
    });
    expect(turn([...group, op(4, "c", { groupId: "h" })])).toEqual({ send: [2, 3, 4], block: [] });
  });
});

describe("order by entity", () => {
  test("Q2 one that is not due stops its entity only; the next due time is told", () => {
    const window = [op(1, "a", { dueAt: 9000 }), op(2, "b"), op(3), op(4, "c", { dueAt: 5000 })];
    expect(turn(window, {}, "entity")).toEqual({ send: [2], block: [], waitUntil: 5000 });
  });
  test("Q2 what depends on something late is late, not blocked, and so is its entity", () => {
    const window = [op(1, "a", { dueAt: 9000 }), op(2, "b", { dependsOn: [seq(1)] }), op(3, "b"), op(4, "c")];
    expect(turn(window, {}, "entity")).toEqual({ send: [4], block: [], waitUntil: 9000 });
  });
});

const operations = fc
  .array(
    fc.record({
      entityTag: fc.constantFrom("a", "b", "c").map(tag),
      state: fc.constantFrom("pending" as const, "pending" as const, "blocked" as const, "sealed" as const, "acked" as const),
      dueAt: fc.constantFrom(0, 0, 0, 5000),
      groupId: fc.constantFrom(undefined, undefined, undefined, "g"),
    }),
    { maxLength: 20 },
  )
  .map((all) =>
    all.map(({ groupId, ...one }, i) => ({
      ...one,
      seq: seq(i + 10),
      ...(one.state === "blocked" ? { blockedBy: seq(2) } : {}),
      ...(groupId === undefined ? {} : { groupId }),
    })),
  );

test("Q2 order holds for any window: per entity nothing is overtaken, globally nothing overtakes what is late", () => {
  fc.assert(
    fc.property(
      operations,
      fc.constantFrom("global" as const, "entity" as const),
      fc.subarray(["a", "b", "c"]),
      (window, ordering, held) => {
        const holds = new Map(held.map((name) => [tag(name), seq(1)]));
        const { send, block } = takeTurn({ ordering, window, holds, now: 1000 });
        const sent = new Set(send);
        expect(send.toSorted((x, y) => x - y)).toEqual(send);
        for (const one of window) {
          if (sent.has(one.seq)) {
            expect(one.state === "pending" || one.state === "sealed").toBe(true);
            expect(held).not.toContain(one.entityTag);
            expect(one.dueAt).toBeLessThanOrEqual(1000);
            const before = window.filter((other) => other.seq < one.seq && other.state !== "acked");
            if (ordering === "global") {
              const late = before.find(
                (other) =>
                  other.dueAt > 1000 && !held.includes(other.entityTag) && other.state === "pending" && other.groupId === undefined,
              );
              if (late !== undefined) expect(block.map((b) => b.seq)).toContain(late.seq);
            }
            for (const other of before.filter((earlier) => earlier.entityTag === one.entityTag)) expect(sent).toContain(other.seq);
          }
        }
        for (const { seq: blocked, by } of block) {
          expect(sent).not.toContain(blocked);
          expect(by).toBeLessThanOrEqual(blocked);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("Q2 what holds back its entity: a rejected CREATE, a conflict, the parked and the unreadable; a rejected UPDATE or DELETE does not", () => {
  const holding = (type: string): string[] => STATES.filter((state) => holdsEntity(state, type));
  expect(holding("CREATE")).toEqual(["failed", "parked", "conflict", "quarantined"]);
  for (const type of ["UPDATE", "DELETE", "device.rename"]) expect(holding(type)).toEqual(["parked", "conflict", "quarantined"]);
});
