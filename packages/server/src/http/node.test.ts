import { createServer, type IncomingMessage, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { memoryStorage } from "../storage/memory.ts";
import { contractCollections, contractOperations } from "../testing/contract-world.ts";
import { ListenError, type Listening, listen, nodeListener } from "./node.ts";
import { createSyncServer, type SyncServer } from "./server.ts";

let server: SyncServer;
let http: Listening;
const token = { authorization: "Bearer ada" };
const meta = { trace_id: "00000000-0000-4000-8000-000000000000", timestamp: new Date().toISOString() };

function makeServer(): SyncServer {
  return createSyncServer({
    storage: memoryStorage(),
    collections: contractCollections,
    operations: contractOperations,
    authenticate: ({ headers }) => (headers.authorization === token.authorization ? { principal: "ada", space: "home", roles: [] } : null),
  });
}
beforeEach(async () => {
  server = makeServer();
  http = await listen(server);
});
afterEach(() => http.close({ deadlineMs: 100 }));

const write = (body: NonNullable<RequestInit["body"]>, headers: { readonly [name: string]: string } = {}): Promise<Response> =>
  fetch(`${http.url}/api/v1/devices`, {
    method: "POST",
    body,
    headers: { ...token, "content-type": "application/json", "idempotency-key": crypto.randomUUID(), ...headers },
  });

describe("over real HTTP", () => {
  test("a document goes in and comes out", async () => {
    const created = await write(JSON.stringify({ meta, payload: { id: "d1", name: "lamp" } }));
    expect([created.status, created.headers.get("location"), created.headers.get("etag")]).toEqual([201, "/api/v1/devices/d1", '"v1"']);
    const read = await fetch(`${http.url}/api/v1/devices/d1?x=1`, { headers: token });
    expect(((await read.json()) as { data: unknown }).data).toMatchObject({ id: "d1", name: "lamp", version: 1 });
    const fresh = await fetch(`${http.url}/api/v1/devices/d1`, { headers: { ...token, "if-none-match": '"v1"' } });
    expect([fresh.status, await fresh.text()]).toEqual([304, ""]);
    const removed = await fetch(`${http.url}/api/v1/devices/d1`, {
      method: "DELETE",
      headers: { ...token, "idempotency-key": crypto.randomUUID() },
    });
    expect([removed.status, await removed.text()]).toEqual([204, ""]);
  });

  test("a compressed body is read, one that is too large is 413 before it has all been sent", async () => {
    const json = JSON.stringify({ meta, payload: { name: "x".repeat(5000) } });
    expect((await write(gzipSync(json), { "content-encoding": "gzip" })).status).toBe(201);
    expect(await statusOfEndless()).toBe(413);
    expect((await write(JSON.stringify({ meta, payload: { name: "still here" } }))).status).toBe(201);
  });

  test("HEAD has the headers of GET and no body", async () => {
    const answer = await fetch(`${http.url}/api/v1/devices`, { method: "HEAD", headers: token });
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
  });

  test("what is no HTTP does not harm the server", async () => {
    for (const garbage of [
      "\0\0\0",
      "GET /\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
      "GET //evil HTTP/1.1\r\nHost: x\r\n\r\n",
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(http.port, "127.0.0.1", () => socket.end(garbage));
        socket.on("error", () => {});
        socket.on("close", () => resolve());
        socket.resume();
      });
    }
    expect((await fetch(`${http.url}/health`)).status).toBe(200);
  });

  test("a long poll ends when its caller hangs up", async () => {
    const gone = new AbortController();
    const poll = fetch(`${http.url}/api/v1/sync/changes?wait=20`, { headers: token, signal: gone.signal });
    await waitFor(async () => (await metric("guardian_sync_server_long_polls")) === 1);
    gone.abort();
    await expect(poll).rejects.toThrow();
    await waitFor(async () => (await metric("guardian_sync_server_long_polls")) === 0);
  });

  test("closing answers long polls at once and finishes", async () => {
    const poll = fetch(`${http.url}/api/v1/sync/changes?wait=20`, { headers: token });
    await waitFor(async () => (await metric("guardian_sync_server_long_polls")) === 1);
    const startedAt = performance.now();
    await http.close();
    expect((await poll).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(2000);
    await expect(fetch(`${http.url}/health`)).rejects.toThrow();
  });

  test("the caller's address is the socket's, or what trusted proxies say", async () => {
    const seen: (string | null)[] = [];
    const echo = {
      maxBodyBytes: 1000,
      handle: async ({ remoteAddress }: { readonly remoteAddress: string | null }) => {
        seen.push(remoteAddress);
        return { status: 200, headers: {}, body: "" };
      },
    };
    for (const trustedProxies of [0, 1, 2, 3]) {
      const plain = createServer(nodeListener(echo, { trustedProxies }));
      await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
      const address = plain.address();
      const port = typeof address === "object" ? address?.port : 0;
      await fetch(`http://127.0.0.1:${port}/`, { headers: { "x-forwarded-for": "6.6.6.6, 1.2.3.4" } });
      plain.closeAllConnections();
      plain.close();
    }
    expect(seen).toEqual(["127.0.0.1", "1.2.3.4", "6.6.6.6", "127.0.0.1"]);
  });
});

describe("listening", () => {
  test("on a port in use says which, and what to do", async () => {
    const error = await listen(makeServer(), { port: http.port }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: "PORT_IN_USE", message: expect.stringContaining(String(http.port)) });
  });

  test("on an address of another machine, or with nonsense, is refused", async () => {
    await expect(listen(makeServer(), { host: "203.0.113.1" })).rejects.toMatchObject({ code: "ADDRESS_UNAVAILABLE" });
    await expect(listen(makeServer(), { port: 70_000 })).rejects.toThrow(RangeError);
    await expect(listen(makeServer(), { trustedProxies: -1 })).rejects.toThrow(RangeError);
  });
});

describe("the Fetch API", () => {
  test("is served by the same handler", async () => {
    const post = (body: NonNullable<RequestInit["body"]>): Promise<Response> =>
      server.fetch(
        new Request("https://sync.example/api/v1/devices?x=1", {
          method: "POST",
          body,
          headers: { ...token, "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
        }),
      );
    const created = await post(JSON.stringify({ meta, payload: { id: "d1", name: "lamp" } }));
    expect([created.status, created.headers.get("etag")]).toEqual([201, '"v1"']);
    expect((await post("x".repeat(2_000_000))).status).toBe(413);
    const read = (more: { readonly [name: string]: string }): Promise<Response> =>
      server.fetch(new Request("https://sync.example/api/v1/devices/d1", { headers: { ...token, ...more } }));
    expect((await read({})).status).toBe(200);
    expect((await read({ "if-none-match": '"v1"' })).status).toBe(304);
  });
});

async function metric(name: string): Promise<number | undefined> {
  const { gauges } = (await (await fetch(`${http.url}/metrics.json`)).json()) as { gauges: { [name: string]: number } };
  return gauges[name];
}

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it did not come to hold within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Sends without end; the status that came although the body never ended. */
function statusOfEndless(): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { ...token, "content-type": "application/json", "idempotency-key": crypto.randomUUID() };
    const sending = httpRequest(`${http.url}/api/v1/devices`, { method: "POST", headers });
    let answered = false;
    sending.on("response", (answer: IncomingMessage) => {
      answered = true;
      resolve(answer.statusCode ?? 0);
      answer.resume();
      sending.destroy();
    });
    sending.on("error", (error) => !answered && reject(error));
    const chunk = Buffer.alloc(65_536, "x");
    const push = (): void => {
      if (!answered && !sending.destroyed) sending.write(chunk, () => setImmediate(push));
    };
    push();
  });
}
