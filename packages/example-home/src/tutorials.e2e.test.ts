// What the documents tell people to type, typed: in a checkout, with the backend and the browser that they name.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { chromiumPath } from "../../../scripts/chromium.mjs";

const PACKAGE = join(import.meta.dirname, "..");
const ROOT = join(PACKAGE, "../..");
const GUARDIAN = ["--conditions=source", join(ROOT, "packages/cli/src/main.ts")];
const PATIENCE_MS = 30_000;

let browser: Browser;
beforeAll(async () => {
  const args = process.getuid?.() === 0 ? ["--no-sandbox", "--disable-dev-shm-usage"] : [];
  browser = await chromium.launch({ executablePath: chromiumPath() ?? "chromium", args });
});
afterAll(() => browser.close());

let folder: string;
let backend: ChildProcess;
let baseUrl: string;
let site: ViteDevServer | undefined;
beforeEach(async () => {
  // Inside the package, as the tutorials say: there its packages are found.
  mkdirSync(join(PACKAGE, ".cache"), { recursive: true });
  folder = mkdtempSync(join(PACKAGE, ".cache", "tutorial-"));
  await serve();
});
afterEach(async () => {
  await site?.close();
  site = undefined;
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(port = "0"): Promise<void> {
  const args = [...GUARDIAN, "serve", "--dev", "--port", port, "--json", "--data", join(folder, "data")];
  backend = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  backend.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await expect.poll(() => text, { timeout: PATIENCE_MS }).toContain("\n");
  baseUrl = (JSON.parse(text) as { readonly url: string }).url;
}
async function stop(): Promise<void> {
  const ended = once(backend, "exit");
  backend.kill("SIGTERM");
  await ended;
}

/** The blocks of code of one language, without their indentation. */
function blocksOf(document: string, language: string): readonly string[] {
  const text = readFileSync(join(ROOT, document), "utf8");
  const fences = text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, "gm"));
  return [...fences].map(([, indent = "", code = ""]) => code.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}
function put(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

/** As strictly as the checkout's own sources. */
async function check(file: string): Promise<void> {
  const strictness = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, isolatedModules: true };
  const modules = {
    module: "esnext",
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    customConditions: ["browser", "source"],
  };
  const page = { target: "es2024", lib: ["es2024", "dom", "dom.iterable"], types: [], noEmit: true };
  put("tsconfig.json", JSON.stringify({ compilerOptions: { ...strictness, ...modules, ...page }, files: [file] }));
  const tsc = spawn(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [tsc.stdout, tsc.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(tsc, "close");
  expect(text).toBe("");
}

async function openPage(): Promise<Page> {
  const { default: config } = (await import(join(folder, "vite.config.ts"))) as { readonly default: object };
  const server = { port: 0, proxy: { "/api": baseUrl }, hmr: false, fs: { allow: [ROOT] } };
  site = await createServer({ ...config, configFile: false, root: folder, cacheDir: join(folder, "cache"), logLevel: "silent", server });
  await site.listen();
  const page = await browser.newPage();
  await page.goto(site.resolvedUrls?.local[0] ?? "");
  return page;
}

test("Q1 the tutorial of a page: add and turn a lamp, also without the backend, over a reload", async () => {
  const tutorial = "docs/tutorials/first-page.md";
  const [main = "", config = ""] = blocksOf(tutorial, "ts");
  put("index.html", blocksOf(tutorial, "html")[0] ?? "");
  put("main.ts", main);
  put("vite.config.ts", config);
  await check("main.ts");
  const page = await openPage();
  const add = async (name: string): Promise<void> => {
    await page.getByRole("textbox", { name: "Name" }).fill(name);
    await page.getByRole("button", { name: "Add a lamp" }).click();
  };
  await add("Porch");
  await page.getByText("Porch: off (synced)").click({ timeout: PATIENCE_MS });
  await page.getByText("Porch: on (synced)").waitFor({ timeout: PATIENCE_MS });
  const { port } = new URL(baseUrl);
  await stop();
  await add("Cellar");
  await page.getByText("Porch: on").click();
  await page.reload();
  await page.getByText("Cellar: off (pending)").waitFor({ timeout: PATIENCE_MS });
  await page.getByText("Porch: off (pending)").waitFor();
  await serve(port);
  await page.getByText("Cellar: off (synced)").waitFor({ timeout: PATIENCE_MS });
  await page.getByText("Porch: off (synced)").waitFor();
  expect(await page.getByRole("status").textContent()).toBe("0 waiting, 0 failed");
  await page.close();
});

test("the code of the README runs as it stands there", async () => {
  const [code = ""] = blocksOf("README.md", "ts");
  const before = `
    const token = await fetch("/api/v1/auth/dev-token", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ principal: "ada", tenant: "home" }),
    }).then(async (answer) => ((await answer.json()) as { token: string }).token);
    const session = () => ({ account: { space: "home", principal: "ada" }, token });
    const show = (value: { name: string; state?: { on?: boolean } } | null, syncState: string): void => {
      document.body.append(JSON.stringify([value, syncState]), document.createElement("br"));
    };
    const made = { method: "POST", headers: { "content-type": "application/json", authorization: "Bearer " + token, "idempotency-key": crypto.randomUUID() },
      body: JSON.stringify({ meta: { trace_id: crypto.randomUUID(), timestamp: new Date().toISOString() },
        payload: { id: "reading-lamp", name: "Reading lamp", device_type: "lamp" } }) };
    await fetch("/api/v1/devices", made);`;
  const [imports, rest] = [/^import .*$/gm, code.replaceAll(/^import .*$/gm, "")];
  put("main.ts", `${code.match(imports)?.join("\n")}\n${before}\n${rest}`);
  put("index.html", '<!doctype html><body><script type="module" src="main.ts"></script></body>');
  put("vite.config.ts", blocksOf("docs/tutorials/first-page.md", "ts")[1] ?? "");
  await check("main.ts");
  const page = await openPage();
  await expect.poll(() => page.textContent("body"), { timeout: PATIENCE_MS }).toMatch(/"on":true.*"pending".*"on":true.*"synced"/s);
  await page.close();
});

test("the tutorial of Node: on disk, then applied", async () => {
  const [code = ""] = blocksOf("docs/tutorials/first-sync.md", "ts");
  put("app.ts", code.replace("http://localhost:8080", baseUrl));
  mkdirSync(join(folder, "run"));
  const app = spawn(process.execPath, ["--conditions=source", join(folder, "app.ts")], {
    cwd: join(folder, "run"),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  app.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [exitCode] = (await once(app, "close")) as [number];
  expect([exitCode, text]).toEqual([0, expect.stringMatching(/on disk: \S+\nverdict: \{ verdict: 'applied'.*succeeded: 1,/s)]);
});
