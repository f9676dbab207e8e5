import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { card, DemoRun, network, PATIENCE_MS, pending, rename, waits, warmed, warmer } from "./demo.test.support.ts";
import type { Effect } from "./state.ts";

let run: DemoRun;
beforeEach(async () => {
  run = new DemoRun();
  await run.serve();
});
afterEach(() => run.end());

const targets = (effects: readonly Effect[]): readonly unknown[] =>
  effects.map(({ data }) => (data?.state as { readonly target?: number } | undefined)?.target);
const EDITS = 14;

test("Q1 Q2 B1 edits made offline outlive the tab, and take effect exactly once and in order", async () => {
  let page = await run.open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  for (let n = 0; n < EDITS; n++) await warmer(page, "phone").click();
  for (let n = 0; n < 6; n++) await card(page, "phone").getByRole("switch", { name: "Reading lamp" }).click();
  await waits(page, "phone", 20);
  expect(await card(page, "phone").getByRole("status").textContent()).toContain("20 edits are kept here");
  await page.close();
  await run.quit();

  page = await run.open();
  await waits(page, "phone", 20);
  expect(await run.effectsOf("phone")).toEqual([]);
  await network(page, "phone").click();
  await waits(page, "phone", 0);
  const effects = await run.effectsOf("phone");
  expect(effects.map(({ entityId }) => entityId)).toEqual([...Array(EDITS).fill("radiator"), ...Array(6).fill("reading-lamp")]);
  expect(targets(effects.slice(0, EDITS))).toEqual(warmed(EDITS));
  expect(new Set(effects.map(({ operationId }) => operationId)).size).toBe(20);
  // The other device has read it from the feed.
  await expect.poll(() => card(page, "tablet").locator("[data-entity=radiator]").textContent()).toContain("26.0 °C");
});

test("Q1 B1 answers that are lost, a server that fails: still once, and nothing is left over", async () => {
  const page = await run.open();
  await warmer(page, "tablet").waitFor();
  await run.setFaults({ latencyMs: 0, losingAnswers: true });
  for (let n = 0; n < 4; n++) await warmer(page, "tablet").click();
  await expect.poll(() => run.effectsOf("tablet"), { timeout: PATIENCE_MS }).not.toEqual([]);
  expect(Number(await pending(page, "tablet"))).toBeGreaterThan(0);
  await run.setFaults({ losingAnswers: false, failing: true });
  await expect
    .poll(() => card(page, "tablet").locator(".queue-words").textContent(), { timeout: PATIENCE_MS })
    .toMatch(/next try|careful try/i);
  await run.setFaults({ failing: false });
  await waits(page, "tablet", 0);
  expect(targets(await run.effectsOf("tablet"))).toEqual(warmed(4));
  const { replays } = await run.state();
  expect(replays).toBeGreaterThan(0);
});

test("Q1 without a server the page opens again, with the edits that wait", async () => {
  const page = await run.open();
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
  const { port } = run;
  expect(await run.stop("SIGINT")).toBe(0);
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
  await run.serve(port);
  await waits(page, "phone", 0);
  expect(targets(await run.effectsOf("phone"))).toEqual(warmed(3));
});

test("everything can be done by keyboard: offline and back, a switch, a step, a new name, a decision", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  const focused = (): Promise<string> =>
    page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  const tabTo = async (label: string): Promise<void> => {
    for (let n = 0; n < 120 && (await focused()) !== label; n++) await page.keyboard.press("Tab");
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
    .poll(async () => (await run.effectsOf("phone")).map(({ entityId }) => entityId))
    .toEqual(["bedside-lamp", "radiator", "radiator"]);
  expect((await run.effectsOf("phone")).at(-1)?.data).toMatchObject({ name: "Stove", state: { target: 19.5 } });

  await tabTo("Phone: network");
  await page.keyboard.press("Space");
  await tabTo("What waits");
  await page.keyboard.press("Enter");
  await tabTo("Stove: warmer");
  for (let n = 0; n < EDITS; n++) await page.keyboard.press("Enter");
  await waits(page, "phone", EDITS);
  await card(page, "phone").getByText("Set Stove to 20.0 °C").waitFor();
  await tabTo("Phone: network");
  await page.keyboard.press("Space");
  await waits(page, "phone", 0);
  const failed = card(page, "phone").locator("[data-failed]");
  expect(await failed.textContent()).toContain("Set Stove to 26.5 °C: not done");

  // Slow enough to be seen gone.
  await run.setFaults({ latencyMs: 1500 });
  await tabTo("Try again");
  await page.keyboard.press("Enter");
  await expect.poll(() => failed.count()).toBe(0);
  // What was pressed is gone, but not the place where it stood.
  expect(await focused()).toBe("Phone");
  await failed.waitFor();
  await tabTo("Give it up");
  await page.keyboard.press("Enter");
  await expect.poll(() => failed.count()).toBe(0);
  expect(await focused()).toBe("Phone");
});

test("X4 X5 labels of two people are both kept by themselves; of two names a person chooses, and only that device waits for it", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  const labels = (device: string): Promise<readonly string[]> =>
    card(page, device).locator("[data-entity=reading-lamp] .label").allTextContents();
  const label = async (device: string, words: string): Promise<void> => {
    await card(page, device).getByRole("button", { name: "Rename or remove Reading lamp" }).click();
    await card(page, device)
      .getByRole("textbox", { name: /^Labels of Reading lamp/ })
      .fill(words);
    await page.keyboard.press("Enter");
  };
  await network(page, "phone").click();
  await label("phone", "warm");
  await label("tablet", "reading");
  await expect.poll(async () => (await run.effectsOf("tablet")).length).toBe(1);
  await network(page, "phone").click();
  await waits(page, "phone", 0);
  expect(await card(page, "phone").locator("[data-merged]").textContent()).toContain("Both changes are kept");
  for (const device of ["phone", "tablet"])
    await expect.poll(async () => (await labels(device)).toSorted(), { timeout: PATIENCE_MS }).toEqual(["reading", "warm"]);

  await network(page, "phone").click();
  await rename(page, "phone", "Reading lamp", "Corner lamp");
  await card(page, "phone").getByRole("switch", { name: "Corner lamp" }).click();
  await warmer(page, "phone").click();
  await rename(page, "tablet", "Reading lamp", "Floor lamp");
  await expect.poll(async () => (await run.effectsOf("tablet")).length).toBe(2);
  await network(page, "phone").click();
  const lamp = card(page, "phone").locator("[data-entity=reading-lamp]");
  await expect.poll(() => lamp.locator(".note").textContent(), { timeout: PATIENCE_MS }).toBe("two versions, 1 behind it");
  // The radiator's edit did not wait for that.
  await expect.poll(async () => targets(await run.effectsOf("phone")).at(-1)).toBe(19.5);
  await waits(page, "phone", 1);
  await card(page, "phone").getByRole("button", { name: "Use both: “Floor lamp (Corner lamp)”" }).click();
  await waits(page, "phone", 0);
  const last = (await run.effectsOf("phone")).filter(({ entityId }) => entityId === "reading-lamp").at(-1);
  expect(last?.data).toMatchObject({ name: "Floor lamp (Corner lamp)", state: { on: true } });
});

test("what is refused, and what conflicts, is kept and can be decided", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  await rename(page, "phone", "Reading lamp", "Corner lamp");
  await rename(page, "tablet", "Reading lamp", "Floor lamp");
  await expect.poll(async () => (await run.effectsOf("tablet")).length).toBe(1);
  await network(page, "phone").click();
  await card(page, "phone").getByRole("button", { name: "Use “Corner lamp”" }).click();
  await expect.poll(async () => (await run.effectsOf("phone")).at(-1)?.data?.name, { timeout: PATIENCE_MS }).toBe("Corner lamp");
  await expect.poll(() => page.locator("[data-conflict]").count()).toBe(0);

  for (let n = 0; n < EDITS + 1; n++) await warmer(page, "tablet").click();
  const failed = card(page, "tablet").locator("[data-failed]");
  await failed.waitFor({ timeout: PATIENCE_MS });
  expect(await failed.textContent()).toContain("Set Radiator to 26.5 °C: not done");
  await failed.getByRole("button", { name: "Give it up" }).click();
  await expect.poll(() => failed.count()).toBe(0);
  await waits(page, "tablet", 0);
});

test("nothing moves under a finger while edits come and go, and every number is right", async () => {
  const page = await run.open({ prepare: (before) => before.addInitScript(watchShifts) });
  await warmer(page, "tablet").waitFor();
  await page.evaluate(() => shifts.splice(0));
  await card(page, "phone").getByRole("button", { name: "Make 20 edits" }).click();
  await expect
    .poll(() => card(page, "phone").locator(".legend").textContent(), { timeout: PATIENCE_MS })
    .toBe("0 waiting0 under way20 done");
  await expect.poll(() => page.locator("[data-effects]").textContent()).toBe("26");
  await expect.poll(() => page.locator("[data-entity] .note").count()).toBe(0);
  expect(await page.evaluate(() => shifts.filter((one) => one.closest("[data-device]")).map((one) => one.className))).toEqual([]);
  // Both devices and the server say the same of everything.
  const said = async (device: string): Promise<readonly string[]> =>
    (await card(page, device).locator("[data-entity] .row-state").allTextContents()).toSorted();
  await expect.poll(() => said("tablet")).toEqual(await said("phone"));
  expect((await page.locator(".documents .value").allTextContents()).toSorted()).toEqual(await said("phone"));
});

/** In the page: what was moved up or down. */
declare const shifts: Element[];
function watchShifts(): void {
  const moved: Element[] = [];
  Object.assign(globalThis, { shifts: moved });
  interface Shift extends PerformanceEntry {
    readonly sources: readonly { readonly node: Node | null; readonly previousRect: DOMRect; readonly currentRect: DOMRect }[];
  }
  const observer = new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries() as Shift[]) {
      for (const { node, previousRect, currentRect } of sources) {
        // Words that grow to the right of their line push nobody about.
        if (node instanceof Element && previousRect.top !== currentRect.top) moved.push(node);
      }
    }
  });
  observer.observe({ type: "layout-shift", buffered: true });
}

test("C2 a port that is taken is named, with what to do", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const address = other.address();
  const port = typeof address === "object" ? String(address?.port) : "";
  const { process: child, text } = run.start(port);
  const [code] = (await once(child, "exit")) as [number];
  expect([code, text()]).toEqual([1, expect.stringMatching(new RegExp(`^Port ${port} is taken .*PORT=8090 npm start\n$`))]);
  other.close();
});
