import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BatchCandidate, fullBatch, growBatch, halveBatch, shrinkBatch, takeBatch } from "./batch.ts";
import { tightest } from "./batch-limits.ts";

const limits = { maxOperations: 50, maxBytes: 1_048_576 };
const some = (count: number, more: Partial<BatchCandidate> = {}): BatchCandidate[] =>
  Array.from({ length: count }, () => ({ sizeBytes: 300, face: "sync" as const, ...more }));

describe("batch", () => {
  test("X7 takes up to the limit", () => {
    expect(takeBatch(some(80), fullBatch(limits), limits)).toEqual({ kind: "take", count: 50 });
    expect(takeBatch(some(3), fullBatch(limits), limits)).toEqual({ kind: "take", count: 3 });
    expect(takeBatch([], fullBatch(limits), limits)).toEqual({ kind: "take", count: 0 });
  });
  test("X7 halves with each failed request, down to one, and doubles with each success", () => {
    let state = fullBatch(limits);
    const seen: number[] = [];
    for (let i = 0; i < 7; i++) {
      state = halveBatch(state, state.operations);
      seen.push(state.operations);
    }
    expect(seen).toEqual([25, 12, 6, 3, 1, 1, 1]);
    seen.length = 0;
    for (let i = 0; i < 7; i++) {
      state = growBatch(state, limits);
      seen.push(state.operations);
    }
    expect(seen).toEqual([2, 4, 8, 16, 32, 50, 50]);
  });
  test("X7 halves what was sent, not what might have been", () => {
    expect(halveBatch(fullBatch(limits), 8).operations).toBe(4);
    expect(halveBatch({ ...fullBatch(limits), operations: 2 }, 50).operations).toBe(1);
  });
  test("X7 remembers the size that was too large, so that the next full request is not refused again", () => {
    let state = shrinkBatch(fullBatch(limits), 50, 600_000);
    expect(state).toEqual({ operations: 25, maxBytes: 300_000 });
    for (let i = 0; i < 7; i++) state = growBatch(state, limits);
    expect(state).toEqual({ operations: 50, maxBytes: 300_000 });
    expect(shrinkBatch(state, 50, 2).maxBytes).toBeGreaterThan(0);
  });
  test("X7 bytes bound it too, but one always goes", () => {
    expect(takeBatch(some(80, { sizeBytes: 400_000 }), fullBatch(limits), limits)).toEqual({ kind: "take", count: 2 });
    expect(takeBatch(some(80, { sizeBytes: 2_000_000 }), fullBatch(limits), limits)).toEqual({ kind: "take", count: 1 });
  });
  test("A2 a REST request goes alone, in its turn", () => {
    const rest = some(1, { face: "rest" });
    expect(takeBatch([...rest, ...some(5)], fullBatch(limits), limits)).toEqual({ kind: "take", count: 1 });
    expect(takeBatch([...some(5), ...rest, ...some(5)], fullBatch(limits), limits)).toEqual({ kind: "take", count: 5 });
  });
  test("X7 a group is never split: it waits for the next request, or goes over the halved size", () => {
    const group = some(10, { groupId: "g" });
    expect(takeBatch([...some(45), ...group], fullBatch(limits), limits)).toEqual({ kind: "take", count: 45 });
    expect(takeBatch([...some(40), ...group], fullBatch(limits), limits)).toEqual({ kind: "take", count: 50 });
    expect(takeBatch([...group, ...some(5)], { operations: 1 }, limits)).toEqual({ kind: "take", count: 10 });
    expect(takeBatch([...group, ...some(5)], { operations: 50, maxBytes: 2000 }, limits)).toEqual({ kind: "take", count: 10 });
  });
  test("X7 a group larger than one request is an error", () => {
    expect(takeBatch(some(51, { groupId: "g" }), fullBatch(limits), limits)).toEqual({ kind: "group_too_large", count: 51 });
    expect(takeBatch(some(3, { groupId: "g", sizeBytes: 500_000 }), fullBatch(limits), limits)).toEqual({
      kind: "group_too_large",
      count: 3,
    });
  });
  test("X7 the tightest limits hold", () => {
    expect(tightest(limits, { maxOperations: 100, maxBytes: 1000 })).toEqual({ maxOperations: 50, maxBytes: 1000 });
  });
  test("X7 every batch takes something, keeps groups whole, and keeps the bounds unless it takes one unit", () => {
    const candidate = fc.record({
      sizeBytes: fc.integer({ min: 2, max: 300_000 }),
      face: fc.constantFrom("sync" as const, "sync" as const, "rest" as const),
      groupId: fc.constantFrom(undefined, undefined, "g", "h"),
    });
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 50 }), (all, operations) => {
        const { count } = takeBatch(all, { operations }, limits);
        expect(count).toBeGreaterThan(0);
        const last = all[count - 1];
        const next = all[count];
        if (next?.groupId !== undefined) expect(last?.groupId === next.groupId).toBe(false);
        const units = new Set(all.slice(0, count).map((one, i) => one.groupId ?? i)).size;
        if (units > 1) expect(all.slice(0, count).reduce((sum, one) => sum + one.sizeBytes, 0)).toBeLessThan(limits.maxBytes);
      }),
    );
  });
});
