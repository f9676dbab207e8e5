import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { benchEngine } from "./engine.ts";
import { type Row, spread } from "./measure.ts";
import { updateOf } from "./workload.ts";

const LATENCY_MS = 50;

/** A backend that knows the protocol, keeps nothing, and answers every request exactly 50 ms after it has arrived. */
async function slowBackend(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const generation = "00000000-0000-4000-8000-000000000000";
  let seq = 0;
  const server = createServer((request, response) => {
    const arrivedAt = performance.now();
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { meta, payload } = JSON.parse(Buffer.concat(chunks).toString()) as {
        meta: { trace_id: string };
        payload: { operations?: { key: string }[] };
      };
      const data = payload.operations === undefined ? handshake(generation) : results(payload.operations);
      const body = JSON.stringify({ meta: { trace_id: meta.trace_id, timestamp: new Date().toISOString() }, data });
      setTimeout(
        () => {
          response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
          response.end(body);
        },
        Math.max(0, LATENCY_MS - (performance.now() - arrivedAt)),
      );
    });
  });
  const results = (operations: readonly { key: string }[]): unknown => ({
    generation,
    head_seq: seq + operations.length,
    results: operations.map(({ key }) => ({ key, status: 200, outcome: "applied", version: 2, commit_seq: ++seq })),
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function handshake(generation: string): unknown {
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
    generation,
    account: { space: "bench", principal: "bench" },
  };
}

/** Strict global order: one request under way, so `batch` operations per 50 ms is all there can be. */
export async function drainRow(
  batch: number,
  requests: number,
  encrypted: boolean,
  rounds: number,
  note: (text: string) => void,
): Promise<Row> {
  const theory = (batch * 1000) / LATENCY_MS;
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    note(`drain, batches of ${batch}: round ${round + 1} of ${rounds}`);
    const backend = await slowBackend();
    const engine = await benchEngine(encrypted, backend.url, batch);
    try {
      // The handshake and the first connection are not part of the rate.
      await engine.sync.enqueue(updateOf(0));
      await engine.sync.drain();
      await engine.sync.stop();
      const units = batch * requests;
      for (let done = 0; done < units; done += 1000)
        await engine.sync.enqueueMany(Array.from({ length: Math.min(1000, units - done) }, (_, i) => updateOf(done + i)));
      const startedAt = performance.now();
      engine.sync.start();
      const { empty } = await engine.sync.drain({ timeoutMs: 120_000 });
      if (!empty) throw new Error("the queue did not drain");
      rates.push(units / ((performance.now() - startedAt) / 1000));
    } finally {
      await engine.close();
      await backend.close();
    }
  }
  const ratio = spread(rates.map((rate) => rate / theory));
  const limit = { min: theory, median: theory, max: theory };
  return {
    suite: "drain",
    what: `drain at ${LATENCY_MS} ms, batches of ${batch}${encrypted ? ", encrypted" : ", plain"}`,
    unit: "/s",
    ours: spread(rates),
    limit,
    ratio,
    goal: 0.93,
    met: ratio.median >= 0.93,
  };
}
