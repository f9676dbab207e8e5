import { expect, test } from "vitest";
import type { Exchange, HttpRequest, Transport } from "../ports/index.ts";
import { FaultyTransport, NO_FAULTS, type NetworkFault, type NetworkFaults } from "./faulty-transport.ts";
import { SeededRandom } from "./seeded-random.ts";
import { VirtualClock } from "./virtual-clock.ts";

const REQUEST: HttpRequest = { method: "POST", url: "http://origin.test/ops", headers: {}, timeoutMs: 30_000 };

class Origin implements Transport {
  arrivals = 0;
  async exchange(): Promise<Exchange> {
    this.arrivals += 1;
    return { kind: "answer", status: 200, headers: {}, body: "", elapsedMs: 0 };
  }
  async close(): Promise<void> {}
}

async function exchange(
  faults: Partial<NetworkFaults>,
  request = REQUEST,
): Promise<{ answer: Exchange; arrivals: number; seen: NetworkFault[] }> {
  const [origin, clock, seen] = [new Origin(), new VirtualClock(), [] as NetworkFault[]];
  const transport = new FaultyTransport(origin, {
    clock,
    random: new SeededRandom(1),
    faults: () => ({ ...NO_FAULTS, ...faults }),
    onFault: (fault) => seen.push(fault),
  });
  let answer: Exchange | undefined;
  void transport.exchange(request).then((value) => {
    answer = value;
  });
  await clock.advance(4 * 3_600_000);
  await transport.close();
  if (answer === undefined) throw new Error("no answer");
  return { answer, arrivals: origin.arrivals, seen };
}

test("without faults a request arrives once and is answered", async () => {
  expect(await exchange({ requestDelayMs: [10, 10], answerDelayMs: [5, 5] })).toMatchObject({
    arrivals: 1,
    answer: { status: 200, elapsedMs: 15 },
  });
});

test.each<[Partial<NetworkFaults>, string, number]>([
  [{ offline: true }, "offline", 0],
  [{ connectionRefused: 1 }, "connection_refused", 0],
  [{ dnsFailed: 1 }, "dns_failed", 0],
  [{ requestLost: 1 }, "timeout", 0],
  [{ answerLost: 1 }, "timeout", 1],
  [{ resetBefore: 1 }, "reset", 0],
  [{ resetAfter: 1 }, "reset", 1],
  [{ requestDelayMs: [40_000, 40_000] }, "timeout", 1],
])("%o fails with %s and arrives %i times", async (faults, failure, arrivals) => {
  expect(await exchange(faults)).toMatchObject({ answer: { kind: "failure", failure }, arrivals });
});

test.each<[Partial<NetworkFaults>, number | RegExp]>([
  [{ unavailable: 1, retryAfterS: [7, 7] }, 503],
  [{ rateLimited: 1, retryAfterS: [7, 7] }, 429],
])("%o answers %s with Retry-After, and nothing arrives", async (faults, status) => {
  expect(await exchange(faults)).toMatchObject({ answer: { status, headers: { "retry-after": "7" } }, arrivals: 0 });
});

test("a gateway and a portal answer HTML, or lead elsewhere", async () => {
  expect((await exchange({ gatewayError: 1 })).answer).toMatchObject({
    kind: "answer",
    headers: { "content-type": "text/html; charset=utf-8" },
  });
  expect((await exchange({ portal: 1 })).answer).toMatchObject({ kind: "answer" });
});

test("a duplicate arrives hours later, and its answer goes nowhere", async () => {
  const { answer, arrivals, seen } = await exchange({ duplicate: 1, duplicateDelayMs: [7_200_000, 7_200_000] });
  expect(answer).toMatchObject({ status: 200 });
  expect([arrivals, seen]).toEqual([2, ["duplicate"]]);
});

test("an abort ends the wait, before and during the exchange", async () => {
  const early = new AbortController();
  early.abort();
  expect(await exchange({}, { ...REQUEST, signal: early.signal })).toMatchObject({ answer: { failure: "abort" }, arrivals: 0 });
  const clock = new VirtualClock();
  const transport = new FaultyTransport(new Origin(), {
    clock,
    random: new SeededRandom(1),
    faults: () => ({ ...NO_FAULTS, requestLost: 1 }),
  });
  const late = new AbortController();
  const answer = transport.exchange({ ...REQUEST, signal: late.signal });
  late.abort();
  await clock.advance(1);
  expect(await answer).toMatchObject({ failure: "abort" });
});
