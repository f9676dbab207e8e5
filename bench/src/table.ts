import type { Row, Spread } from "./measure.ts";

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

export function printTable(machine: string, rows: readonly Row[]): void {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  console.log(`${machine}\nmedian (min–max) of interleaved rounds; ratio: ours to the limit, round by round\n`);
  for (const line of lines) console.log(line.map((cell, column) => cell.padEnd(widths[column] as number)).join("  "));
}

export function toMarkdown(machine: string, rows: readonly Row[]): string {
  const table = [HEAD, HEAD.map(() => "---"), ...rows.map(cells)].map((line) => `| ${line.join(" | ")} |`).join("\n");
  return `# Benchmark results\n\n${new Date().toISOString().slice(0, 10)}, ${machine}.\nMedian (min–max) of interleaved rounds; a ratio is ours to the limit measured in the same run, round by round. \`npm run bench -- --save\` writes this file.\n\n${table}\n`;
}
