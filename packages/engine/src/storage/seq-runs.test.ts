import { expect, test } from "vitest";
import type { Seq } from "../ports/index.ts";
import { seqRuns } from "./seq-runs.ts";

const runs = (seqs: readonly number[], gap?: number): readonly (readonly [number, number])[] =>
  seqRuns(seqs as Seq[], gap).map(({ from, to }) => [from, to]);

test("Q2 seqs that follow each other are one run, and no other seq is in it", () => {
  expect(runs([])).toEqual([]);
  expect(runs([7])).toEqual([[7, 7]]);
  expect(runs([4, 3, 9, 5, 5, 11])).toEqual([
    [3, 5],
    [9, 9],
    [11, 11],
  ]);
});
test("Q2 a run may bridge as many others as it is told, and not one more", () => {
  expect(runs([1, 4, 8], 2)).toEqual([
    [1, 4],
    [8, 8],
  ]);
  expect(runs([1, 4, 8], 3)).toEqual([[1, 8]]);
});
