import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chromiumPath } from "../../../scripts/chromium.mjs";
import type { DemoState, Effect, Faults } from "./state.ts";

const MAIN = fileURLToPath(new URL("./server/main.ts", import.meta.url));
// Chromium's sandbox needs a user other than root; containers often have a small /dev/shm.
const ARGS = process.getuid?.() === 0 ? ["--no-sandbox", "--disable-dev-shm-usage"] : [];
const PATIENCE_MS = 60_000;

let folder: string;
let server: ChildProcess | undefined;
let url: string;
let context: BrowserContext | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "guardian-demo-"));
  url = await serve("0");
});
afterEach(async () => {
  await context?.close();
  await stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function start(port: string): { readonly process: ChildProcess; readonly text: () => string } {
  const env = { ...process.env, PORT: port, GUARDIAN_DEMO_DATA: join(folder, "data") };
  const child = spawn(process.execPath, ["--conditions=source", MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return { process: child, text: () => text };
}
async function serve(port: string): Promise<string> {
  const { process: child, text } = start(port);
  server = child;
  await expect.poll(text, { timeout: 60_000 }).toContain("Ready:");
  return /http:\/\/localhost:\d+/.exec(text())?.[0] ?? "";
}
async function stop(signal: NodeJS.Signals): Promise<number | null> {
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return server?.exitCode ?? null;
  const ended = once(server, "exit") as Promise<[number | null]>;
  server.kill(signal);
  return (await ended)[0];
}

/** A browser with a profile on disk: the same one, whenever it is opened again. */
async function open(): Promise<Page> {
  const executablePath = chromiumPath() ?? "chromium";
  context = await chromium.launchPersistentContext(join(folder, "profile"), {
    executablePath,
    args: ARGS,
    viewport: { width: 1280, height: 900 },
  });
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(url);
  return page;
}

const card = (page: Page, device: string) => page.locator(`[data-device=${device}]`);
const network = (page: Page, device: string) => card(page, device).getByRole("switch", { name: /network/ });
const warmer = (page: Page, device: string) => card(page, device).getByRole("button", { name: "Radiator: warmer" });
const pending = async (page: Page, device: string): Promise<string | null> =>
  card(page, device).locator(".queue").getAttribute("data-pending");
const waits = async (page: Page, device: string, count: number): Promise<void> => {
  await expect.poll(() => pending(page, device), { timeout: PATIENCE_MS }).toBe(String(count));
};
/** What `device` brought about, in order. */
async function effectsOf(device: string): Promise<readonly Effect[]> {
  const { latest } = (await (await fetch(`${url}/demo/state?after=0`)).json()) as DemoState;
  return latest.filter((effect) => effect.device === device);
}
const targets = (effects: readonly Effect[]): readonly unknown[] =>
  effects.map(({ data }) => (data?.state as { readonly target?: number } | undefined)?.target);
async function setFaults(faults: Partial<Faults>): Promise<void> {
  await fetch(`${url}/demo/faults`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(faults) });
}

/** 19.5, 20, 20.5 … */
const warmed = (steps: number): readonly number[] => Array.from({ length: steps }, (_, step) => 19.5 + step / 2);
const EDITS = 14;

test("Q1 Q2 B1 edits made offline outlive the tab, and take effect exactly once and in order", async () => {
  let page = await open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  for (let n = 0; n < EDITS; n++) await warmer(page, "phone").click();
  for (let n = 0; n < 6; n++) await card(page, "phone").getByRole("switch", { name: "Reading lamp" }).click();
  await waits(page, "phone", 20);
  expect(await card(page, "phone").getByRole("status").textContent()).toContain("20 edits are kept here");
  await page.close();
  await context?.close();

  page = await open();
  await waits(page, "phone", 20);
  expect(await effectsOf("phone")).toEqual([]);
  await network(page, "phone").click();
  await waits(page, "phone", 0);
  const effects = await effectsOf("phone");
  expect(effects.map(({ entityId }) => entityId)).toEqual([...Array(EDITS).fill("radiator"), ...Array(6).fill("reading-lamp")]);
  expect(targets(effects.slice(0, EDITS))).toEqual(warmed(EDITS));
  expect(new Set(effects.map(({ operationId }) => operationId)).size).toBe(20);
  // The other device has read it from the feed.
  await expect.poll(() => card(page, "tablet").locator("[data-entity=radiator]").textContent()).toContain("26.0 °C");
});

test("Q1 B1 answers that are lost, a server that fails: still once, and nothing is left over", async () => {
  const page = await open();
  await warmer(page, "tablet").waitFor();
  await setFaults({ latencyMs: 0, losingAnswers: true });
  for (let n = 0; n < 4; n++) await warmer(page, "tablet").click();
  await expect.poll(() => effectsOf("tablet"), { timeout: PATIENCE_MS }).not.toEqual([]);
  expect(Number(await pending(page, "tablet"))).toBeGreaterThan(0);
  await setFaults({ losingAnswers: false, failing: true });
  await expect
    .poll(() => card(page, "tablet").locator(".queue-words").textContent(), { timeout: PATIENCE_MS })
    .toMatch(/next try|careful try/i);
  await setFaults({ failing: false });
  await waits(page, "tablet", 0);
  expect(targets(await effectsOf("tablet"))).toEqual(warmed(4));
  const { replays } = (await (await fetch(`${url}/demo/state`)).json()) as DemoState;
  expect(replays).toBeGreaterThan(0);
});

test("Q1 without a server the page opens again, with the edits that wait", async () => {
  const page = await open();
  await warmer(page, "phone").waitFor();
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  // What the engine loads later is kept as well.
  const scripts = await page.evaluate(async () => {
    const urls = performance.getEntriesByType("resource").map(({ name }) => name);
    return Promise.all(
      urls.filter((one) => one.endsWith(".js")).map(async (one) => [one, (await caches.match(one)) !== undefined] as const),
    );
  });
  expect(scripts.filter(([, isKept]) => !isKept)).toEqual([]);
  expect(scripts.map(([name]) => name)).toContainEqual(expect.stringContaining("/assets/processing-"));
  const port = new URL(url).port;
  expect(await stop("SIGINT")).toBe(0);
  for (let n = 0; n < 3; n++) await warmer(page, "phone").click();
  await waits(page, "phone", 3);
  await page.reload();
  await waits(page, "phone", 3);
  await expect.poll(() => card(page, "phone").locator("[data-entity=radiator]").textContent()).toContain("20.5 °C");
  await card(page, "phone").getByText("What waits").click();
  expect(await card(page, "phone").locator(".lines li").allTextContents()).toEqual(
    ["19.5", "20.0", "20.5"].map((target) => expect.stringContaining(`Radiator to ${target} °C`)),
  );
  expect(await page.locator(".server").textContent()).toContain("does not answer");
  await serve(port);
  await waits(page, "phone", 0);
  expect(targets(await effectsOf("phone"))).toEqual(warmed(3));
});

test("everything can be done by keyboard: a switch, a step, a new name", async () => {
  const page = await open();
  await warmer(page, "phone").waitFor();
  const focused = (): Promise<string> =>
    page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  const tabTo = async (label: string): Promise<void> => {
    for (let n = 0; n < 60 && (await focused()) !== label; n++) await page.keyboard.press("Tab");
    expect(await focused()).toBe(label);
  };
  await tabTo("Bedside lamp");
  await page.keyboard.press("Space");
  await tabTo("Radiator: warmer");
  await page.keyboard.press("Enter");
  await tabTo("Rename or remove Radiator");
  await page.keyboard.press("Enter");
  await page.keyboard.type("Stove");
  await page.keyboard.press("Enter");
  await expect.poll(focused).toBe("Rename or remove Stove");
  await expect
    .poll(async () => (await effectsOf("phone")).map(({ entityId }) => entityId))
    .toEqual(["bedside-lamp", "radiator", "radiator"]);
  expect((await effectsOf("phone")).at(-1)?.data).toMatchObject({ name: "Stove", state: { target: 19.5 } });
});

test("what is refused, and what conflicts, is kept and can be decided", async () => {
  const page = await open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  const rename = async (device: string, name: string): Promise<void> => {
    await card(page, device).getByRole("button", { name: "Rename or remove Reading lamp" }).click();
    await page.keyboard.type(name);
    await page.keyboard.press("Enter");
  };
  await rename("phone", "Corner lamp");
  await rename("tablet", "Floor lamp");
  await expect.poll(async () => (await effectsOf("tablet")).length).toBe(1);
  await network(page, "phone").click();
  await card(page, "phone").getByRole("button", { name: "Use “Corner lamp”" }).click();
  await expect.poll(async () => (await effectsOf("phone")).at(-1)?.data?.name, { timeout: PATIENCE_MS }).toBe("Corner lamp");
  await expect.poll(() => page.locator("[data-conflict]").count()).toBe(0);

  for (let n = 0; n < EDITS + 1; n++) await warmer(page, "tablet").click();
  const failed = card(page, "tablet").locator("[data-failed]");
  await failed.waitFor({ timeout: PATIENCE_MS });
  expect(await failed.textContent()).toContain("Set Radiator to 26.5 °C: not done");
  await failed.getByRole("button", { name: "Give it up" }).click();
  await expect.poll(() => failed.count()).toBe(0);
  await waits(page, "tablet", 0);
});

test("C2 a port that is taken is named, with what to do", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const address = other.address();
  const port = typeof address === "object" ? String(address?.port) : "";
  const { process: child, text } = start(port);
  const [code] = (await once(child, "exit")) as [number];
  expect([code, text()]).toEqual([1, expect.stringMatching(new RegExp(`^Port ${port} is taken .*PORT=8090 npm start\n$`))]);
  other.close();
});
