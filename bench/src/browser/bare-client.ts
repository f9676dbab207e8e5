/// <reference lib="dom" />
import { updateOf } from "../workload.ts";

/** Operations per second of a page that keeps nothing, and sends `requests` of `batch` operations one after the other. */
export async function bareClient(origin: string, batch: number, requests: number): Promise<number> {
  const key = "00000000-0000-4000-8000-000000000000";
  const operations = Array.from({ length: batch }, (_, index) => ({ key, operation_id: key, trace_id: key, ...updateOf(index) }));
  const body = JSON.stringify({ meta: { trace_id: key }, payload: { operations } });
  const send = async (): Promise<void> => {
    const answer = await fetch(origin, { method: "POST", body });
    await answer.json();
  };
  await send();
  const startedAt = performance.now();
  for (let sent = 0; sent < requests; sent++) await send();
  return (batch * requests) / ((performance.now() - startedAt) / 1000);
}
