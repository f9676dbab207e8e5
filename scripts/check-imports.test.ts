import { describe, expect, test } from "vitest";
import { checkImports, type House } from "./check-imports.ts";
import { findCycles } from "./cycles.ts";
import { parseImportTable } from "./import-table.ts";

const TABLE = [
  "| room | where | may import | never |",
  "|---|---|---|---|",
  "| wire | `packages/wire/src/**` | nothing | |",
  "| core | `packages/engine/src/core/**` | `wire` | clock, timers, random, network, console |",
  "| storage | `packages/engine/src/storage/**` | `wire`, `node:sqlite` | console |",
  "| entry | `packages/engine/src/*.ts` | core, `wire` | |",
  "| tool | `packages/tool/src/**` | `engine`, `commander`, `node:*` | |",
].join("\n");

const PACKAGES: House["packages"] = [
  { name: "wire", dir: "packages/wire", entries: { ".": "./src/index.ts" } },
  { name: "engine", dir: "packages/engine", entries: { ".": "./src/index.ts", "./sqlite": "./src/storage/sqlite.ts" } },
  { name: "tool", dir: "packages/tool", entries: {} },
];

/** A house in order, with `files` put in its place. */
function offences(files: Readonly<Record<string, string>>): readonly string[] {
  const sound = {
    "packages/wire/src/index.ts": "export interface Message { id: string }",
    "packages/engine/src/core/step.ts": 'import type { Message } from "wire"; export const step = (m: Message): string => m.id;',
    "packages/engine/src/storage/sqlite.ts": 'import { DatabaseSync } from "node:sqlite"; export const open = (): unknown => DatabaseSync;',
    "packages/engine/src/index.ts": 'export { step } from "./core/step.ts";',
    "packages/tool/src/main.ts": 'import "engine"; import { open } from "engine/sqlite"; import fs from "node:fs"; open(fs);',
  };
  return checkImports({ table: TABLE, packages: PACKAGES, files: new Map(Object.entries({ ...sound, ...files })) });
}

const core = (text: string): readonly string[] => offences({ "packages/engine/src/core/step.ts": text });

describe("the import table", () => {
  test("a house in order has no offences", () => {
    expect(offences({})).toEqual([]);
  });

  test("a core that imports a store is caught, with its line, both rooms and the row", () => {
    expect(core('// one\n\nimport { open } from "../storage/sqlite.ts";\nopen();')).toEqual([
      'packages/engine/src/core/step.ts:3: core imports "../storage/sqlite.ts": from room core to storage, but the row core of docs/architecture.md allows only wire',
    ]);
  });

  test.each([
    ['import type { open } from "../storage/sqlite.ts"; export type A = typeof open;', "storage"],
    ['export * from "../storage/sqlite.ts";', "storage"],
    ['export const load = () => import("../storage/sqlite.ts");', "storage"],
    ['export type A = import("../storage/sqlite.ts").A;', "storage"],
    ['import "engine/sqlite";', "storage"],
    ['import { readFileSync } from "node:fs"; readFileSync("a");', "node:fs"],
    ['import { z } from "zod/mini"; z();', "zod"],
  ])("every way of importing counts: %s", (text, to) => {
    expect(core(text)).toEqual([expect.stringContaining(`from room core to ${to}, but`)]);
  });

  test("a listed node: module allows no other", () => {
    expect(offences({ "packages/engine/src/storage/sqlite.ts": 'import "node:sqlite"; import "node:net";' })).toEqual([
      expect.stringContaining("to node:net"),
    ]);
  });

  test("another package is reached by its entry points only", () => {
    expect(offences({ "packages/tool/src/main.ts": 'import "../../engine/src/index.ts"; import "engine/core/step";' })).toEqual([
      expect.stringContaining("a relative path leaves the package"),
      expect.stringContaining("engine has no such entry point"),
    ]);
  });

  test("a file without a room is an offence", () => {
    expect(offences({ "packages/engine/src/attic/old.ts": "export {}" })).toEqual([expect.stringContaining("belongs to no room")]);
  });

  test("text in comments and strings imports nothing", () => {
    expect(core('// import "node:fs"\nexport const help = `import "node:fs"; fetch()`; /* Date.now() */')).toEqual([]);
  });

  test("a file that does not parse is an offence, and the others are still checked", () => {
    expect(offences({ "packages/wire/src/index.ts": "export {", "packages/tool/src/main.ts": 'import "zod";' })).toEqual([
      expect.stringContaining("packages/wire/src/index.ts:1: does not parse"),
      expect.stringContaining("from room tool to zod"),
    ]);
  });

  test("a row may not name an unknown room or an unknown kind of global", () => {
    const table = (row: string): string => `| room | where | may import | never |\n|---|---|---|---|\n${row}`;
    expect(() => parseImportTable(table("| a | `a/**` | b | |"))).toThrow('may import "b", which is no room');
    expect(() => parseImportTable(table("| a | `a/**` | nothing | weather |"))).toThrow('says never "weather"');
    expect(() => parseImportTable("no table")).toThrow("has no table");
  });
});

describe("globals that a row forbids", () => {
  test.each([
    ["export const a = Date.now();", "Date.now", "clock"],
    ["export const a = new Date();", "new Date()", "clock"],
    ["export const a = Date();", "Date()", "clock"],
    ["export const a = performance.now();", "performance", "clock"],
    ["setTimeout(() => {}, 1);", "setTimeout", "timers"],
    ["queueMicrotask(() => {});", "queueMicrotask", "timers"],
    ["export const a = { roll: Math.random };", "Math.random", "random"],
    ["export const a = crypto.randomUUID();", "crypto", "random"],
    ["export const a = { fetch };", "fetch", "network"],
    ["export const a = navigator.sendBeacon;", "navigator", "network"],
    ["export const a = { navigator };", "navigator", "network"],
    ["console.log(1);", "console", "console"],
  ])("%s", (text, use, kind) => {
    expect(core(text)).toEqual([expect.stringContaining(`core uses ${use}: the row core of docs/architecture.md says never ${kind}`)]);
  });

  test("globalThis is no way around", () => {
    expect(core('export const a = globalThis["fetch"];')).not.toEqual([]);
  });

  test.each([
    "export const a = (ms: number): Date => new Date(ms);",
    "export const a = (transport: { fetch(): void }): void => transport.fetch();",
    "export interface Port { fetch(url: string): void; crypto: number; console?: string }",
    "export const a = ({ fetch }: { fetch: () => void }): void => fetch();",
    "export type A = (random: () => number, crypto: string) => void;",
    'export const a = typeof navigator === "undefined" ? null : [navigator.locks, navigator.storage.estimate()];',
  ])("what only looks like one is allowed: %s", (text) => {
    expect(core(text)).toEqual([]);
  });

  test("a row without the word allows it", () => {
    expect(offences({ "packages/tool/src/main.ts": "console.log(Date.now());" })).toEqual([]);
  });
});

describe("cycles", () => {
  test("between files, through a type import as well", () => {
    expect(
      offences({
        "packages/engine/src/core/step.ts": 'import type { B } from "./b.ts"; export type A = B;',
        "packages/engine/src/core/b.ts": 'import { type A } from "./step.ts"; export type B = A;',
      }),
    ).toEqual([expect.stringContaining("cycle between files: packages/engine/src/core/")]);
  });

  test("between packages, though no file takes part twice", () => {
    const table = TABLE.replace("| `packages/wire/src/**` | nothing |", "| `packages/wire/src/**` | `tool` |");
    const files = new Map([
      ["packages/wire/src/index.ts", 'import "tool";'],
      ["packages/tool/src/index.ts", "export {}"],
      ["packages/tool/src/main.ts", 'import "engine";'],
      ["packages/engine/src/index.ts", 'import "wire";'],
    ]);
    const packages = PACKAGES.map((one) => (one.name === "tool" ? { ...one, entries: { ".": "./src/index.ts" } } : one));
    expect(checkImports({ table, packages, files })).toEqual(["cycle between packages: wire → tool → engine → wire"]);
  });

  test("a knot is reported once, by its shortest way round", () => {
    const graph = new Map(Object.entries({ a: "b", b: "c", c: "ad", d: "d", e: "a" }).map(([from, to]) => [from, new Set(to)]));
    expect(findCycles(graph)).toEqual([
      ["d", "d"],
      ["a", "b", "c", "a"],
    ]);
  });
});
