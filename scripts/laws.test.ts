import { describe, expect, test } from "vitest";
import { checkLaws, citedIn, parseLaws } from "./laws.ts";

const LAWS = `# Laws

## Queue

### Q1 — nothing acknowledged is lost

Text that mentions Q9.

### Q2 — first in, first out (gap: lanes come later)

## Locks

### L1: one processor at a time

(gap: needs two machines)
`;

describe("the laws", () => {
  test("are read from the headings, with the reason of a gap", () => {
    expect(parseLaws(LAWS)).toEqual([
      { id: "Q1", title: "nothing acknowledged is lost" },
      { id: "Q2", title: "first in, first out", gap: "lanes come later" },
      { id: "L1", title: "one processor at a time", gap: "needs two machines" },
    ]);
  });

  test("may not share an id", () => {
    expect(() => parseLaws("### Q1 — a\n### Q1 — b\n")).toThrow("two laws Q1");
  });

  test.each([
    ["Q1 nothing is lost", ["Q1"]],
    ["Q1, L2: both", ["Q1", "L2"]],
    ["Q1 L2 both", ["Q1", "L2"]],
    ["Q1", ["Q1"]],
    ["a title that mentions Q1", []],
    ["Q1x.ts is read", []],
    ["UUIDs", []],
  ])("are cited at the beginning of a title: %s", (title, ids) => {
    expect(citedIn(title)).toEqual(ids);
  });

  test("a citation of a law that does not exist is caught; another capital with a number is none", () => {
    const { unknown } = checkLaws(parseLaws(LAWS), [["queue", "Q7 is new"], ["V8 collects garbage"]]);
    expect(unknown).toEqual([{ id: "Q7", title: "Q7 is new" }]);
  });

  test("laws without a test are listed, and gaps that a test has closed", () => {
    const report = checkLaws(parseLaws(LAWS), [["L1 lock", "is taken"]]);
    expect(report.untested.map((law) => law.id)).toEqual(["Q1", "Q2"]);
    expect(report.closedGaps.map((law) => law.id)).toEqual(["L1"]);
  });
});
