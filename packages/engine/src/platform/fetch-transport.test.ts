import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { brotliCompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { Exchange, HttpRequest, Transport } from "../ports/index.ts";
import { type FetchTransportOptions, fetchTransport } from "./fetch-transport.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function http(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
function transport(options?: FetchTransportOptions): Transport {
  const made = fetchTransport(options);
  cleanups.push(() => made.close());
  return made;
}
const get = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({ method: "GET", url, headers: {}, timeoutMs: 5000, ...more });
const post = (url: string, body = '{"a":1}', more: Partial<HttpRequest> = {}): HttpRequest => ({ ...get(url, more), method: "POST", body });
const failure = (exchange: Exchange): string => (exchange.kind === "failure" ? exchange.failure : `answered ${exchange.status}`);
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
/** Answers with what arrived. */
const echo: RequestListener = (request, response) => {
  void bodyOf(request).then((body) => {
    response.setHeader("Content-Type", "application/json");
    response.setHeader("X-Two", ["a", "b"]);
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body: body.toString() }));
  });
};

describe("an exchange by fetch", () => {
  test("A1 carries method, path, headers and body, and brings status, lower-case headers and body", async () => {
    const exchange = await transport().exchange(post(`${await http(echo)}/a/b?c=d%20e`, '{"ü":1}', { headers: { "X-Attempt": "2" } }));
    expect(exchange).toMatchObject({ kind: "answer", status: 200, headers: { "content-type": "application/json", "x-two": "a, b" } });
    if (exchange.kind !== "answer") return;
    expect(JSON.parse(exchange.body)).toMatchObject({
      method: "POST",
      url: "/a/b?c=d%20e",
      headers: { "x-attempt": "2" },
      body: '{"ü":1}',
    });
    expect(exchange.elapsedMs).toBeGreaterThanOrEqual(0);
    expect(exchange.crossOrigin).toBeUndefined();
  });
  test("A1 an error status is an answer like any other, and so is one without a body", async () => {
    const base = await http((request, response) => {
      if (request.url === "/none") response.writeHead(204).end();
      else response.writeHead(503, { "Retry-After": "7" }).end("no");
    });
    const one = transport();
    expect(await one.exchange(get(base))).toMatchObject({ kind: "answer", status: 503, headers: { "retry-after": "7" }, body: "no" });
    expect(await one.exchange(post(`${base}/none`))).toMatchObject({ kind: "answer", status: 204, body: "" });
  });
  test("A1 E2 cookies and caches have no part in it", async () => {
    let seen: RequestInit | undefined;
    const one = transport({
      fetch: (input, init) => {
        seen = init;
        return fetch(input, init);
      },
    });
    await one.exchange(post(await http(echo)));
    expect(seen).toMatchObject({ credentials: "omit", cache: "no-store", redirect: "manual" });
  });
  test("A1 a body is compressed when its header says so, and an answer is read when it was", async () => {
    let received = "";
    const base = await http((request, response) => {
      void bodyOf(request).then((body) => {
        received = gunzipSync(body).toString();
        const encoding = request.url === "/br" ? "br" : "gzip";
        response
          .writeHead(200, { "Content-Encoding": encoding })
          .end(encoding === "br" ? brotliCompressSync("compressed") : gzipSync("compressed"));
      });
    });
    const headers = { "Content-Encoding": "gzip" };
    expect(await transport().exchange(post(base, "x".repeat(5000), { headers }))).toMatchObject({ body: "compressed" });
    expect(received).toBe("x".repeat(5000));
    expect(await transport().exchange(post(`${base}/br`, "", { headers }))).toMatchObject({ body: "compressed" });
  });
  test("A1 Q7 an endless answer is cut at the bound, and so is one that only grows when it is unpacked", async () => {
    let closed = 0;
    const base = await http((request, response) => {
      response.on("close", () => {
        closed += 1;
      });
      if (request.url === "/bomb") {
        response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync(Buffer.alloc(10_000_000)));
        return;
      }
      const write = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
        if (!response.destroyed) response.once("drain", write);
      };
      write();
    });
    const one = transport({ maxBodyBytes: 100_000 });
    for (const path of ["/", "/bomb"]) {
      const cut = await one.exchange(get(base + path));
      expect(cut.kind === "answer" && cut.body.length).toBe(100_000);
    }
    await expect.poll(() => closed).toBe(2);
  });
  test("A1 Q7 a letter of several bytes at the bound does no harm", async () => {
    const base = await http((_request, response) => response.end("aü"));
    const cut = await transport({ maxBodyBytes: 2 }).exchange(get(base));
    expect(cut).toMatchObject({ kind: "answer", body: "a�" });
  });
});

describe("redirects by fetch", () => {
  const redirecting =
    (status: number, location: string): RequestListener =>
    (request, response) => {
      if (request.url === "/there") echo(request, response);
      else response.writeHead(status, { Location: location }).end();
    };
  test.each([307, 308])("A1 %i within the origin is followed with the same method, body and headers", async (status) => {
    const headers = { Authorization: "Bearer t" };
    const exchange = await transport().exchange(post(await http(redirecting(status, "/there")), "body", { headers }));
    expect(exchange).toMatchObject({ kind: "answer", status: 200 });
    if (exchange.kind === "answer")
      expect(JSON.parse(exchange.body)).toMatchObject({ method: "POST", body: "body", headers: { authorization: "Bearer t" } });
  });
  test.each([300, 301, 302, 303])("A1 %i is reported, not followed", async (status) => {
    const exchange = await transport().exchange(post(await http(redirecting(status, "/there"))));
    expect(exchange).toMatchObject({ kind: "answer", status });
    expect(exchange.kind === "answer" && exchange.crossOrigin).toBeFalsy();
  });
  test.each([301, 302, 307, 308])("A4 E2 %i to another origin is reported as such, and nothing is sent there", async (status) => {
    let reached = false;
    const other = await http((_request, response) => {
      reached = true;
      response.end();
    });
    const exchange = await transport().exchange(
      post(await http(redirecting(status, `${other}/there`)), "secret", { headers: { Authorization: "Bearer t" } }),
    );
    expect(exchange).toMatchObject({ kind: "answer", status, crossOrigin: true });
    expect(reached).toBe(false);
  });
  test("A1 a circle ends, and a redirect without a target, or to no address, is an answer", async () => {
    expect(await transport().exchange(post(await http(redirecting(307, "/"))))).toMatchObject({ kind: "answer", status: 307 });
    expect(await transport().exchange(post(await http(redirecting(307, "http://["))))).toMatchObject({ kind: "answer", status: 307 });
    const base = await http((_request, response) => response.writeHead(307).end());
    expect(await transport().exchange(post(base))).toMatchObject({ kind: "answer", status: 307 });
  });
  test("A1 E2 a browser hides where a redirect leads: somebody wants a login, and nothing follows", async () => {
    const asked: string[] = [];
    const hidden = Object.defineProperty(Response.error(), "type", { value: "opaqueredirect" });
    const one = transport({
      fetch: (input) => {
        asked.push(String(input));
        return Promise.resolve(hidden);
      },
    });
    expect(failure(await one.exchange(post("https://api.example.test/x")))).toBe("login_required");
    expect(asked).toEqual(["https://api.example.test/x"]);
  });
});

describe("failures of fetch", () => {
  test.each([
    ["at once", (response: ServerResponse) => response.destroy()],
    ["in the middle of the answer", (response: ServerResponse) => response.write("half", () => response.socket?.resetAndDestroy())],
    [
      "before the announced length",
      (response: ServerResponse) => {
        response.writeHead(200, { "Content-Length": "100" }).write("short", () => response.destroy());
      },
    ],
  ])("R3 a connection that breaks %s is a reset", async (_when, breakIt) => {
    const base = await http((_request, response) => {
      breakIt(response);
    });
    expect(failure(await transport().exchange(post(base)))).toBe("reset");
  });
  test("R3 a port where nobody listens is a reset too: a page is not told", async () => {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    expect(failure(await transport().exchange(get(`http://127.0.0.1:${port}/`)))).toBe("reset");
  });
  test.each([
    ["headers that never come", (_response: ServerResponse) => {}],
    ["a body that never ends", (response: ServerResponse) => void response.write("and then")],
  ])("R3 %s are a timeout, and the connection is given up", async (_what, stall) => {
    let closed = false;
    const base = await http((request, response) => {
      request.socket.on("close", () => {
        closed = true;
      });
      stall(response);
    });
    const exchange = await transport().exchange(post(base, "x", { timeoutMs: 60 }));
    expect(failure(exchange)).toBe("timeout");
    expect(exchange.elapsedMs).toBeGreaterThanOrEqual(50);
    await expect.poll(() => closed).toBe(true);
  });
  test("R3 a fetch that does not heed its signal is a timeout all the same", async () => {
    const one = transport({ fetch: () => new Promise(() => {}) });
    expect(failure(await one.exchange(post("https://api.example.test/", "x", { timeoutMs: 20 })))).toBe("timeout");
  });
  test("R3 the caller's abort is an abort, before and during", async () => {
    const base = await http(() => {});
    const controller = new AbortController();
    const pending = transport().exchange(post(base, "x", { signal: controller.signal }));
    setTimeout(() => controller.abort(), 30);
    expect(failure(await pending)).toBe("abort");
    expect(failure(await transport().exchange(post(base, "x", { signal: controller.signal })))).toBe("abort");
  });
  test("R3 a transport that was closed aborts, and never rejects", async () => {
    const base = await http(() => {});
    const one = fetchTransport();
    const pending = one.exchange(post(base));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await one.close();
    expect(failure(await pending)).toBe("abort");
    expect(failure(await one.exchange(post(base)))).toBe("abort");
  });
  test("R3 what nobody can send is a failure too, and no question of permission", async () => {
    const asked: unknown[] = [];
    const one = transport({
      pageOrigin: "https://app.example.test",
      fetch: (input) => {
        asked.push(input);
        return Promise.resolve(new Response());
      },
    });
    const bad = { headers: { "X-Bad": "line\nbreak" } };
    expect([
      failure(await one.exchange(get("https://api.example.test/", bad))),
      failure(await one.exchange(get("https://api.example.test/", bad))),
    ]).toEqual(["reset", "reset"]);
    expect((await one.exchange(get("not a url"))).kind).toBe("failure");
    expect(asked).toEqual([]);
  });
  test("A4 http is refused, except to this machine, unless it is allowed", async () => {
    const offline = (): Promise<Response> => Promise.reject(new TypeError("Failed to fetch"));
    const refused = await transport({ fetch: offline }).exchange(post("http://api.example.com/"));
    expect(refused).toMatchObject({ kind: "failure", failure: "tls_failed", detail: expect.stringContaining("use https") });
    expect(failure(await transport({ fetch: offline, allowInsecure: true }).exchange(post("http://api.example.com/")))).toBe("reset");
  });
});

describe("a failure without a reason", () => {
  const PAGE = "https://app.example.test";
  const API = "https://api.example.test";

  /** A browser's network as a page sees it: `real` requests and probes fail or not, and none says why. */
  class Network {
    isOnline = true;
    answersReal = false;
    answersProbes = true;
    hangsOnProbes = false;
    readonly real: string[] = [];
    readonly probes: RequestInit[] = [];

    readonly fetch: typeof fetch = (input, init = {}) => {
      if (init.mode === "no-cors") {
        this.probes.push({ ...init, method: `${init.method ?? "GET"} ${String(input)}` });
        if (this.hangsOnProbes) return new Promise(() => {});
        return this.answersProbes ? Promise.resolve(new Response("opaque")) : this.#fail();
      }
      this.real.push(`${init.method} ${String(input)}`);
      return this.answersReal ? Promise.resolve(new Response("{}")) : this.#fail();
    };
    transport(pageOrigin: string | undefined = PAGE): Transport {
      return transport({ fetch: this.fetch, isOnline: () => this.isOnline, ...(pageOrigin === undefined ? {} : { pageOrigin }) });
    }
    #fail(): Promise<Response> {
      return Promise.reject(new TypeError("Failed to fetch"));
    }
  }
  const failures = async (one: Transport, count: number, request: HttpRequest = post(`${API}/x`)): Promise<readonly string[]> => {
    const all: string[] = [];
    for (let i = 0; i < count; i++) all.push(failure(await one.exchange(request)));
    return all;
  };

  test("R3 is offline when the system says so, and nobody is asked", async () => {
    const network = new Network();
    network.isOnline = false;
    expect(await failures(network.transport(), 2)).toEqual(["offline", "offline"]);
    expect(network.probes).toEqual([]);
  });
  test("R3 is suspected to be CORS when the origin answers what needs no permission, twice in a row", async () => {
    const network = new Network();
    expect(await failures(network.transport(), 3, post(`${API}/x`, "{}", { headers: { Authorization: "Bearer t" } }))).toEqual([
      "reset",
      "cors_suspected",
      "cors_suspected",
    ]);
    expect(network.probes).toHaveLength(3);
    expect(network.probes[0]).toMatchObject({ method: `GET ${API}/`, credentials: "omit", cache: "no-store" });
    expect(network.probes[0]).not.toHaveProperty("headers");
    expect(network.probes[0]).not.toHaveProperty("body");
  });
  test("R3 is the connection when the probe fails as well, and then counting starts again", async () => {
    const network = new Network();
    const one = network.transport();
    expect(await failures(one, 1)).toEqual(["reset"]);
    network.answersProbes = false;
    expect(await failures(one, 2)).toEqual(["reset", "reset"]);
    network.answersProbes = true;
    expect(await failures(one, 2)).toEqual(["reset", "cors_suspected"]);
  });
  test("R3 is the connection when this origin ever let us read the answer to a write", async () => {
    const network = new Network();
    const one = network.transport();
    network.answersReal = true;
    await one.exchange(get(`${API}/x`));
    network.answersReal = false;
    expect(await failures(one, 2)).toEqual(["reset", "cors_suspected"]);
    network.answersReal = true;
    await one.exchange(post(`${API}/x`));
    network.answersReal = false;
    const before = network.probes.length;
    expect(await failures(one, 3)).toEqual(["reset", "reset", "reset"]);
    expect(network.probes).toHaveLength(before);
  });
  test.each([
    ["the page's own origin", API],
    ["a runtime without pages", undefined],
  ])("R3 is never CORS at %s", async (_where, page) => {
    const network = new Network();
    expect(await failures(page === undefined ? transport({ fetch: network.fetch }) : network.transport(page), 3)).toEqual([
      "reset",
      "reset",
      "reset",
    ]);
    expect(network.probes).toEqual([]);
  });
  test("R3 a probe that hangs ends with the transport", async () => {
    const network = new Network();
    network.hangsOnProbes = true;
    const one = network.transport();
    const pending = one.exchange(post(`${API}/x`));
    await expect.poll(() => network.probes).toHaveLength(1);
    await one.close();
    expect(failure(await pending)).toBe("reset");
  });
});
