import { AxeBuilder } from "@axe-core/playwright";
import type { Page, Route } from "playwright";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { card, DemoRun, network, PATIENCE_MS, rename, waits, warmer } from "./demo.test.support.ts";

let run: DemoRun;
beforeEach(async () => {
  run = new DemoRun();
  await run.serve();
});
afterEach(() => run.end());

const LOOKS = [
  { look: "light", colorScheme: "light", width: 1280 },
  { look: "dark", colorScheme: "dark", width: 1280 },
  { look: "phone", colorScheme: "light", width: 390 },
] as const;

/** What axe finds, and whether something has to be scrolled sideways to be read: in every look of the page. */
async function problemsOf(page: Page): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { look, colorScheme, width } of LOOKS) {
    // What comes and goes is judged when it stands.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 900 });
    const { violations } = await new AxeBuilder({ page }).analyze();
    for (const { id, nodes } of violations) {
      problems.push([`${look}: ${id}`, ...nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`)].join("\n"));
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (overflow > 0) problems.push(`${look}: overflow of ${overflow} px`);
  }
  return problems;
}

describe("everybody can use it, light, dark and on a phone,", () => {
  test("at rest, with its forms open, offline with a queue, with what needs a decision, with a server that fails, and without one", async () => {
    const page = await run.open();
    await warmer(page, "phone").waitFor();
    expect(await problemsOf(page)).toEqual([]);

    await card(page, "tablet").getByText("Add a device").click();
    await card(page, "tablet").getByRole("button", { name: "Rename or remove Blind" }).click();
    expect(await problemsOf(page)).toEqual([]);
    await page.keyboard.press("Escape");

    await network(page, "phone").click();
    await rename(page, "phone", "Reading lamp", "Corner lamp");
    for (let n = 0; n < 15; n++) await warmer(page, "phone").click();
    await card(page, "phone").getByText("What waits").click();
    await waits(page, "phone", 16);
    expect(await problemsOf(page)).toEqual([]);

    await rename(page, "tablet", "Reading lamp", "Floor lamp");
    await expect.poll(async () => (await run.effectsOf("tablet")).length).toBe(1);
    await network(page, "phone").click();
    await page.locator("[data-conflict]").waitFor();
    await page.locator("[data-failed]").first().waitFor({ timeout: PATIENCE_MS });
    await waits(page, "phone", 0);
    expect(await problemsOf(page)).toEqual([]);

    await run.setFaults({ failing: true });
    for (let n = 0; n < 3; n++) await card(page, "tablet").getByRole("switch", { name: "Bedside lamp" }).click();
    await card(page, "tablet").getByText("Next try in").waitFor();
    await page.getByText("Failing").waitFor();
    expect(await problemsOf(page)).toEqual([]);

    await run.stop("SIGKILL");
    await page.getByText("Does not answer", { exact: true }).waitFor();
    expect(await problemsOf(page)).toEqual([]);
  });

  test("while it opens and nothing was read, in an empty home, and when it cannot start", async () => {
    const noAnswer = (route: Route): Promise<void> => route.abort();
    const page = await run.open({ prepare: (before) => before.route("**/api/**", noAnswer) });
    await card(page, "phone").getByText("The server does not answer.").waitFor();
    expect(await problemsOf(page)).toEqual([]);

    await page.route("**/api/v1/sync/snapshot*", emptied);
    await page.unroute("**/api/**", noAnswer);
    await card(page, "phone").getByText("This home is empty.").waitFor({ timeout: PATIENCE_MS });
    expect(await problemsOf(page)).toEqual([]);

    await page.addInitScript(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
    await page.reload();
    await card(page, "phone").getByRole("alert").waitFor();
    expect(await problemsOf(page)).toEqual([]);
  });
});

test("a page that not everybody can use is found out", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  await page.evaluate(() => {
    for (const words of document.querySelectorAll<HTMLElement>(".row-state")) words.style.opacity = "0.3";
    for (const footer of document.querySelectorAll("footer")) footer.style.width = "3000px";
  });
  expect(await problemsOf(page)).toEqual(
    LOOKS.flatMap(({ look }) => [
      expect.stringContaining(`${look}: color-contrast`) as string,
      expect.stringContaining(`${look}: overflow`) as string,
    ]),
  );
});

/** The home as it would be if there were nothing in it. */
async function emptied(route: Route): Promise<void> {
  const response = await route.fetch();
  const { data, ...rest } = (await response.json()) as { readonly data: object };
  await route.fulfill({ response, json: { ...rest, data: { ...data, items: [] } } });
}
