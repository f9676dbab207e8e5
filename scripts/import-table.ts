// Reads the table "Who may import whom" out of docs/architecture.md, so that the page the people read is the rule that runs.
import { matchesGlob } from "node:path";

export const FORBIDDABLE = ["clock", "timers", "random", "network", "console"] as const;
export type Forbiddable = (typeof FORBIDDABLE)[number];

export interface Room {
  readonly name: string;
  /** Globs relative to the repository's root. */
  readonly where: readonly string[];
  /** Room names, package names, `node:x` or `node:*`. */
  readonly mayImport: readonly string[];
  readonly never: readonly Forbiddable[];
}

const COLUMNS = ["room", "where", "may import", "never"];

/** @throws Error if there is no such table, or a cell says something the check does not understand. */
export function parseImportTable(markdown: string): readonly Room[] {
  const lines = markdown.split("\n");
  const head = lines.findIndex((line) => cells(line).join() === COLUMNS.join());
  if (head < 0) throw new Error(`docs/architecture.md has no table with the columns ${COLUMNS.join(" | ")}`);
  const rooms: Room[] = [];
  const named: { readonly row: string; readonly room: string }[] = [];
  for (const line of lines.slice(head + 2)) {
    if (!line.startsWith("|")) break;
    const [name = "", where = "", mayImport = "", never = ""] = cells(line);
    // Packages and node: modules stand in backticks; a bare word is the name of a room.
    const allowed = terms(mayImport).filter((term) => term !== "nothing");
    for (const term of allowed) if (!term.startsWith("`")) named.push({ row: name, room: term });
    rooms.push({ name, where: terms(where).map(unquote), mayImport: allowed.map(unquote), never: forbidden(name, never) });
  }
  for (const { row, room } of named) {
    if (!rooms.some(({ name }) => name === room))
      throw new Error(`docs/architecture.md: row ${row} may import "${room}", which is no room`);
  }
  return rooms;
}

/** The first row that matches `path` (relative to the repository's root, with slashes). */
export function roomOf(rooms: readonly Room[], path: string): Room | undefined {
  return rooms.find((room) => room.where.some((glob) => matchesGlob(path, glob)));
}

function cells(line: string): string[] {
  const parts = line.split("|").map((cell) => cell.trim());
  return parts.slice(1, -1);
}

function terms(cell: string): string[] {
  return cell
    .split(",")
    .map((term) => term.trim())
    .filter((term) => term !== "");
}

function unquote(term: string): string {
  return term.replaceAll("`", "");
}

function forbidden(room: string, cell: string): Forbiddable[] {
  return terms(cell).map((term) => {
    const known = FORBIDDABLE.find((word) => word === term);
    if (known === undefined) throw new Error(`docs/architecture.md: row ${room} says never "${term}"; known are ${FORBIDDABLE.join(", ")}`);
    return known;
  });
}
