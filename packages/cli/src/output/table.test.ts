import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { shorten, table } from "./table.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

const terminal = (isTTY: boolean, env: Record<string, string> = { LANG: "C.UTF-8" }): Terminal => {
  const stream = (): PassThrough & { isTTY: boolean; columns: number } => Object.assign(new PassThrough(), { isTTY, columns: 60 });
  return terminalOf({ out: stream(), err: stream(), in: stream(), env: { ...env, NO_COLOR: "1" } });
};
const columns = [{ title: "ID" }, { title: "N", align: "right" as const }, { title: "ERROR", isElastic: true }];
const rows = [
  ["a1", 5, "short"],
  ["b\n2", null, `${"long ".repeat(20)}end`],
];

describe("a table", () => {
  test("in a pipe is bare aligned text, whole, an empty cell is a dash", () => {
    expect(table(terminal(false), columns, rows)).toBe(
      ["ID    N  ERROR", "a1    5  short", `b\\n2  -  ${"long ".repeat(20)}end`].join("\n"),
    );
  });

  test("on a terminal is framed and fits its width", () => {
    const lines = table(terminal(true), columns, rows).split("\n");
    expect(lines[0]).toMatch(/^┌─+┬─+┬─+┐$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.at(-2)).toContain("…");
  });

  test("on a terminal without box characters is framed in ASCII", () => {
    expect(table(terminal(true, { LANG: "C" }), columns, rows)).toMatch(/^[\x20-\x7e\n…]+$/);
  });

  test("without rows still has its head", () => expect(table(terminal(false), columns, [])).toBe("ID  N  ERROR"));
});

test("shortening never makes a text longer", () => {
  expect([shorten("abcdef", 6), shorten("abcdef", 4), shorten("abcdef", 0)]).toEqual(["abcdef", "abc…", "…"]);
});
