// The table in docs/laws.md that says which tests guard which law.
import { citedIn, type Law } from "./laws.ts";
import type { RanTest } from "./test-report.ts";

const BEGIN = "<!-- written by `npm run laws` after `npm test` -->";
const END = "<!-- end -->";
/** Of each law, the files that cite it most. */
const FILES = 5;

/** The markdown with its table written anew. @throws Error when it has no place for one. */
export function withTable(markdown: string, laws: readonly Law[], tests: readonly RanTest[]): string {
  const { before, after } = partsOf(markdown);
  const guards = guardsOf(tests);
  const rows = laws.map(({ id, title, gap }) => {
    const files = [...(guards.get(id) ?? [])].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
    const count = files.reduce((sum, [, citations]) => sum + citations, 0);
    const named = files.slice(0, FILES).map(([file]) => `[${file.split("/").at(-1)}](../${file})`);
    const more = files.length > FILES ? ` and ${files.length - FILES} more` : "";
    return `| ${id} | ${title} | ${count} | ${named.join(", ")}${more}${gap === undefined ? "" : ` gap: ${gap}`} |`;
  });
  return `${before}${BEGIN}\n\n| | law | tests | most of them in |\n|---|---|---:|---|\n${rows.join("\n")}\n\n${END}${after}`;
}

/** What of the table is not so: laws that it leaves out, and files that do not cite the law beside them. Counts may be old. */
export function staleRows(markdown: string, laws: readonly Law[], tests: readonly RanTest[]): readonly string[] {
  const guards = guardsOf(tests);
  const rows = new Map(
    partsOf(markdown)
      .table.split("\n")
      .flatMap((line) => {
        const id = /^\| ([A-Z]{1,3}\d+[a-z]?) \|/.exec(line)?.[1];
        return id === undefined ? [] : [[id, line] as const];
      }),
  );
  return laws.flatMap(({ id }) => {
    const row = rows.get(id);
    if (row === undefined) return [`${id} is not in the table`];
    const files = [...row.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map((match) => match[1] as string);
    return files.filter((file) => guards.get(id)?.has(file) !== true).map((file) => `${file} does not cite ${id}`);
  });
}

function guardsOf(tests: readonly RanTest[]): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const guards = new Map<string, Map<string, number>>();
  for (const { file, titles } of tests) {
    for (const id of new Set(titles.flatMap(citedIn))) {
      const files = guards.get(id) ?? new Map<string, number>();
      guards.set(id, files.set(file, (files.get(file) ?? 0) + 1));
    }
  }
  return guards;
}

function partsOf(markdown: string): { readonly before: string; readonly table: string; readonly after: string } {
  const begin = markdown.indexOf(BEGIN);
  const end = markdown.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`docs/laws.md needs the lines ${BEGIN} and ${END}`);
  return { before: markdown.slice(0, begin), table: markdown.slice(begin, end), after: markdown.slice(end + END.length) };
}
