import { describe, expect, test } from "vitest";
import { type FeedChange, judgeFeed } from "./oracle.ts";

const change = (seq: number, id: string, entity: string, version: number): FeedChange => ({
  seq,
  op: "put",
  entity_type: "device",
  entity_id: entity,
  version,
  data: { n: version },
  origin: { client_id: "c", operation_id: id },
});
const acknowledged = [
  { id: "a", seq: 1 },
  { id: "b", seq: 2 },
  { id: "c", seq: 3 },
];
const honest = [change(1, "a", "d1", 1), change(2, "b", "d1", 2), change(3, "c", "d2", 1)];

/** The judge is calibrated: each of these runs is wrong, and it says so. */
describe("the judge of a run", () => {
  test("finds nothing in an honest one, with an operation that was stored but never said so", () => {
    const { figures, faults } = judgeFeed(acknowledged, [...honest, change(4, "unsaid", "d3", 1)]);
    expect(faults).toEqual([]);
    expect(figures).toEqual({
      acknowledged: 3,
      effects: 4,
      unacknowledged: 1,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      wrong_versions: 0,
    });
  });

  test("Q1 finds an acknowledged operation that is missing", () => {
    const { figures, faults } = judgeFeed(acknowledged, honest.slice(0, 2));
    expect(figures.lost).toBe(1);
    expect(faults).toEqual(["1 acknowledged operations lost: c (seq 3)"]);
  });

  test("X1 finds one that was applied twice, also one that nobody acknowledged", () => {
    expect(judgeFeed(acknowledged, [...honest, change(4, "b", "d9", 1)]).figures.duplicated).toBe(1);
    expect(judgeFeed([], [change(1, "x", "d1", 1), change(2, "x", "d2", 1)]).figures.duplicated).toBe(1);
  });

  test("Q2 finds effects that overtook others", () => {
    const { figures, faults } = judgeFeed(acknowledged, [change(1, "a", "d1", 1), change(2, "c", "d2", 1), change(3, "b", "d1", 2)]);
    expect(figures.reordered).toBe(1);
    expect(faults).toEqual(["1 effects out of the order of seq: seq 2 after seq 3 at change 3"]);
  });

  test("X1 finds an effect that happened under another operation's name: the version is too high", () => {
    const twice = { ...change(2, "b", "d1", 3), data: { n: 2 } };
    expect(judgeFeed(acknowledged, [change(1, "a", "d1", 1), twice, change(3, "c", "d2", 1)]).figures.wrong_versions).toBe(1);
  });
});
