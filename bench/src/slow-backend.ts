import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { PeerBackends } from "./browser/peer-answers.ts";

const GENERATION = "00000000-0000-4000-8000-000000000000";

/** What a page consists of, by path. Served without delay. */
export type SiteFiles = Readonly<Record<string, { readonly type: string; readonly text: string }>>;

/** Below it stands a plain REST backend, which knows no protocol of ours. */
export const REST_PREFIX = "/rest";
/** How many operations arrived since it was last asked. */
export const SEEN_PATH = "/bench/seen";

/**
 * A backend that knows the protocol, keeps nothing, and answers every request `latencyMs` after it has arrived. In a thread of its
 * own: what the engine does between two requests must not delay the moment at which the next one arrives. A page that comes from
 * it, `site`, needs no permission to call it.
 */
export function slowBackend(latencyMs: number, site: SiteFiles = {}): Promise<{ readonly url: string; close(): Promise<void> }> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { latencyMs, site } });
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (port: number) => {
      resolve({
        url: `http://127.0.0.1:${port}`,
        async close() {
          await worker.terminate();
        },
      });
    });
  });
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function serve(latencyMs: number, site: SiteFiles): void {
  let seq = 0;
  let seen = 0;
  const peers = new PeerBackends();
  const results = (operations: readonly { key: string }[]): unknown => ({
    generation: GENERATION,
    head_seq: seq + operations.length,
    results: operations.map(({ key }) => ({ key, status: 200, outcome: "applied", version: 2, commit_seq: ++seq })),
  });
  const protocolAnswer = (body: string): Answer => {
    const { meta, payload } = JSON.parse(body) as { meta: { trace_id: string }; payload: { operations?: { key: string }[] } };
    seen += payload.operations?.length ?? 0;
    const data = payload.operations === undefined ? handshake() : results(payload.operations);
    return { status: 200, text: JSON.stringify({ meta: { trace_id: meta.trace_id, timestamp: new Date().toISOString() }, data }) };
  };
  const answerOf = (method: string, path: string, body: string): Answer => {
    if (path.startsWith(REST_PREFIX)) {
      return path.includes("/sync/") ? { status: 404, text: '{"message":"no such route"}' } : { status: 200, text: '{"done":true}' };
    }
    if (!path.startsWith("/peer/")) return protocolAnswer(body);
    const { status, data, units } = peers.answer(method, path, body);
    seen += units;
    return { status, text: JSON.stringify(data) };
  };
  const server = createServer((request, response) => {
    const arrivedAt = performance.now();
    const { method = "GET", url = "/" } = request;
    const file = method === "GET" ? site[url] : undefined;
    if (file !== undefined) {
      response.writeHead(200, { "content-type": file.type }).end(file.text);
      return;
    }
    if (url === SEEN_PATH) {
      response.end(String(seen));
      seen = 0;
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, text } = answerOf(method, url, Buffer.concat(chunks).toString());
      setTimeout(
        () => {
          response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
          response.end(text);
        },
        Math.max(0, latencyMs - (performance.now() - arrivedAt)),
      );
    });
  });
  server.listen(0, "127.0.0.1", () => parentPort?.postMessage((server.address() as AddressInfo).port));
}

function handshake(): unknown {
  return {
    protocol: { min: 1, max: 1 },
    idempotency: { honoured: true, replay_window_s: 86_400, key_window_s: 7_776_000 },
    batch: { max_operations: 500, max_bytes: 1_048_576 },
    operations: [],
    collections: { device: "devices" },
    feed: { changes: true, snapshot: true, max_wait_s: 25 },
    realtime: { socket: false },
    cancel: true,
    server_time: new Date().toISOString(),
    generation: GENERATION,
    account: { space: "bench", principal: "bench" },
  };
}

if (parentPort !== null) {
  const { latencyMs, site } = workerData as { readonly latencyMs: number; readonly site: SiteFiles };
  serve(latencyMs, site);
}
