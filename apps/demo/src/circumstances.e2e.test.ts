import type { Page, Route } from "playwright";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { card, DemoRun, network, PATIENCE_MS, waits, warmer } from "./demo.test.support.ts";

let run: DemoRun;
beforeEach(async () => {
  run = new DemoRun();
  await run.serve();
});
afterEach(() => run.end());

/** All that a person reads about what is wrong. */
async function alertOf(page: Page, device: string): Promise<readonly string[]> {
  const alert = card(page, device).getByRole("alert");
  await alert.waitFor({ timeout: PATIENCE_MS });
  return alert.locator("h3, p, button, code").allTextContents();
}
const target = async (page: Page, device: string): Promise<string | null> =>
  card(page, device).locator("[data-entity=radiator] .row-state").textContent();

describe("a browser that stores nothing for this site", () => {
  const blocked =
    "Your browser does not let this site store data, so nothing that you do here could be kept. Allow it in the browser's settings, or use a normal window.";
  const absent =
    "This browser cannot store data for this site, so nothing that you do here could be kept. Use a normal window, or another browser.";

  test("because its user blocks site data: the page says so, and how to go on", async () => {
    // Setting 2 of Chromium: block.
    const page = await run.open({ preferences: { profile: { default_content_setting_values: { cookies: 2 } } } });
    await expect(page.evaluate(() => localStorage.length)).rejects.toThrow("SecurityError");
    for (const device of ["phone", "tablet"]) {
      expect(await alertOf(page, device)).toEqual(["There is no place for a queue", blocked, "Reload the page", "STORAGE_UNAVAILABLE"]);
    }
    // The rest of the page works.
    await page.getByText("What it holds").waitFor();
  });

  test.each([
    ["which opens nothing in a private window", "InvalidStateError", blocked],
    ["which has no IndexedDB", "", absent],
  ])("%s", async (_title, refusal, text) => {
    const page = await run.open({
      prepare: (before) =>
        before.addInitScript((name) => {
          if (name === "") Object.defineProperty(window, "indexedDB", { value: undefined });
          else {
            IDBFactory.prototype.open = (): never => {
              throw new DOMException("A mutation operation was attempted on a database that did not allow mutations.", name);
            };
          }
        }, refusal),
    });
    expect(await alertOf(page, "phone")).toEqual(["There is no place for a queue", text, "Reload the page", "STORAGE_UNAVAILABLE"]);
  });
});

test("Q4 Q8 a browser without space takes no edit, says so, keeps what it has, and goes on when there is space", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  await warmer(page, "phone").click();
  await waits(page, "phone", 1);
  const devtools = await page.context().newCDPSession(page);
  const setQuota = (quotaSize?: number): Promise<unknown> =>
    devtools.send("Storage.overrideQuotaForOrigin", { origin: run.url, ...(quotaSize === undefined ? {} : { quotaSize }) });
  const { usage } = await devtools.send("Storage.getUsageAndQuota", { origin: run.url });
  await setQuota(usage + 1_000_000);
  await page.evaluate(fill);
  await warmer(page, "phone").click();
  expect(await alertOf(page, "phone")).toEqual([
    "That was not done",
    "There is no space left to save this on your device. Free some space, then try again.",
    "Edits that were taken before are safe, and go on being sent.",
    "Close",
    "STORAGE_FULL",
  ]);
  // What is shown is what is kept.
  expect(await target(page, "phone")).toBe("19.5 °C1 pending");
  await waits(page, "phone", 1);
  await network(page, "phone").click();
  const stuck = "There is no space left to note what is sent, so nothing is. Everything is kept; free some space.";
  await card(page, "phone").getByText(stuck).waitFor({ timeout: PATIENCE_MS });
  expect(await run.effectsOf("phone")).toEqual([]);

  await setQuota();
  await page.evaluate(() => indexedDB.deleteDatabase("filler"));
  // By itself: the engine goes on trying.
  await waits(page, "phone", 0);
  await card(page, "phone").getByRole("button", { name: "Close", exact: true }).click();
  await warmer(page, "phone").click();
  await waits(page, "phone", 0);
  await expect.poll(async () => (await run.effectsOf("phone")).map(({ data }) => data?.state)).toEqual([{ target: 19.5 }, { target: 20 }]);
}, 180_000);

/** In the page: another database takes all the space that is left. */
async function fill(): Promise<void> {
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open("filler");
    request.onupgradeneeded = (): unknown => request.result.createObjectStore("bytes", { autoIncrement: true });
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(request.error);
  });
  for (let size = 262_144; size >= 16; size /= 4) {
    for (let isFull = false; !isFull; ) {
      isFull = await new Promise<boolean>((resolve) => {
        const tx = db.transaction("bytes", "readwrite", { durability: "strict" });
        tx.objectStore("bytes").add(crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536))));
        tx.oncomplete = (): void => resolve(false);
        tx.onabort = (): void => resolve(true);
      });
    }
  }
  db.close();
}

test("Q3 a queue whose key is gone: nothing is deleted, and the other device works", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  await warmer(page, "phone").click();
  await waits(page, "phone", 1);
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const request = indexedDB.open("demo-phone");
        request.onsuccess = (): void => {
          const tx = request.result.transaction("keys", "readwrite");
          tx.objectStore("keys").clear();
          tx.oncomplete = (): void => {
            request.result.close();
            resolve();
          };
        };
      }),
  );
  await page.reload();
  expect(await alertOf(page, "phone")).toEqual([
    "The key to this queue is missing",
    "The changes kept on this device cannot be read, because their key is missing. Nothing was deleted.",
    "To begin anew without them, clear this site’s data in the browser.",
    "Reload the page",
    "WRONG_KEY",
  ]);
  await warmer(page, "tablet").click();
  await expect.poll(async () => (await run.effectsOf("tablet")).length).toBe(1);
});

test("Q1 two versions of the app: the older one steps aside, and loses nothing", async () => {
  const page = await run.open();
  await warmer(page, "phone").waitFor();
  await network(page, "phone").click();
  await warmer(page, "phone").click();
  await waits(page, "phone", 1);
  const newer = await page.context().newPage();
  await newer.goto(`${run.url}/icon.svg`);
  const versionOfNext = 99;
  const records = await newer.evaluate(
    (version) =>
      new Promise<number>((resolve) => {
        const request = indexedDB.open("demo-phone", version);
        request.onsuccess = (): void => {
          const segments = request.result.transaction("segments").objectStore("segments").count();
          segments.onsuccess = (): void => {
            request.result.close();
            resolve(segments.result);
          };
        };
      }),
    versionOfNext,
  );
  expect(records).toBe(1);
  expect(await alertOf(page, "phone")).toEqual([
    "The queue was closed",
    "This app was updated in another tab. Nothing is lost. Reload the page.",
    "Reload the page",
    "STORAGE_UNAVAILABLE",
  ]);
  await card(page, "phone").getByRole("button", { name: "Reload the page" }).click();
  await card(page, "phone").getByText("A newer version was here").waitFor();
  expect(await alertOf(page, "phone")).toEqual([
    "A newer version was here",
    "A newer version of this app has been used in this browser. Nothing is lost. Reload the page, or close all its tabs and open it again.",
    "Reload the page",
    "STORE_NEWER",
  ]);
  await warmer(page, "tablet").waitFor();
});

test.each([
  ["ahead of", 86_400_000],
  ["behind", -86_400_000],
])("Q2 a clock that is a day %s the server's: edits arrive, in order, and it is said", async (words, shiftMs) => {
  const page = await run.open({ prepare: (before) => before.addInitScript(shiftClock, shiftMs) });
  await warmer(page, "phone").waitFor();
  await card(page, "phone")
    .getByText(`This device’s clock is 1 day ${words} the server’s. Edits arrive all the same, and in order: no clock decides that.`)
    .waitFor();
  for (let n = 0; n < 3; n++) await warmer(page, "phone").click();
  await expect
    .poll(async () => (await run.effectsOf("phone")).map(({ data }) => data?.state), { timeout: PATIENCE_MS })
    .toEqual([{ target: 19.5 }, { target: 20 }, { target: 20.5 }]);
  await waits(page, "phone", 0);
  expect(await page.getByRole("alert").count()).toBe(0);
});

/** In the page, before anything runs: its wall clock is off, and its intervals are right. */
function shiftClock(ms: number): void {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args: [number?]) {
      super(...((args.length === 0 ? [RealDate.now() + ms] : args) as [number]));
    }
    static override now(): number {
      return RealDate.now() + ms;
    }
  } as DateConstructor;
}

test("a server that cannot be reached at the first start: the page waits in words, and begins by itself", async () => {
  const noAnswer = (route: Route): Promise<void> => route.abort();
  const page = await run.open({ prepare: (before) => before.route("**/api/**", noAnswer) });
  await card(page, "phone").getByText("Nothing waits. The server has not been reached yet.").waitFor();
  const text = "The server does not answer. This device goes on trying by itself, and shows the home as soon as it has been read.";
  await card(page, "phone").getByText(text).waitFor();
  await network(page, "tablet").click();
  await card(page, "tablet")
    .getByText("Nothing has been read from the server yet. Bring this device online once, and it knows the home from then on.")
    .waitFor();
  await page.unroute("**/api/**", noAnswer);
  await warmer(page, "phone").waitFor({ timeout: PATIENCE_MS });
  await card(page, "phone").getByText("Nothing waits. Everything is at the server.").waitFor();
});
