import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";
import * as browser from "./browser.ts";
import * as node from "./index.ts";

interface Bundled {
  readonly modules: readonly string[];
  /** What no page has. */
  readonly foreign: readonly string[];
  readonly code: string;
}

/** What a page gets that imports `entry`. */
async function bundled(entry: string): Promise<Bundled> {
  const foreign: string[] = [];
  const refuse: Rolldown.Plugin = {
    name: "refuse-node",
    resolveId(source, importer) {
      if (!source.startsWith("node:") && source !== "undici") return null;
      foreign.push(`${importer ?? ""} imports ${source}`);
      return { id: source, external: true };
    },
  };
  const output = (await build({
    configFile: false,
    logLevel: "silent",
    plugins: [{ ...refuse, enforce: "pre" }],
    resolve: { conditions: ["source", "browser"] },
    build: { write: false, minify: true, lib: { entry: fileURLToPath(new URL(entry, import.meta.url)), formats: ["es"] } },
  })) as Rolldown.RolldownOutput[];
  const chunks = output.flatMap((one) => one.output).filter((one) => one.type === "chunk");
  return { modules: chunks.flatMap((chunk) => Object.keys(chunk.modules)), foreign, code: chunks.map(({ code }) => code).join("\n") };
}

/** As they are called; names that are members of something else do not count. */
const NODE_GLOBALS = /(?<![.\w$"'`])(Buffer|process|setImmediate|require|__dirname)\s*[.(]/;

test.each(["./browser.ts", "./metrics.ts", "./processing.ts", "./platform/browser.ts", "./storage/indexeddb.ts", "./storage/memory.ts"])(
  "nothing of Node gets into a page that imports %s",
  async (entry) => {
    const { modules, foreign, code } = await bundled(entry);
    expect(foreign).toEqual([]);
    expect(code).not.toMatch(NODE_GLOBALS);
    expect(modules.filter((path) => /\/platform\/node|\/sqlite/.test(path))).toEqual([]);
  },
);

test("and this test would notice", async () => {
  const { foreign, code } = await bundled("./index.ts");
  expect(foreign.some((line) => line.endsWith("imports undici"))).toBe(true);
  expect(foreign.some((line) => line.endsWith("imports node:crypto"))).toBe(true);
  expect(code).toMatch(NODE_GLOBALS);
});

test("every platform exports the same names", () => {
  expect(Object.keys(browser).toSorted()).toEqual(Object.keys(node).toSorted());
});
