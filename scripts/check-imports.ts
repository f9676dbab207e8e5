// Enforces the import table of docs/architecture.md over every source file but the tests, and refuses cycles.
import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { findCycles } from "./cycles.ts";
import { parseImportTable, type Room, roomOf } from "./import-table.ts";
import { type Import, readSource } from "./source-facts.ts";

export interface Package {
  readonly name: string;
  /** Relative to the repository's root, with slashes. */
  readonly dir: string;
  /** Entry point (`.`, `./sqlite`) to source file, relative to `dir`. */
  readonly entries: Readonly<Record<string, string>>;
}
export interface House {
  readonly table: string;
  readonly packages: readonly Package[];
  /** Path relative to the root to content: all sources, without the tests. */
  readonly files: ReadonlyMap<string, string>;
}

/** The house's offences, each as one line `file:line: what is wrong, and which row says so`. */
export function checkImports(house: House): readonly string[] {
  const rooms = parseImportTable(house.table);
  const problems: string[] = [];
  const fileGraph = new Map<string, Set<string>>();
  const packageGraph = new Map<string, Set<string>>();

  for (const [path, text] of house.files) {
    const room = roomOf(rooms, path);
    const home = packageOf(house, path);
    if (room === undefined || home === undefined) {
      problems.push(`${path}:1: belongs to no room; add a row to the table in docs/architecture.md`);
      continue;
    }
    const { imports, globals, syntaxError } = readSource(path, text);
    if (syntaxError !== undefined) problems.push(`${path}:1: does not parse: ${syntaxError}`);
    const fileEdges = edges(fileGraph, path);
    const packageEdges = edges(packageGraph, home.name);
    for (const one of imports) {
      const target = resolve(house, rooms, path, home, one);
      if (target.file !== undefined) fileEdges.add(target.file);
      if (target.package !== undefined) packageEdges.add(target.package);
      const refusal = target.refusal ?? refuse(room, target.term);
      if (refusal !== undefined) problems.push(`${path}:${one.line}: ${room.name} imports "${one.specifier}": ${refusal}`);
    }
    for (const use of globals) {
      if (!room.never.includes(use.kind)) continue;
      problems.push(
        `${path}:${use.line}: ${room.name} uses ${use.text}: the row ${room.name} of docs/architecture.md says never ${use.kind}`,
      );
    }
  }
  for (const cycle of findCycles(fileGraph)) problems.push(`${cycle[0]}:1: cycle between files: ${cycle.join(" → ")}`);
  for (const cycle of findCycles(packageGraph)) problems.push(`cycle between packages: ${cycle.join(" → ")}`);
  return problems;
}

interface Target {
  /** What the importing room's row must list; `undefined` when nothing needs to be listed. */
  readonly term?: string;
  readonly file?: string;
  readonly package?: string;
  readonly refusal?: string;
}

function resolve(house: House, rooms: readonly Room[], from: string, home: Package, { specifier }: Import): Target {
  if (specifier.startsWith(".")) {
    const file = posix.join(posix.dirname(from), specifier);
    if (!file.startsWith(`${home.dir}/`)) return { refusal: "a relative path leaves the package; import the other package by its name" };
    return house.files.has(file) ? inRoom(rooms, file) : {};
  }
  if (specifier.startsWith("node:")) return { term: specifier };
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  const other = house.packages.find((candidate) => candidate.name === name);
  if (other === undefined) return { term: name };
  const entry = other.entries[`.${specifier.slice(name.length)}`];
  if (entry === undefined) return { refusal: `${name} has no such entry point in its package.json` };
  const file = posix.join(other.dir, entry);
  return other === home ? inRoom(rooms, file) : { term: name, file, package: name };
}

function inRoom(rooms: readonly Room[], file: string): Target {
  const room = roomOf(rooms, file);
  return room === undefined ? { file } : { term: room.name, file };
}

function refuse(room: Room, term: string | undefined): string | undefined {
  if (term === undefined || term === room.name || room.mayImport.includes(term)) return undefined;
  if (term.startsWith("node:") && room.mayImport.includes("node:*")) return undefined;
  const allowed = room.mayImport.length === 0 ? "nothing" : room.mayImport.join(", ");
  return `from room ${room.name} to ${term}, but the row ${room.name} of docs/architecture.md allows only ${allowed}`;
}

function packageOf(house: House, path: string): Package | undefined {
  return house.packages.find(({ dir }) => path.startsWith(`${dir}/`));
}

function edges(graph: Map<string, Set<string>>, node: string): Set<string> {
  const known = graph.get(node) ?? new Set<string>();
  graph.set(node, known);
  return known;
}

function readHouse(): House {
  const packages = globSync(["packages/*/package.json", "apps/*/package.json", "simulator/package.json"]).map((path): Package => {
    const { name, exports = {} } = JSON.parse(readFileSync(path, "utf8")) as {
      name: string;
      exports?: Record<string, { source?: string }>;
    };
    const entries: Record<string, string> = {};
    for (const [entry, { source }] of Object.entries(exports)) if (source !== undefined) entries[entry] = source;
    return { name, dir: slashes(posix.dirname(slashes(path))), entries };
  });
  const files = new Map<string, string>();
  for (const path of globSync("{packages/*,apps/*,simulator}/src/**/*.{ts,tsx}", { exclude: ["**/*.test.*"] }).toSorted()) {
    files.set(slashes(path), readFileSync(path, "utf8"));
  }
  return { table: readFileSync("docs/architecture.md", "utf8"), packages, files };
}

function slashes(path: string): string {
  return path.replaceAll("\\", "/");
}

if (import.meta.main) {
  const house = readHouse();
  const problems = checkImports(house);
  for (const problem of problems) console.error(problem);
  console.log(`imports: ${house.files.size} files, ${problems.length} offences`);
  if (problems.length > 0) process.exitCode = 1;
}
