import { Agent, request } from "undici";
import { benchEngine } from "./engine.ts";
import { type Row, spread } from "./measure.ts";
import { slowBackend } from "./slow-backend.ts";
import { updateOf } from "./workload.ts";

const LATENCY_MS = 50;
const GOAL = 0.93;

/**
 * Strict global order: one request under way, so `batch` operations per 50 ms is all there can be in theory. What this machine, its
 * timers and two threads allow is what a bare client gets, which sends requests of the same size and keeps nothing.
 */
export async function drainRows(
  batch: number,
  requests: number,
  encrypted: boolean,
  rounds: number,
  note: (text: string) => void,
): Promise<readonly Row[]> {
  const theory = (batch * 1000) / LATENCY_MS;
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    note(`drain, batches of ${batch}: round ${round + 1} of ${rounds}`);
    const backend = await slowBackend(LATENCY_MS);
    try {
      ours.push(await drainOnce(backend.url, batch, requests, encrypted));
      bare.push(await bareOnce(backend.url, batch, requests));
    } finally {
      await backend.close();
    }
  }
  const what = `drain at ${LATENCY_MS} ms, batches of ${batch}${encrypted ? ", encrypted" : ", plain"}`;
  const row = (limit: readonly number[], to: string): Row => {
    const ratio = spread(ours.map((rate, index) => rate / (limit[index] as number)));
    return {
      suite: "drain",
      what: `${what}, to ${to}`,
      unit: "/s",
      ours: spread(ours),
      limit: spread(limit),
      ratio,
      goal: GOAL,
      met: ratio.median >= GOAL,
    };
  };
  return [
    row(
      ours.map(() => theory),
      "theory",
    ),
    row(bare, "a bare client"),
  ];
}

/** Operations per second. */
async function drainOnce(url: string, batch: number, requests: number, encrypted: boolean): Promise<number> {
  const engine = await benchEngine(encrypted, url, { maxOperations: batch });
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
    return units / ((performance.now() - startedAt) / 1000);
  } finally {
    await engine.close();
  }
}

async function bareOnce(url: string, batch: number, requests: number): Promise<number> {
  const dispatcher = new Agent();
  const key = "00000000-0000-4000-8000-000000000000";
  const operations = Array.from({ length: batch }, (_, index) => ({ key, operation_id: key, trace_id: key, ...updateOf(index) }));
  const body = JSON.stringify({ meta: { trace_id: key }, payload: { operations } });
  const send = async (): Promise<void> => {
    const answer = await request(url, { method: "POST", body, dispatcher });
    JSON.parse(await answer.body.text());
  };
  try {
    await send();
    const startedAt = performance.now();
    for (let sent = 0; sent < requests; sent++) await send();
    return (batch * requests) / ((performance.now() - startedAt) / 1000);
  } finally {
    await dispatcher.close();
  }
}
