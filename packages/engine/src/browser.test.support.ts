// What the tests in real Chromium share: the script of a page that has the engine, and servers of other origins.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { ALLOWED_HEADERS, EXPOSED_HEADERS, type Json } from "@guardian-sync/protocol";
import { build, type Rolldown } from "vite";
import type { createSyncEngine, SyncEngine } from "./browser.ts";
import type { fetchTransport } from "./platform/browser.ts";
import type { indexedDbStore } from "./storage/indexeddb.ts";
import type { TinyBackend } from "./testing/tiny-backend.ts";

/** What the page has under `guardian`. */
export interface Guardian {
  readonly createSyncEngine: typeof createSyncEngine;
  readonly fetchTransport: typeof fetchTransport;
  readonly indexedDbStore: typeof indexedDbStore;
  engine: SyncEngine;
  transport: ReturnType<typeof fetchTransport>;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const ENTRY = here("./page.js");
const PAGE = `
  import { createSyncEngine } from ${JSON.stringify(here("./browser.ts"))};
  import { fetchTransport } from ${JSON.stringify(here("./platform/browser.ts"))};
  import { indexedDbStore } from ${JSON.stringify(here("./storage/indexeddb.ts"))};
  globalThis.guardian = { createSyncEngine, fetchTransport, indexedDbStore };`;

/** The entry first. */
async function pageScripts(): Promise<readonly Rolldown.OutputChunk[]> {
  const page: Rolldown.Plugin = {
    name: "page",
    resolveId: (source) => (source === ENTRY ? ENTRY : null),
    load: (id) => (id === ENTRY ? PAGE : null),
  };
  const { output } = (await build({
    configFile: false,
    logLevel: "silent",
    plugins: [{ ...page, enforce: "pre" }],
    resolve: { conditions: ["source", "browser"] },
    build: { write: false, minify: false, rolldownOptions: { input: ENTRY } },
  })) as Rolldown.RolldownOutput;
  return output.filter((file) => file.type === "chunk").toSorted((a, b) => Number(b.isEntry) - Number(a.isEntry));
}

let scripts: Promise<readonly Rolldown.OutputChunk[]> | undefined;
/** A site whose one page has the engine. */
export async function listenAsSite(): Promise<string> {
  scripts ??= pageScripts();
  const files = new Map((await scripts).map(({ fileName, code }) => [`/${fileName}`, code]));
  const [entry] = files.keys();
  return listen((request, response) => {
    const code = files.get(request.url ?? "");
    if (code !== undefined) response.setHeader("Content-Type", "text/javascript").end(code);
    else response.setHeader("Content-Type", "text/html").end(`<!doctype html><script type="module" src="${entry}"></script>`);
  });
}

/** The requests for the code that sends, which a page loads after it has begun. */
export const LATER_CODE = "**/processing-*.js";

export type Listener = (request: IncomingMessage, response: ServerResponse) => void;
const closers: (() => Promise<void>)[] = [];
export async function listen(listener: Listener): Promise<string> {
  const server = createServer(listener);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
/** A backend that lets pages of every origin in. */
export const permitting =
  (listener: Listener): Listener =>
  (request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS.join(","));
    response.setHeader("Access-Control-Allow-Headers", ALLOWED_HEADERS.join(","));
    response.setHeader("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE");
    if (request.method === "OPTIONS") response.writeHead(204).end();
    else listener(request, response);
  };
/** An origin where nobody listens any more. */
export async function deserted(): Promise<string> {
  const origin = await listen(() => {});
  await closers.pop()?.();
  return origin;
}

/** Ends every server. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

/** The tiny backend behind a socket; while it `isDown`, a gateway answers 503. */
export async function serve(backend: TinyBackend): Promise<{ readonly origin: string; isDown: boolean }> {
  const names = new Map<string, string>(ALLOWED_HEADERS.map((name) => [name.toLowerCase(), name]));
  const served = { origin: "", isDown: false };
  served.origin = await listen(
    permitting((asked, response) => {
      const chunks: Buffer[] = [];
      asked.on("data", (chunk: Buffer) => chunks.push(chunk));
      asked.on("end", () => {
        if (served.isDown) return response.writeHead(503, { "Retry-After": "1" }).end();
        const body = Buffer.concat(chunks).toString();
        const headers = Object.fromEntries(Object.entries(asked.headers).map(([name, value]) => [names.get(name) ?? name, String(value)]));
        const path = asked.url ?? "";
        const seen = { method: asked.method as "GET", url: served.origin + path, headers, body, path, at: Date.now(), timeoutMs: 30_000 };
        const done = backend.answer({ ...seen, json: body === "" ? null : (JSON.parse(body) as Json) });
        if (done.kind === "answer") response.writeHead(done.status, done.headers).end(done.body);
        return undefined;
      });
    }),
  );
  return served;
}

/** In the page: opens the queue of this site. */
export async function openInPage(baseUrl: string): Promise<void> {
  guardian.engine = await guardian.createSyncEngine({
    store: guardian.indexedDbStore({ name: "queue" }),
    backend: { baseUrl, session: () => ({ account: { space: "home", principal: "ada" }, token: "t" }) },
    backoff: { baseMs: 200, maxDelayMs: 1000 },
  });
}
/** In the page: queues an update for each of these devices. */
export async function enqueueInPage(ids: readonly string[]): Promise<void> {
  await guardian.engine.enqueueMany(
    ids.map((entityId) => ({ type: "UPDATE", entityType: "device", entityId, payload: { name: entityId } }) as const),
  );
}
declare const guardian: Guardian;
