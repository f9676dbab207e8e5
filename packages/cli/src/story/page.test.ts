import { runInNewContext } from "node:vm";
import type { PlainResponse } from "@guardian-sync/server";
import { expect, test } from "vitest";
import { pages } from "./page.ts";

const get = (path: string, method = "GET"): Promise<PlainResponse | undefined> =>
  pages(() => ({ cast: undefined, house: undefined }))({
    method,
    path,
    query: {},
    headers: {},
    body: new Uint8Array(),
    remoteAddress: null,
  });

test("the pages answer for themselves only; everything else is the server's", async () => {
  for (const path of ["/", "/story/page.css", "/story/page.js", "/story/state.json"])
    expect(await get(path)).toMatchObject({ status: 200 });
  expect(await get("/", "HEAD")).toMatchObject({ status: 200 });
  expect(await get("/", "POST")).toBeUndefined();
  for (const path of ["/health", "/metrics", "/api/v1/rooms", "/story/", "/story/page.js/x"]) expect(await get(path)).toBeUndefined();
  expect(JSON.parse((await get("/story/state.json"))?.body ?? "")).toEqual({ devices: [], entities: [], head: 0, changes: [] });
});

/** As much of a browser's document as the page's script uses. */
class Element {
  textContent = "Reading…";
  className = "";
  children: Element[] = [];
  append(...children: Element[]): void {
    this.children.push(...children);
  }
  replaceChildren(...children: Element[]): void {
    this.children = children;
  }
  setAttribute(): void {}
  get text(): string {
    return this.children.length === 0 ? this.textContent : this.children.map((child) => child.text).join(" ");
  }
}

test("E1 the page's script writes what the server says as text, and says when it is gone", async () => {
  const script = (await get("/story/page.js"))?.body ?? "";
  const elements = new Map<string, Element>();
  const html = (await get("/"))?.body ?? "";
  for (const [, id] of html.matchAll(/ id="([^"]+)"/g)) elements.set(id as string, new Element());
  const state = {
    devices: [
      {
        name: "A",
        pid: null,
        is_online: false,
        lives: 2,
        enqueued: 3,
        succeeded: 2,
        waiting: 1,
        failed: 0,
        is_balanced: true,
        effects: 2,
        replays: 1,
      },
    ],
    entities: [{ type: "room", id: "<b>r1</b>", version: 2, data: { id: "r1", name: "<script>", version: 2 } }],
    head: 7,
    changes: [{ seq: 7, kind: "put", entity: "room/r1", version: 2, device: "A", operationId: "o7" }],
  };
  let isUp = true;
  const later: (() => unknown)[] = [];
  const look = async (): Promise<void> => {
    await later.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  runInNewContext(script, {
    document: { getElementById: (id: string) => elements.get(id), createElement: () => new Element() },
    fetch: () => (isUp ? Promise.resolve({ text: () => Promise.resolve(JSON.stringify(state)) }) : Promise.reject(new Error("gone"))),
    setTimeout: (act: () => unknown) => later.push(act),
  });
  await look();
  expect(elements.get("live")?.text).toBe("Live: looks again every 2 seconds");
  expect(elements.get("devices")?.text).toContain("Device A ended, process number 2");
  expect(elements.get("entities")?.text).toContain('<b>r1</b> 2 {"name":"<script>"}');
  expect(elements.get("changes")?.text).toContain("7 put room/r1 2 device A o7");
  isUp = false;
  await look();
  expect(elements.get("live")?.text).toContain("The server has stopped");
  isUp = true;
  await look();
  expect(elements.get("live")?.className).toBe("");
  expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacent|document\.write|eval/);
});
