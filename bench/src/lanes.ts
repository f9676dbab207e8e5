import { Agent, request } from "undici";
import { benchEngine, type BenchEngineOptions } from "./engine.ts";
import { type Row, spread } from "./measure.ts";
import { REST_PREFIX, slowBackend } from "./slow-backend.ts";
import { updateOf } from "./workload.ts";

const LATENCY_MS = 50;
const LANES = 5;

interface Case {
  readonly what: string;
  /** Operations in a request. */
  readonly batch: number;
  readonly goal: number;
  readonly isRest: boolean;
}
const CASES: readonly Case[] = [
  { what: `batches of 100, ${LANES} at once`, batch: 100, goal: 0.9, isRest: false },
  { what: `plain REST, ${LANES} lanes`, batch: 1, goal: 0.93, isRest: true },
];

/**
 * Entity ordering: so many requests are under way at once that all there can be is their number times the batch per 50 ms. A bare
 * client sends as many at once of the same size, and keeps nothing.
 */
export async function laneRows(requests: number, rounds: number, note: (text: string) => void): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const { what, batch, goal, isRest } of CASES) {
    const theory = (LANES * batch * 1000) / LATENCY_MS;
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < rounds; round++) {
      note(`entity lanes, ${what}: round ${round + 1} of ${rounds}`);
      const backend = await slowBackend(LATENCY_MS);
      const url = isRest ? `${backend.url}${REST_PREFIX}` : backend.url;
      try {
        ours.push(await drainOnce(url, batch * requests, { maxOperations: batch }));
        bare.push(await bareOnce(url, batch, requests));
      } finally {
        await backend.close();
      }
    }
    const row = (limit: readonly number[], to: string): Row => {
      const ratio = spread(ours.map((rate, index) => rate / (limit[index] as number)));
      const name = `drain at ${LATENCY_MS} ms, entity lanes, ${what}, to ${to}`;
      return { suite: "drain", what: name, unit: "/s", ours: spread(ours), limit: spread(limit), ratio, goal, met: ratio.median >= goal };
    };
    rows.push(
      row(
        Array.from(ours, () => theory),
        "theory",
      ),
      row(bare, "a bare client"),
    );
  }
  return rows;
}

/** Operations per second. */
async function drainOnce(url: string, units: number, options: BenchEngineOptions): Promise<number> {
  const engine = await benchEngine(false, url, { ...options, ordering: "entity", concurrency: LANES });
  const { sync } = engine;
  try {
    // The handshake and the first connection are not part of the rate.
    await sync.enqueue(updateOf(0));
    await sync.drain();
    await sync.stop();
    for (let done = 0; done < units; done += 1000)
      await sync.enqueueMany(Array.from({ length: Math.min(1000, units - done) }, (_, i) => updateOf(done + i)));
    const startedAt = performance.now();
    sync.start();
    const { empty } = await sync.drain({ timeoutMs: 120_000 });
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
    const lane = async (): Promise<void> => {
      for (let sent = 0; sent < requests / LANES; sent++) await send();
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return (batch * requests) / ((performance.now() - startedAt) / 1000);
  } finally {
    await dispatcher.close();
  }
}
