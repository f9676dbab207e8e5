import { describe, expect, test } from "vitest";
import { ASCII, bar, boxes, columns, UNICODE } from "./drawing.ts";

describe("a bar", () => {
  test("shows the share, within its width", () => {
    expect(bar(ASCII, 0, 12, 6)).toBe("......");
    expect(bar(ASCII, 6, 12, 6)).toBe("###...");
    expect(bar(ASCII, 12, 12, 6)).toBe("######");
    expect(bar(ASCII, 99, 12, 6)).toBe("######");
    expect(bar(ASCII, -1, 12, 6)).toBe("......");
    expect(bar(ASCII, 1, 0, 6)).toBe("......");
    expect(bar(UNICODE, 1, 2, 4)).toBe("██░░");
  });
  test("never looks empty while something is in it", () => expect(bar(ASCII, 1, 1000, 6)).toBe("#....."));
});

test("boxes stand side by side, joined, and a cut line shows", () => {
  expect(boxes(ASCII, [["A", "pid 1"], ["server"], ["B"]], [false, true])).toEqual([
    "+-------+       +--------+       +---+",
    "| A     +-------+ server +-- x --+ B |",
    "| pid 1 |       |        |       |   |",
    "+-------+       +--------+       +---+",
  ]);
  for (const line of boxes(UNICODE, [
    ["device A", "pid 4194304", "own queue file"],
    ["server", "port 65535"],
    ["device B", "pid 4194304", "own queue file"],
  ]))
    expect(line.length).toBeLessThanOrEqual(75);
});

test("columns line up", () => {
  const lines = columns(
    [
      { label: "x", values: ["device A", 5] },
      { label: "longer", values: [1, 20] },
    ],
    10,
    10,
  );
  expect(lines).toEqual(["x           device A         5", "longer             1        20"]);
});
