import { stringify } from "csv-stringify/sync";
import { EXPORT_COLUMNS, type ExportRow } from "./redacted-row.ts";
import { visible } from "./visible.ts";

export const EXPORT_FORMATS = ["csv", "json", "jsonl"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Turns pages of rows into text, piece by piece; nothing of a page is kept. */
export interface ExportWriter {
  head(): string;
  page(rows: readonly ExportRow[]): string;
  /** `total`: how many rows there were. */
  tail(total: number): string;
}

export function exportWriter(format: ExportFormat, facts: { readonly exportedAt: string; readonly includePayload: boolean }): ExportWriter {
  switch (format) {
    case "csv":
      return csvWriter(facts.includePayload);
    case "json":
      return jsonWriter(facts.exportedAt);
    case "jsonl":
      return { head: () => "", page: (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join(""), tail: () => "" };
  }
}

/**
 * Quoting by RFC 4180. Lines end with LF, and line breaks inside cells are spelt out, so that one line is one operation for `wc`,
 * `grep` and `cut`. Cells that a spreadsheet would run as a formula get an apostrophe in front.
 */
function csvWriter(includePayload: boolean): ExportWriter {
  const columns: readonly string[] = includePayload ? [...EXPORT_COLUMNS, "payload"] : EXPORT_COLUMNS;
  const text = (cells: readonly (readonly unknown[])[]): string =>
    stringify(cells as unknown[][], { record_delimiter: "\n", escape_formulas: true });
  return {
    head: () => `${columns.join(",")}\n`,
    page: (rows) => text(rows.map((row) => columns.map((column) => csvCell(row[column as keyof ExportRow])))),
    tail: () => "",
  };
}

function csvCell(value: unknown): string | number {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return value;
  return visible(typeof value === "string" ? value : JSON.stringify(value));
}

/** The count stands at the end: before the last row nobody knows it. */
function jsonWriter(exportedAt: string): ExportWriter {
  let isFirst = true;
  return {
    head: () => `{"exported_at":${JSON.stringify(exportedAt)},"operations":[`,
    page: (rows) => {
      const text = rows.map((row) => JSON.stringify(row)).join(",\n");
      const lead = isFirst ? "\n" : ",\n";
      isFirst = false;
      return `${lead}${text}`;
    },
    tail: (total) => `${total === 0 ? "" : "\n"}],"total_count":${total}}\n`,
  };
}
