// The browser entry in real Chromium: pages of one origin, backends of others, and the browser's own rules between them.
import { HEADERS } from "@guardian-sync/protocol";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromiumPath } from "../../../scripts/chromium.mjs";
import {
  closeAll,
  deserted,
  enqueueInPage,
  type Guardian,
  LATER_CODE,
  listen,
  listenAsSite,
  openInPage,
  permitting,
  serve,
} from "./browser.test.support.ts";
import type { Exchange, HttpRequest } from "./ports/index.ts";
import { TinyBackend } from "./testing/tiny-backend.ts";

/** In the page. */
declare const guardian: Guardian;

let browser: Browser;
let context: BrowserContext;
beforeAll(async () => {
  const args = process.getuid?.() === 0 ? ["--no-sandbox", "--disable-dev-shm-usage"] : [];
  browser = await chromium.launch({ executablePath: chromiumPath() ?? "chromium", args });
});
afterAll(() => browser.close());

let site: string;
beforeEach(async () => {
  context = await browser.newContext();
  site = await listenAsSite();
});
afterEach(async () => {
  await context.close();
  await closeAll();
});
async function newPage(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(site);
  await page.waitForFunction(() => typeof guardian === "object");
  return page;
}

const request = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "POST",
  url,
  headers: { [HEADERS.contentType]: "application/json", [HEADERS.authorization]: "Bearer t" },
  body: "{}",
  timeoutMs: 4000,
  ...more,
});
const exchange = (page: Page, one: HttpRequest): Promise<Exchange> =>
  page.evaluate((asked) => {
    guardian.transport ??= guardian.fetchTransport();
    return guardian.transport.exchange(asked);
  }, one);
async function failures(page: Page, one: HttpRequest, count: number): Promise<readonly string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i++) {
    const done = await exchange(page, one);
    all.push(done.kind === "failure" ? done.failure : `answered ${done.status}`);
  }
  return all;
}

describe("fetch in a page", () => {
  test("A1 an answer of another origin is read, with the headers that it exposes and without the others", async () => {
    const api = await listen(
      permitting((_request, response) =>
        response.writeHead(503, { "Retry-After": "7", "Trace-Id": "hidden", "Content-Type": "text/plain" }).end("ü"),
      ),
    );
    const done = await exchange(await newPage(), request(api));
    expect(done).toMatchObject({ kind: "answer", status: 503, body: "ü", headers: { "retry-after": "7", "content-type": "text/plain" } });
    expect(done.kind === "answer" && done.headers).not.toHaveProperty("trace-id");
  });

  test("R3 CORS that refuses is suspected at the second failure, and not of an origin that once let us read", async () => {
    const page = await newPage();
    expect(await failures(page, request(await listen((_request, response) => response.end("{}"))), 3)).toEqual([
      "reset",
      "cors_suspected",
      "cors_suspected",
    ]);
    let isPermitting = true;
    const open = permitting((_request, response) => response.end("{}"));
    const fickle = await listen((asked, response) => (isPermitting ? open(asked, response) : response.end("{}")));
    expect(await failures(page, request(fickle), 1)).toEqual(["answered 200"]);
    isPermitting = false;
    expect(await failures(page, request(fickle), 3)).toEqual(["reset", "reset", "reset"]);
  });

  test("R3 an origin that is not there is no question of CORS, and a browser that is offline says so", async () => {
    const page = await newPage();
    const nowhere = request(await deserted());
    expect(await failures(page, nowhere, 3)).toEqual(["reset", "reset", "reset"]);
    await context.setOffline(true);
    expect(await failures(page, nowhere, 1)).toEqual(["offline"]);
  });

  test.each([
    ["another origin", async (): Promise<string> => `${await listen(permitting((_request, response) => response.end("stolen")))}/there`],
    ["the same one", (): string => "/there"],
  ])("A4 E2 a redirect to %s asks for a login, and nothing is sent after it", async (_where, target) => {
    const location = await target();
    const paths: string[] = [];
    const api = await listen(
      permitting((asked, response) => {
        paths.push(asked.url ?? "");
        if (asked.url === "/there") response.end("followed");
        else response.writeHead(307, { Location: location }).end();
      }),
    );
    expect(await failures(await newPage(), request(api), 1)).toEqual(["login_required"]);
    expect(paths).toEqual(["/"]);
  });

  test("R3 silence and half an answer end in time; an endless one is cut", async () => {
    const api = await listen(
      permitting((asked, response) => {
        if (asked.url === "/silent") return;
        if (asked.url === "/half") response.writeHead(200, { "Content-Length": "100" }).write("short", () => response.destroy());
        else if (asked.url === "/slow") response.write("and then");
        else {
          const write = (): void => {
            while (!response.destroyed && response.write("x".repeat(65_536)));
            if (!response.destroyed) response.once("drain", write);
          };
          write();
        }
      }),
    );
    const page = await newPage();
    expect(await failures(page, request(`${api}/silent`, { timeoutMs: 200 }), 1)).toEqual(["timeout"]);
    expect(await failures(page, request(`${api}/slow`, { timeoutMs: 200 }), 1)).toEqual(["timeout"]);
    expect(await failures(page, request(`${api}/half`), 1)).toEqual(["reset"]);
    const lengthOfEndless = await page.evaluate(
      async (asked) => {
        const done = await guardian.fetchTransport({ maxBodyBytes: 100_000 }).exchange(asked);
        return done.kind === "answer" ? done.body.length : -1;
      },
      request(`${api}/endless`),
    );
    expect(lengthOfEndless).toBe(100_000);
  });

  test("A1 a body is compressed when its header says so", async () => {
    const encodings: unknown[] = [];
    const api = await listen(
      permitting((asked, response) => {
        encodings.push(asked.headers["content-encoding"], Number(asked.headers["content-length"]) < 1000);
        response.end();
      }),
    );
    const headers = { [HEADERS.contentEncoding]: "gzip" };
    expect(await failures(await newPage(), request(api, { headers, body: "x".repeat(10_000) }), 1)).toEqual(["answered 200"]);
    expect(encodings).toEqual(["gzip", true]);
  });
});

describe("an engine in a page", () => {
  test("Q1 Q2 sends what was queued, in order, also what an earlier page left", async () => {
    const backend = new TinyBackend();
    const served = await serve(backend);
    const page = await newPage();
    served.isDown = true;
    await page.evaluate(openInPage, served.origin);
    await page.evaluate(enqueueInPage, ["a", "b"]);
    await page.reload();
    await page.waitForFunction(() => typeof guardian === "object");
    served.isDown = false;
    await page.evaluate(openInPage, served.origin);
    await page.evaluate(enqueueInPage, ["c"]);
    expect(await page.evaluate(() => guardian.engine.drain({ timeoutMs: 15_000 }))).toEqual({ empty: true });
    expect(backend.appliedIds).toEqual(["a", "b", "c"]);
    expect(await page.evaluate(() => guardian.engine.status())).toMatchObject({ succeeded: 3, conserved: true, lock: null });
  });

  test("Q1 without the code that sends it takes operations in and says what is missing; when the code can be had, they go out", async () => {
    const backend = new TinyBackend();
    const served = await serve(backend);
    const page = await newPage();
    await page.route(LATER_CODE, (route) => route.abort());
    await page.evaluate(openInPage, served.origin);
    await page.evaluate(enqueueInPage, ["a", "b"]);
    await page.waitForFunction(async () => (await guardian.engine.status()).reason === "code_unavailable");
    expect(await page.evaluate(() => guardian.engine.status())).toMatchObject({ state: "waiting", pending: 2, conserved: true });
    expect(await page.evaluate(() => guardian.engine.failed.list().catch(({ code }: { code: string }) => code))).toBe("CODE_UNAVAILABLE");
    await page.unroute(LATER_CODE);
    expect(await page.evaluate(() => guardian.engine.drain({ timeoutMs: 15_000 }))).toEqual({ empty: true });
    expect(backend.appliedIds).toEqual(["a", "b"]);
    await page.evaluate(() => guardian.engine.close());
  });

  test("Q1 a page that goes offline once it has its code sends without loading anything when it is back", async () => {
    const backend = new TinyBackend();
    const served = await serve(backend);
    const page = await newPage();
    const arrived = page.waitForResponse(LATER_CODE);
    await page.evaluate(openInPage, served.origin);
    await (await arrived).finished();
    await page.route(LATER_CODE, (route) => route.abort());
    await context.setOffline(true);
    await page.evaluate(enqueueInPage, ["a"]);
    await page.waitForFunction(async () => (await guardian.engine.status()).reason === "offline");
    expect(await page.evaluate(() => guardian.engine.status())).toMatchObject({ state: "waiting", pending: 1 });
    await context.setOffline(false);
    expect(await page.evaluate(() => guardian.engine.drain({ timeoutMs: 15_000 }))).toEqual({ empty: true });
    expect(backend.appliedIds).toEqual(["a"]);
  });
});
