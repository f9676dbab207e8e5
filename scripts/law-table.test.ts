import { expect, test } from "vitest";
import { staleRows, withTable } from "./law-table.ts";
import { parseLaws } from "./laws.ts";

const MARKDOWN =
  "# Laws\n\n### Q1 — Nothing is lost\n\n### Q2 — In order (gap: later)\n\n## Tests\n\n<!-- written by `npm run laws` after `npm test` -->\n<!-- end -->\n\nThe end.\n";
const laws = parseLaws(MARKDOWN);
const tests = [
  { file: "a/one.test.ts", titles: ["Q1 Q2 both", "Q1 once more"] },
  { file: "a/two.test.ts", titles: ["Q1 again"] },
  { file: "a/two.test.ts", titles: ["Q1 and again"] },
];

test("the table names the files that guard a law, most tests first, and nothing else of the page changes", () => {
  const written = withTable(MARKDOWN, laws, tests);
  expect(written).toContain("| Q1 | Nothing is lost | 3 | [two.test.ts](../a/two.test.ts), [one.test.ts](../a/one.test.ts) |");
  expect(written).toContain("| Q2 | In order | 1 | [one.test.ts](../a/one.test.ts) gap: later |");
  expect(written).toMatch(/^# Laws\n(.|\n)*The end\.\n$/);
  expect(withTable(written, laws, tests)).toBe(written);
  expect(staleRows(written, laws, tests)).toEqual([]);
});

test("a table is stale when it leaves a law out, or names a file that no longer cites it; counts may be old", () => {
  const written = withTable(MARKDOWN, laws, tests);
  expect(staleRows(MARKDOWN, laws, tests)).toEqual(["Q1 is not in the table", "Q2 is not in the table"]);
  expect(staleRows(written, laws, tests.slice(0, 2))).toEqual([]);
  expect(staleRows(written, laws, tests.slice(1))).toEqual(["a/one.test.ts does not cite Q1", "a/one.test.ts does not cite Q2"]);
});

test("a page without a place for it is named", () => {
  expect(() => withTable("# Laws\n", laws, tests)).toThrow("docs/laws.md needs the lines");
});
