import { createHash } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const APP = fileURLToPath(new URL("../..", import.meta.url));
const ROOT = join(APP, "..", "..");
const OUT = join(APP, "dist");
const STAMP = join(OUT, ".sources");
/** Everything that can end up in the page. */
const SOURCES = [
  "apps/demo/index.html",
  "apps/demo/public/**/*.*",
  "apps/demo/src/**/*.{ts,tsx,css}",
  "packages/{engine,example-home,protocol,telemetry}/{src/**/*.ts,package.json}",
  "package-lock.json",
];

export function isBuilt(): boolean {
  try {
    return readFileSync(STAMP, "utf8") === fingerprint();
  } catch {
    return false;
  }
}

/** Builds the page, unless that was done with these very sources. Resolves with its folder. */
export async function builtPages(): Promise<string> {
  if (isBuilt()) return OUT;
  // Only now: it is much to load.
  const [{ build }, { default: react }] = await Promise.all([import("vite"), import("@vitejs/plugin-react")]);
  // Vite heeds one that is set, and would put React's development build into the page.
  process.env.NODE_ENV = "production";
  await build({
    root: APP,
    configFile: false,
    logLevel: "error",
    plugins: [react(), namesEveryChunk],
    // The workspaces as sources; where both conditions name a file, the browser's comes first in the exports.
    resolve: { conditions: ["source", "module", "browser", "development|production"] },
    build: { outDir: OUT, emptyOutDir: true, target: "es2024", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  });
  writeFileSync(STAMP, fingerprint());
  return OUT;
}

/** The service worker keeps what the page names: so it must name, too, what the engine loads when the page has begun. */
const namesEveryChunk: Plugin = {
  name: "names-every-chunk",
  transformIndexHtml: {
    order: "post",
    handler: (_html, { bundle = {} }) =>
      Object.values(bundle)
        .filter((file) => file.type === "chunk" && file.isDynamicEntry)
        .map(({ fileName }) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: true, href: `/${fileName}` },
          injectTo: "head" as const,
        })),
  },
};

function fingerprint(): string {
  const hash = createHash("sha256");
  for (const path of globSync(SOURCES, { cwd: ROOT, exclude: ["**/*.test.ts", "**/src/server/**", "**/src/proof/**"] }).toSorted()) {
    hash
      .update(path)
      .update("\0")
      .update(readFileSync(join(ROOT, path)))
      .update("\0");
  }
  return hash.digest("hex");
}
