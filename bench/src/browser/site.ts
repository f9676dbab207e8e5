import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import type { SiteFiles } from "../slow-backend.ts";

const ENTRY = fileURLToPath(new URL("./page.ts", import.meta.url));

/** The page and its chunks, minified as an app would ship them: one for each library. */
export async function buildSite(): Promise<SiteFiles> {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    // Guardian Sync from its sources, as `npm test` runs it.
    resolve: { conditions: ["source", "module", "browser", "production"] },
    build: { write: false, modulePreload: false, target: "esnext", rolldownOptions: { input: ENTRY } },
  })) as Rolldown.RolldownOutput;
  const scripts = output.filter((file) => file.type === "chunk");
  const entry = scripts.find(({ isEntry }) => isEntry)?.fileName ?? "";
  return {
    "/": {
      type: "text/html",
      text: `<!doctype html><title>bench</title><link rel="icon" href="data:,"><script type="module" src="/${entry}"></script>`,
    },
    ...Object.fromEntries(scripts.map(({ fileName, code }) => [`/${fileName}`, { type: "text/javascript", text: code }])),
  };
}
