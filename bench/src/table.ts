import type { Row, Spread } from "./measure.ts";

/** What each contender reached, side by side; a cell that it cannot have says why in a footnote. */
export interface Figures {
  readonly columns: readonly { readonly what: string; readonly unit: string }[];
  readonly lines: readonly {
    readonly name: string;
    /** What the disk holds when its promise resolves. */
    readonly durability: string;
    readonly cells: readonly (Spread | { readonly footnote: string } | undefined)[];
  }[];
}

const figure = (value: number, unit: string): string => (unit === " ms" ? value.toFixed(3) : Math.round(value).toLocaleString("en"));
const span = ({ min, median, max }: Spread, unit: string): string =>
  `${figure(median, unit)} (${figure(min, unit)}–${figure(max, unit)})${unit}`;
const ratio = ({ min, median, max }: Spread): string => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;

function cells(row: Row): readonly string[] {
  return [
    row.what,
    span(row.ours, row.unit),
    span(row.limit, row.unit),
    ratio(row.ratio),
    row.goal === undefined ? "" : `≥ ${row.goal.toFixed(2)}`,
    row.met === undefined ? "" : row.met ? "yes" : "NO",
  ];
}
const HEAD = ["what", "ours", "limit", "ratio", "goal", "met"];

/** The table as texts, with its footnotes. */
function grid({ columns, lines }: Figures): { readonly lines: readonly (readonly string[])[]; readonly footnotes: readonly string[] } {
  const footnotes = [...new Set(lines.flatMap((line) => line.cells.map((cell) => (cell && "footnote" in cell ? cell.footnote : ""))))];
  const known = footnotes.filter((text) => text !== "");
  const text = (cell: Figures["lines"][number]["cells"][number], unit: string): string => {
    if (cell === undefined) return "";
    return "footnote" in cell ? `— [${known.indexOf(cell.footnote) + 1}]` : span(cell, unit);
  };
  return {
    lines: [
      ["contender", "durability", ...columns.map(({ what }) => what)],
      ...lines.map(({ name, durability, cells }) => [
        name,
        durability,
        ...cells.map((cell, column) => text(cell, columns[column]?.unit ?? "")),
      ]),
    ],
    footnotes: known.map((note, index) => `[${index + 1}] ${note}`),
  };
}

function printLines(lines: readonly (readonly string[])[]): void {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  for (const line of lines) console.log(line.map((cell, column) => cell.padEnd(widths[column] as number)).join("  "));
}

const markdown = ([head = [], ...lines]: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");

export function printTable(machine: string, rows: readonly Row[], figures: readonly Figures[] = []): void {
  console.log(`${machine}\nmedian (min–max) of interleaved rounds; ratio: ours to the limit, round by round\n`);
  for (const { lines, footnotes } of figures.map(grid)) {
    printLines(lines);
    console.log(`${footnotes.map((note) => `${note}\n`).join("")}`);
  }
  printLines([HEAD, ...rows.map(cells)]);
}

export function toMarkdown(machine: string, rows: readonly Row[], figures: readonly Figures[], command: string): string {
  const parts = figures.map(grid).map(({ lines, footnotes }) => [markdown(lines), ...footnotes].join("\n\n"));
  const tables = [...parts, markdown([HEAD, ...rows.map(cells)])].join("\n\n");
  return `# Benchmark results\n\n${new Date().toISOString().slice(0, 10)}, ${machine}.\nMedian (min–max) of interleaved rounds; a ratio is ours to the limit measured in the same run, round by round. \`${command}\` writes this file.\n\n${tables}\n`;
}
