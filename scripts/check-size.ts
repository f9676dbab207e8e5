// What a page downloads for each way to use the engine, against scripts/size-budget.json: bundled for browsers, minified, gzip -9.
// Before it can begin (`first`), and in all (`total`), with the chunk that arrives afterwards. Says by module where the bytes are
// when a budget is exceeded, or with --all. With --set it writes what it measured, plus 2 %.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, minifySync, type Rolldown } from "vite";

/** What the page's own module says. */
const ENTRIES: Readonly<Record<string, string>> = {
  "core + IndexedDB + REST": `
    import { createSyncEngine } from "guardian-sync";
    import { indexedDbStore } from "guardian-sync/indexeddb";
    globalThis.page = { createSyncEngine, indexedDbStore };`,
  "core + IndexedDB + REST + declared operations + view + pull": `
    import { createSyncEngine, defineEntity, defineOperation } from "guardian-sync";
    import { indexedDbStore } from "guardian-sync/indexeddb";
    globalThis.page = { createSyncEngine, defineEntity, defineOperation, indexedDbStore };`,
};
const BUDGET_FILE = new URL("size-budget.json", import.meta.url);
const HEADROOM = 1.02;
/** When a budget is exceeded. */
const MODULES_SHOWN = 25;
/** A file that need not exist. */
const PAGE = fileURLToPath(new URL("../page.js", import.meta.url));

/** Of some chunks. */
interface Size {
  /** Each chunk by itself, as it travels. */
  readonly gzipBytes: number;
  readonly minifiedBytes: number;
  /** Of one module when it is minified alone, largest first. They add up to a little more than the whole. */
  readonly modules: readonly { readonly path: string; readonly minifiedBytes: number }[];
}
/** `first`: the entry and what it imports statically. `later`: what arrives afterwards. */
interface Download {
  readonly first: Size;
  readonly later: Size;
}
interface Budget {
  readonly first: number;
  readonly total: number;
}

async function measure(code: string): Promise<Download> {
  const page: Rolldown.Plugin = {
    name: "page",
    resolveId: (source, importer) => {
      if (source === PAGE) return PAGE;
      if (source.startsWith("node:")) throw new Error(`${importer ?? PAGE} imports ${source}, which no page has`);
      return null;
    },
    load: (id) => (id === PAGE ? code : null),
  };
  const output = (await build({
    configFile: false,
    logLevel: "silent",
    plugins: [{ ...page, enforce: "pre" }],
    resolve: { conditions: ["source", "browser"] },
    // As an application's build: what is written as a library keeps its white space.
    build: { write: false, minify: true, modulePreload: false, rolldownOptions: { input: PAGE } },
  })) as Rolldown.RolldownOutput;
  const chunks = output.output.filter((one) => one.type === "chunk");
  const first = new Set<Rolldown.OutputChunk>();
  const take = (fileName: string): void => {
    const chunk = chunks.find((one) => one.fileName === fileName);
    if (chunk === undefined || first.has(chunk)) return;
    first.add(chunk);
    for (const imported of chunk.imports) take(imported);
  };
  for (const chunk of chunks) if (chunk.isEntry) take(chunk.fileName);
  return { first: sizeOf([...first]), later: sizeOf(chunks.filter((chunk) => !first.has(chunk))) };
}

function sizeOf(chunks: readonly Rolldown.OutputChunk[]): Size {
  const modules = chunks
    .flatMap((chunk) => Object.entries(chunk.modules))
    .map(([path, { code: rendered }]) => ({ path: short(path), minifiedBytes: minifySync("module.js", rendered ?? "").code.length }))
    .toSorted((a, b) => b.minifiedBytes - a.minifiedBytes);
  const sum = (bytesOf: (code: string) => number): number => chunks.reduce((total, { code }) => total + bytesOf(code), 0);
  return { gzipBytes: sum((code) => gzipSync(code, { level: 9 }).length), minifiedBytes: sum((code) => code.length), modules };
}

function short(path: string): string {
  return path
    .replace("\0", "")
    .replace(/^.*\/(packages|node_modules)\//, "")
    .replace("/src/", "/");
}

/** By room, then by module, the largest `most` of them. */
function breakdown({ gzipBytes, minifiedBytes, modules }: Size, most: number): string {
  const perByte = gzipBytes / minifiedBytes;
  const rooms = new Map<string, number>();
  for (const { path, minifiedBytes: own } of modules) rooms.set(dirname(path), (rooms.get(dirname(path)) ?? 0) + own);
  const line = ([name, own]: readonly [string, number]): string =>
    `${String(Math.round(own * perByte)).padStart(8)} ${String(own).padStart(8)}  ${name}`;
  return [
    "    gzip minified  (gzip: its share of the whole)",
    ...[...rooms].toSorted(([, one], [, other]) => other - one).map(line),
    "",
    ...modules.slice(0, most).map(({ path, minifiedBytes: own }) => line([path, own])),
  ].join("\n");
}

const isAll = process.argv.includes("--all");
const isSetting = process.argv.includes("--set");
const budgets = JSON.parse(readFileSync(BUDGET_FILE, "utf8")) as Record<string, Budget>;
const measured: Record<string, Budget> = {};
let over = 0;
for (const [name, code] of Object.entries(ENTRIES)) {
  const { first, later } = await measure(code);
  const bytes: Budget = { first: first.gzipBytes, total: first.gzipBytes + later.gzipBytes };
  measured[name] = { first: Math.ceil(bytes.first * HEADROOM), total: Math.ceil(bytes.total * HEADROOM) };
  const budget = budgets[name] ?? { first: 0, total: 0 };
  const isOver = bytes.first > budget.first || bytes.total > budget.total;
  const line = (part: keyof Budget): string => `${part} ${bytes[part]} of ${budget[part]}`;
  console.log(`${isOver ? "OVER" : "ok  "} ${name}: bytes gzip: ${line("first")}, ${line("total")}`);
  if (isAll || (isOver && !isSetting)) {
    const most = isAll ? Number.POSITIVE_INFINITY : MODULES_SHOWN;
    console.log(`  first load\n${breakdown(first, most)}\n\n  later\n${breakdown(later, most)}\n`);
  }
  if (isOver) over += 1;
}
if (isSetting) writeFileSync(BUDGET_FILE, `${JSON.stringify(measured, null, 2)}\n`);
else if (over > 0) process.exitCode = 1;
