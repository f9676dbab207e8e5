import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort, Worker, workerData } from "node:worker_threads";

const GENERATION = "00000000-0000-4000-8000-000000000000";

/**
 * A backend that knows the protocol, keeps nothing, and answers every request `latencyMs` after it has arrived. In a thread of its
 * own: what the engine does between two requests must not delay the moment at which the next one arrives.
 */
export function slowBackend(latencyMs: number): Promise<{ readonly url: string; close(): Promise<void> }> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { latencyMs } });
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

function serve(latencyMs: number): void {
  let seq = 0;
  const results = (operations: readonly { key: string }[]): unknown => ({
    generation: GENERATION,
    head_seq: seq + operations.length,
    results: operations.map(({ key }) => ({ key, status: 200, outcome: "applied", version: 2, commit_seq: ++seq })),
  });
  const server = createServer((request, response) => {
    const arrivedAt = performance.now();
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { meta, payload } = JSON.parse(Buffer.concat(chunks).toString()) as {
        meta: { trace_id: string };
        payload: { operations?: { key: string }[] };
      };
      const data = payload.operations === undefined ? handshake() : results(payload.operations);
      const body = JSON.stringify({ meta: { trace_id: meta.trace_id, timestamp: new Date().toISOString() }, data });
      setTimeout(
        () => {
          response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
          response.end(body);
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

if (parentPort !== null) serve((workerData as { readonly latencyMs: number }).latencyMs);
