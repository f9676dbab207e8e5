import { type BrowserContext, chromium } from "playwright";
import { chromiumPath } from "../../../scripts/chromium.mjs";
import { newFolder } from "../folder.ts";
import type { Bench } from "./page.ts";

declare const bench: Bench;

export interface BenchBrowser {
  readonly version: string;
  /** One call of the page's `bench`, in a new page of `origin` that is closed afterwards. */
  call<Name extends keyof Bench>(origin: string, name: Name, ...args: Parameters<Bench[Name]>): Promise<Awaited<ReturnType<Bench[Name]>>>;
  close(): Promise<void>;
}

/** Chromium with a profile on disk: a context without one keeps its databases in memory, where strict costs nothing. */
export async function openBrowser(): Promise<BenchBrowser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error("There is no Chromium: set CHROMIUM_PATH to its program, or put it on PATH.");
  const profile = newFolder();
  const isRoot = process.getuid?.() === 0;
  let context: BrowserContext;
  try {
    context = await chromium.launchPersistentContext(profile.path, {
      executablePath,
      args: isRoot ? ["--no-sandbox", "--disable-dev-shm-usage"] : [],
    });
  } catch (error) {
    profile.remove();
    throw error;
  }
  return {
    version: context.browser()?.version() ?? "of unknown version",
    async call(origin, name, ...args) {
      const page = await context.newPage();
      page.setDefaultTimeout(300_000);
      try {
        await page.goto(origin);
        await page.waitForFunction(() => typeof bench === "object");
        return (await page.evaluate(([called, given]) => (bench[called] as (...all: readonly unknown[]) => Promise<unknown>)(...given), [
          name,
          args,
        ] as const)) as never;
      } finally {
        await page.close();
      }
    },
    async close() {
      await context.close();
      profile.remove();
    },
  };
}
