import { createHash, X509Certificate } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { brotliCompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { Exchange, HttpRequest, Transport } from "../ports/index.ts";
import { type UndiciTransportOptions, undiciTransport } from "./node-transport.ts";

// Made for these tests and used nowhere else: CN and subjectAltName `localhost`, valid until 2126.
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyfarOrUjgwzOYYMV
efWOhLPsy7c4Hd/OTSMFosv6tiahRANCAATHXlqI6FQkGgk3qS04Is/wq9s5ntPI
Xqnu1odEqesj3nx7GKpJa8JisI0qBQ5vjRARq6jJhK4AGaRazHA0Qz3t
-----END PRIVATE KEY-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUF2xTmNLtM2ZxaQUJzNV1tpebOPMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEzMzA1NVoYDzIxMjYxMDI4
MTMzMDU1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATHXlqI6FQkGgk3qS04Is/wq9s5ntPIXqnu1odEqesj3nx7GKpJa8Ji
sI0qBQ5vjRARq6jJhK4AGaRazHA0Qz3to2kwZzAdBgNVHQ4EFgQUWX98N8BfW9mM
iaFqnFHzSqiVEjUwHwYDVR0jBBgwFoAUWX98N8BfW9mMiaFqnFHzSqiVEjUwFAYD
VR0RBA0wC4IJbG9jYWxob3N0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
RwAwRAIgLNk7TGUTg6WPePLBcCOM5e4vuaETcOgxqQ3gRNat0IACIGNNfsdeYh/B
m/bOSrrhRxpotLYqApFl005psh/T8D4r
-----END CERTIFICATE-----`;
const OTHER_PIN = `sha256/${createHash("sha256").update("another key").digest("base64")}`;
const PIN = `sha256/${createHash("sha256")
  .update(new X509Certificate(CERTIFICATE).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64")}`;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listen(server: Server | TcpServer | Http2SecureServer, host = "127.0.0.1"): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
function transport(options?: UndiciTransportOptions): Transport {
  const made = undiciTransport(options);
  cleanups.push(() => made.close());
  return made;
}
async function http(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}`;
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

describe("an exchange", () => {
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
  test("A1 an error status is an answer like any other", async () => {
    const base = await http((_request, response) => response.writeHead(503, { "Retry-After": "7" }).end("no"));
    expect(await transport().exchange(get(base))).toMatchObject({
      kind: "answer",
      status: 503,
      headers: { "retry-after": "7" },
      body: "no",
    });
  });
  test("A1 the connection is kept alive", async () => {
    const ports = new Set<number | undefined>();
    const base = await http((request, response) => {
      ports.add(request.socket.remotePort);
      response.end();
    });
    const one = transport();
    for (let i = 0; i < 5; i++) await one.exchange(post(base));
    // A second one is opened while the first is still being cleared.
    expect(ports.size).toBeLessThanOrEqual(2);
  });
  test("A1 a body is compressed when its header says so, and an answer is read when it was", async () => {
    let received = "";
    const base = await http((request, response) => {
      void bodyOf(request).then((body) => {
        received = gunzipSync(body).toString();
        const encoding = request.url === "/br" ? "br" : "gzip";
        const bytes = encoding === "br" ? brotliCompressSync("compressed") : gzipSync("compressed");
        response.writeHead(200, { "Content-Encoding": encoding }).end(request.url === "/broken" ? bytes.subarray(5) : bytes);
      });
    });
    const one = transport();
    const headers = { "Content-Encoding": "gzip" };
    expect(await one.exchange(post(base, "x".repeat(5000), { headers }))).toMatchObject({ body: "compressed" });
    expect(received).toBe("x".repeat(5000));
    expect(await one.exchange(post(`${base}/br`, "", { headers }))).toMatchObject({ body: "compressed" });
    const broken = await one.exchange(post(`${base}/broken`, "", { headers }));
    expect(broken.kind === "answer" && broken.body).not.toContain("compressed");
  });
  test("A1 Q7 an endless answer is cut at the bound, and so is one that only grows when it is unpacked", async () => {
    const base = await http((request, response) => {
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
    const endless = await one.exchange(get(base));
    expect(endless.kind === "answer" && endless.body.length).toBe(100_000);
    const bomb = await one.exchange(get(`${base}/bomb`));
    expect(bomb.kind === "answer" && bomb.body.length).toBeLessThan(100_000);
  });
});

describe("redirects", () => {
  const redirecting =
    (status: number, location: string): RequestListener =>
    (request, response) => {
      if (request.url === "/there") echo(request, response);
      else response.writeHead(status, { Location: location }).end();
    };
  test.each([307, 308])("A1 %i within the origin is followed with the same method, body and headers", async (status) => {
    const exchange = await transport().exchange(
      post(await http(redirecting(status, "/there")), "body", { headers: { Authorization: "Bearer t" } }),
    );
    expect(exchange).toMatchObject({ kind: "answer", status: 200 });
    if (exchange.kind === "answer")
      expect(JSON.parse(exchange.body)).toMatchObject({ method: "POST", body: "body", headers: { authorization: "Bearer t" } });
  });
  test.each([300, 301, 302, 303, 304])("A1 %i is reported, not followed", async (status) => {
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
  test("A1 a circle ends, and a redirect without a target is an answer", async () => {
    expect(await transport().exchange(post(await http(redirecting(307, "/"))))).toMatchObject({ kind: "answer", status: 307 });
    const base = await http((_request, response) => response.writeHead(307).end());
    expect(await transport().exchange(post(base))).toMatchObject({ kind: "answer", status: 307 });
  });
});

describe("failures are told apart by code", () => {
  test("R3 a name that does not exist", async () => {
    expect(failure(await transport().exchange(get("https://nowhere.invalid/")))).toBe("dns_failed");
  });
  test("R3 a port where nobody listens", async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    expect(failure(await transport().exchange(get(`http://127.0.0.1:${port}/`)))).toBe("connection_refused");
    expect(failure(await transport().exchange(get(`http://localhost:${port}/`)))).toBe("connection_refused");
  });
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
  test("R3 something that does not speak HTTP", async () => {
    const port = await listen(createTcpServer((socket) => socket.end("220 smtp ready\r\n")));
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
  test("R3 an address that does not answer is a timeout of the connect", async () => {
    // A listener whose backlog is full would do too, but 192.0.2.0/24 (RFC 5737) never answers, or is unreachable at once.
    const exchange = await transport({ connectTimeoutMs: 300 }).exchange(get("https://192.0.2.1/", { timeoutMs: 4000 }));
    expect(["timeout", "unreachable", "connection_refused", "reset"]).toContain(failure(exchange));
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
    const one = undiciTransport();
    const pending = one.exchange(post(base));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await one.close();
    expect(failure(await pending)).toBe("abort");
    expect(failure(await one.exchange(post(base)))).toBe("abort");
  });
  test("R3 what nobody can send is a failure too", async () => {
    const base = await http(echo);
    expect((await transport().exchange(get(base, { headers: { "X-Bad": "line\nbreak" } }))).kind).toBe("failure");
    expect((await transport().exchange(get("not a url"))).kind).toBe("failure");
  });
});

describe("transport security", () => {
  async function https(options: { readonly maxVersion?: "TLSv1.2"; readonly host?: string } = {}): Promise<string> {
    const { maxVersion, host = "localhost" } = options;
    const server = createHttpsServer({ key: KEY, cert: CERTIFICATE, ...(maxVersion === undefined ? {} : { maxVersion }) }, echo);
    return `https://${host}:${await listen(server)}`;
  }

  test("A4 http is refused, except to this machine, unless it is allowed", async () => {
    const refused = await transport().exchange(post("http://api.example.com/"));
    expect(refused).toMatchObject({ kind: "failure", failure: "tls_failed", detail: expect.stringContaining("use https") });
    expect(failure(await transport().exchange(post("http://localhost.example.com/")))).toBe("tls_failed");
    expect(failure(await transport().exchange(post("http://127.0.0.1.example.com/")))).toBe("tls_failed");
    expect(failure(await transport().exchange(post("ftp://localhost/")))).toBe("tls_failed");
    expect(failure(await transport({ allowInsecure: true }).exchange(post("http://nowhere.invalid/")))).toBe("dns_failed");
  });
  test("A4 a certificate that nobody vouches for is refused", async () => {
    expect(failure(await transport().exchange(post(await https())))).toBe("tls_failed");
  });
  test("A4 a certificate for another name is refused", async () => {
    expect(failure(await transport({ ca: CERTIFICATE }).exchange(post(await https({ host: "127.0.0.1" }))))).toBe("tls_failed");
  });
  test("A4 TLS 1.3 is the least", async () => {
    expect(failure(await transport({ ca: CERTIFICATE }).exchange(post(await https({ maxVersion: "TLSv1.2" }))))).toBe("tls_failed");
    expect(failure(await transport({ ca: CERTIFICATE }).exchange(post(await https())))).toBe("answered 200");
  });
  test("A4 HTTP/2 where the server has it", async () => {
    const versions: string[] = [];
    const server = createSecureServer({ key: KEY, cert: CERTIFICATE, allowHTTP1: true }, (request, response) => {
      versions.push(request.httpVersion);
      response.end("{}");
    });
    const base = `https://localhost:${await listen(server)}`;
    const one = transport({ ca: CERTIFICATE });
    const all = await Promise.all(Array.from({ length: 5 }, () => one.exchange(post(base, "{}", { headers: { "Idempotency-Key": "k" } }))));
    expect(all.map(failure)).toEqual(Array.from({ length: 5 }, () => "answered 200"));
    expect(new Set(versions)).toEqual(new Set(["2.0"]));
  });

  test("A4 one of several pins must be the server's key", async () => {
    const base = await https();
    expect(failure(await transport({ ca: CERTIFICATE, pins: [OTHER_PIN, PIN] }).exchange(post(base)))).toBe("answered 200");
    const refused = await transport({ ca: CERTIFICATE, pins: [OTHER_PIN] }).exchange(post(base));
    expect(refused).toMatchObject({ kind: "failure", failure: "pin_mismatch", detail: expect.stringContaining(PIN) });
  });
  test("A4 nothing is sent to a server with another key", async () => {
    let requests = 0;
    const server = createHttpsServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => {
      requests += 1;
      response.end();
    });
    const base = `https://localhost:${await listen(server)}`;
    await transport({ ca: CERTIFICATE, pins: [OTHER_PIN] }).exchange(post(base));
    expect(requests).toBe(0);
  });
  test("A4 the pin is checked on every connect: with pins no session is resumed", async () => {
    const reused: boolean[] = [];
    const server = createHttpsServer({ key: KEY, cert: CERTIFICATE }, (_request, response) =>
      response.setHeader("Connection", "close").end(),
    );
    server.on("secureConnection", (socket) => reused.push(socket.isSessionReused()));
    const base = `https://localhost:${await listen(server)}`;
    const one = transport({ ca: CERTIFICATE, pins: [PIN] });
    for (let i = 0; i < 4; i++) expect(failure(await one.exchange(post(base)))).toBe("answered 200");
    expect(reused).toEqual([false, false, false, false]);
  });
  test("A4 pins do not replace the check of the certificate", async () => {
    expect(failure(await transport({ pins: [PIN] }).exchange(post(await https())))).toBe("tls_failed");
  });
  test("A4 pins are checked when the transport is made", () => {
    expect(() => undiciTransport({ pins: [] })).toThrow(RangeError);
    for (const pin of ["", "sha256/short=", `sha1/${PIN.slice(7)}`, PIN.slice(0, -1), "pin-sha256"])
      expect(() => undiciTransport({ pins: [pin] })).toThrow(TypeError);
  });
});
