/** KILL-RENDERER: a page enqueues into IndexedDB without pause while its renderer is killed at random moments; then all of it is sent. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { EngineStatus } from "guardian-sync";
import { SeededRandom } from "guardian-sync/testing";
import { listen } from "@guardian-sync/server/node";
import { sqliteStorage } from "@guardian-sync/server/sqlite";
import { chromium } from "playwright";
import { build } from "vite";
import { Cleanup } from "./cleanup.ts";
import { readFeed } from "./feed.ts";
import { homeServer, tokenOf } from "./home.ts";
import type { KillOptions } from "./kill-client.ts";
import { type Acknowledged, judgeBooks, judgeFeed } from "./oracle.ts";
import { pause, type Report } from "./report.ts";

const SPACE = "home";
const PRINCIPAL = "ada";

interface PageWindow {
  open(config: object): Promise<void>;
  enqueueForEver(life: number): void;
  finish(): Promise<{ readonly drained: { readonly empty: boolean; readonly reason?: string }; readonly status: EngineStatus }>;
}

export async function killRenderer({ kills, seed, executablePath }: KillOptions & { readonly executablePath: string }): Promise<Report> {
  await using cleanup = new Cleanup();
  const random = new SeededRandom(`kill-renderer ${seed}`);
  const folder = cleanup.folder();
  const scripts = await bundle();
  const pages = createServer((request, response) => {
    const script = scripts.get(request.url ?? "");
    response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? '<!doctype html><title>proof</title><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
  cleanup.closing({ close: () => new Promise<void>((resolve) => pages.close(() => resolve())) });
  const pageUrl = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  const storage = cleanup.closing(sqliteStorage({ path: join(folder, "server.db") }));
  const { url: baseUrl } = cleanup.closing(await listen(homeServer(storage, { cors: { origins: [pageUrl] } })));

  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  const browser = cleanup.closing(await chromium.launchPersistentContext(join(folder, "profile"), { executablePath, args }));
  const acknowledged: Acknowledged[] = [];
  const problems: string[] = [];
  await browser.exposeFunction("stored", (entries: readonly Acknowledged[]) => void acknowledged.push(...entries));
  const config = { baseUrl, token: tokenOf(SPACE, PRINCIPAL), space: SPACE, principal: PRINCIPAL };
  const openPage = async (): Promise<Awaited<ReturnType<typeof browser.newPage>>> => {
    const page = await browser.newPage();
    page.on("pageerror", (error) => problems.push(`the page threw ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`the page says ${message.text()}`);
    });
    await page.goto(pageUrl);
    await page.waitForFunction(() => typeof (globalThis as unknown as PageWindow).open === "function");
    await page.evaluate((options) => (globalThis as unknown as PageWindow).open(options), config);
    return page;
  };

  let killed = 0;
  for (let life = 1; life <= kills; life++) {
    const page = await openPage();
    await page.evaluate((number) => (globalThis as unknown as PageWindow).enqueueForEver(number), life);
    await pause(random.integer(20, 300));
    const crashed = new Promise<void>((resolve) => {
      page.once("crash", () => resolve());
    });
    const session = await browser.newCDPSession(page);
    // Never answered: the process is gone.
    session.send("Page.crash").catch(() => undefined);
    await crashed;
    killed += 1;
    await page.close();
  }

  const page = await openPage();
  const { drained, status } = await page.evaluate(() => (globalThis as unknown as PageWindow).finish());
  const changes = await readFeed(baseUrl, SPACE, PRINCIPAL);
  const judged = judgeFeed(acknowledged, changes);
  return {
    scenario: "kill-renderer",
    figures: { kills: killed, ...judged.figures },
    faults: [
      ...judged.faults,
      ...judgeBooks(status, changes.length),
      ...problems,
      ...(drained.empty ? [] : [`not drained: ${drained.reason}`]),
    ],
  };
}

/** Path to text: the page's own script, and what it loads when it has begun. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const made = await build({
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["source", "browser", "module"] },
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, "renderer-page.ts"), formats: ["es"], fileName: "page" },
    },
  });
  const outputs = (Array.isArray(made) ? made : [made]).flatMap((one) => ("output" in one ? one.output : []));
  return new Map(outputs.flatMap((file) => (file.type === "chunk" ? [[`/${file.fileName}`, file.code] as const] : [])));
}
