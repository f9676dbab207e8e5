import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Locator, type Page } from "playwright";
import { expect } from "vitest";
import { chromiumPath } from "../../../scripts/chromium.mjs";
import type { DemoState, Effect, Faults } from "./state.ts";

const MAIN = fileURLToPath(new URL("./server/main.ts", import.meta.url));
// Chromium's sandbox needs a user other than root; containers often have a small /dev/shm.
const ARGS = process.getuid?.() === 0 ? ["--no-sandbox", "--disable-dev-shm-usage"] : [];
export const PATIENCE_MS = 60_000;

export interface BrowserOptions {
  /** As in Chromium's own file; only for a profile that was never opened. */
  readonly preferences?: object;
  /** Before the page is there. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** A server with data of its own, and a browser with a profile on disk: the same ones, whenever they are started again. */
export class DemoRun {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "guardian-demo-"));
  #server: ChildProcess | undefined;
  #context: BrowserContext | undefined;
  url = "";

  get port(): string {
    return new URL(this.url).port;
  }

  async serve(port = "0"): Promise<void> {
    const { process: child, text } = this.start(port);
    this.#server = child;
    await expect.poll(text, { timeout: PATIENCE_MS }).toContain("Ready:");
    this.url = /http:\/\/localhost:\d+/.exec(text())?.[0] ?? "";
  }

  start(port: string): { readonly process: ChildProcess; readonly text: () => string } {
    const env = { ...process.env, PORT: port, GUARDIAN_DEMO_DATA: join(this.#folder, "data") };
    const child = spawn(process.execPath, ["--conditions=source", MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    return { process: child, text: () => text };
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return server?.exitCode ?? null;
    const ended = once(server, "exit") as Promise<[number | null]>;
    server.kill(signal);
    return (await ended)[0];
  }

  async open({ preferences, prepare }: BrowserOptions = {}): Promise<Page> {
    const profile = join(this.#folder, "profile");
    if (preferences !== undefined) {
      mkdirSync(join(profile, "Default"), { recursive: true });
      writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
    }
    const executablePath = chromiumPath() ?? "chromium";
    const viewport = { width: 1280, height: 900 };
    this.#context = await chromium.launchPersistentContext(profile, { executablePath, args: ARGS, viewport });
    const page = this.#context.pages()[0] ?? (await this.#context.newPage());
    await prepare?.(page);
    await page.goto(this.url);
    return page;
  }

  /** The browser, with all its pages. */
  async quit(): Promise<void> {
    await this.#context?.close();
    this.#context = undefined;
  }

  async end(): Promise<void> {
    await this.quit();
    await this.stop("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async state(): Promise<DemoState> {
    return (await (await fetch(`${this.url}/demo/state?after=0`)).json()) as DemoState;
  }

  /** What `device` brought about, in order. */
  async effectsOf(device: string): Promise<readonly Effect[]> {
    return (await this.state()).latest.filter((effect) => effect.device === device);
  }

  async setFaults(faults: Partial<Faults>): Promise<void> {
    const headers = { "content-type": "application/json" };
    await fetch(`${this.url}/demo/faults`, { method: "POST", headers, body: JSON.stringify(faults) });
  }
}

export const card = (page: Page, device: string): Locator => page.locator(`[data-device=${device}]`);
export const network = (page: Page, device: string): Locator => card(page, device).getByRole("switch", { name: /network/ });
export const warmer = (page: Page, device: string): Locator => card(page, device).getByRole("button", { name: "Radiator: warmer" });
export const pending = (page: Page, device: string): Promise<string | null> =>
  card(page, device).locator(".queue").getAttribute("data-pending");
export async function waits(page: Page, device: string, count: number): Promise<void> {
  await expect.poll(() => pending(page, device), { timeout: PATIENCE_MS }).toBe(String(count));
}
export async function rename(page: Page, device: string, from: string, to: string): Promise<void> {
  await card(page, device)
    .getByRole("button", { name: `Rename or remove ${from}` })
    .click();
  await page.keyboard.type(to);
  await page.keyboard.press("Enter");
}
/** 19.5, 20, 20.5 … */
export const warmed = (steps: number): readonly number[] => Array.from({ length: steps }, (_, step) => 19.5 + step / 2);
