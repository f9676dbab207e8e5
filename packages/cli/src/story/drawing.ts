/** What the story draws, as plain text: 78 columns at most, with block and box characters or without. */
export interface Glyphs {
  readonly full: string;
  readonly empty: string;
  readonly horizontal: string;
  readonly vertical: string;
  /** Corners: top left, top right, bottom left, bottom right. */
  readonly corners: readonly [string, string, string, string];
  readonly joinLeft: string;
  readonly joinRight: string;
  readonly cut: string;
  readonly arrow: string;
}

export const UNICODE: Glyphs = {
  full: "█",
  empty: "░",
  horizontal: "─",
  vertical: "│",
  corners: ["┌", "┐", "└", "┘"],
  joinLeft: "├",
  joinRight: "┤",
  cut: "╳",
  arrow: "→",
};
export const ASCII: Glyphs = {
  full: "#",
  empty: ".",
  horizontal: "-",
  vertical: "|",
  corners: ["+", "+", "+", "+"],
  joinLeft: "+",
  joinRight: "+",
  cut: "x",
  arrow: "->",
};

const BAR_WIDTH = 24;

/** How full a queue is. What is not empty never looks empty. */
export function bar(glyphs: Glyphs, value: number, max: number, width: number = BAR_WIDTH): string {
  const share = max <= 0 ? 0 : Math.min(1, Math.max(0, value) / max);
  const filled = share === 0 ? 0 : Math.max(1, Math.round(share * width));
  return glyphs.full.repeat(filled) + glyphs.empty.repeat(width - filled);
}

/** Boxes side by side, joined by lines; a line that `isCut` has a gap. All boxes have the same number of lines. */
export function boxes(glyphs: Glyphs, contents: readonly (readonly string[])[], isCut: readonly boolean[] = []): readonly string[] {
  const { horizontal, vertical, corners, joinLeft, joinRight, cut } = glyphs;
  const height = Math.max(...contents.map((lines) => lines.length));
  const widths = contents.map((lines) => Math.max(...lines.map((line) => line.length)));
  const gap = 7;
  const row = (draw: (index: number) => string, between: (index: number) => string): string =>
    contents.map((_, index) => (index === 0 ? draw(index) : between(index - 1) + draw(index))).join("");
  const space = (): string => " ".repeat(gap);
  const wire = (index: number): string => {
    const arm = horizontal.repeat(Math.floor((gap - 3) / 2));
    return isCut[index] === true ? `${arm} ${cut} ${arm}` : horizontal.repeat(gap);
  };
  const edge = (left: string, right: string): string =>
    row((index) => `${left}${horizontal.repeat((widths[index] as number) + 2)}${right}`, space);
  const lines = [edge(corners[0], corners[1])];
  for (let line = 0; line < height; line++) {
    const isWired = line === 0;
    const cell = (index: number): string => {
      const text = (contents[index]?.[line] ?? "").padEnd(widths[index] as number);
      const left = isWired && index > 0 ? joinRight : vertical;
      const right = isWired && index < contents.length - 1 ? joinLeft : vertical;
      return `${left} ${text} ${right}`;
    };
    lines.push(row(cell, isWired ? wire : space));
  }
  return [...lines, edge(corners[2], corners[3])];
}

export interface Row {
  readonly label: string;
  readonly values: readonly (string | number)[];
}

/** Label and right-aligned columns, all rows alike. */
export function columns(rows: readonly Row[], labelWidth = 40, valueWidth = 12): readonly string[] {
  return rows.map(({ label, values }) => label.padEnd(labelWidth) + values.map((value) => String(value).padStart(valueWidth)).join(""));
}
