import Table from "cli-table3";
import type { Terminal } from "./terminal.ts";
import { visible } from "./visible.ts";

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Shortened to what the terminal has left; one column of a table may be. */
  readonly isElastic?: boolean;
}

const BARE = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid"])
    .map((edge) => [edge, ""]),
);

/** Framed on a terminal; bare, aligned columns in a pipe, where an empty cell is `-` so that `awk` counts right. */
export function table(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => (cell === null || cell === "" ? "-" : visible(String(cell)))));
  const fitted = terminal.isTty ? fit(cells, columns, terminal.columns) : cells;
  const drawn = new Table({
    head: columns.map(({ title }) => terminal.paint("bold", title)),
    colAligns: columns.map(({ align }) => align ?? "left"),
    style: { head: [], border: [], compact: true, ...(terminal.isTty ? {} : { "padding-left": 0, "padding-right": 0 }) },
    ...(terminal.isTty ? (terminal.hasUnicode ? {} : { chars: ASCII }) : { chars: { ...BARE, middle: "  " } }),
  });
  drawn.push(...fitted.map((row) => [...row]));
  return drawn
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const ASCII = {
  top: "-",
  "top-mid": "+",
  "top-left": "+",
  "top-right": "+",
  bottom: "-",
  "bottom-mid": "+",
  "bottom-left": "+",
  "bottom-right": "+",
  left: "|",
  "left-mid": "+",
  mid: "-",
  "mid-mid": "+",
  right: "|",
  "right-mid": "+",
  middle: "|",
};

/** Frame and padding of each column. */
const EXTRA_PER_COLUMN = 3;
const LEAST_ELASTIC = 12;

function fit(cells: readonly (readonly string[])[], columns: readonly Column[], width: number): readonly (readonly string[])[] {
  const elastic = columns.findIndex((column) => column.isElastic === true);
  if (elastic < 0) return cells;
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...cells.map((row) => (row[index] ?? "").length)));
  const others = widths.reduce((sum, each, index) => sum + EXTRA_PER_COLUMN + (index === elastic ? 0 : each), 1);
  const left = Math.max(LEAST_ELASTIC, width - others);
  return cells.map((row) => row.map((cell, index) => (index === elastic ? shorten(cell, left) : cell)));
}

export function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
