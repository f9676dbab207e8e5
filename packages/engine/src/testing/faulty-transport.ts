import type { Clock, Exchange, HttpRequest, NetworkFailure, Transport } from "../ports/index.ts";
import type { SeededRandom } from "./seeded-random.ts";

export type RangeMs = readonly [min: number, max: number];

/** What may go wrong with one request. Numbers are probabilities; all zero and no delay is a perfect network. */
export interface NetworkFaults {
  /** No interface is up: fails at once. */
  readonly offline: boolean;
  readonly connectionRefused: number;
  readonly dnsFailed: number;
  /** Never arrives; the caller sees a time-out. */
  readonly requestLost: number;
  /** Carried out, but the answer never comes; the caller sees a time-out. */
  readonly answerLost: number;
  /** The connection breaks before the request arrived. */
  readonly resetBefore: number;
  /** Carried out, then the connection breaks. */
  readonly resetAfter: number;
  /** A gateway answers 500, 502 or 504; one in two times the request was carried out all the same. */
  readonly gatewayError: number;
  /** 503 with Retry-After, not carried out. */
  readonly unavailable: number;
  /** 429 with Retry-After, not carried out. */
  readonly rateLimited: number;
  readonly retryAfterS: readonly [min: number, max: number];
  /** A captive portal: HTML with status 200, or a redirect elsewhere. */
  readonly portal: number;
  /** The same request arrives once more, `duplicateDelayMs` later; its answer goes nowhere. */
  readonly duplicate: number;
  readonly duplicateDelayMs: RangeMs;
  readonly requestDelayMs: RangeMs;
  readonly answerDelayMs: RangeMs;
}

export const NO_FAULTS: NetworkFaults = {
  offline: false,
  connectionRefused: 0,
  dnsFailed: 0,
  requestLost: 0,
  answerLost: 0,
  resetBefore: 0,
  resetAfter: 0,
  gatewayError: 0,
  unavailable: 0,
  rateLimited: 0,
  retryAfterS: [1, 60],
  portal: 0,
  duplicate: 0,
  duplicateDelayMs: [0, 0],
  requestDelayMs: [0, 0],
  answerDelayMs: [0, 0],
};

/** One of these befalls a request, or none; `duplicate` and `delay` come on top. */
const FATES = [
  "connectionRefused",
  "dnsFailed",
  "requestLost",
  "answerLost",
  "resetBefore",
  "resetAfter",
  "gatewayError",
  "unavailable",
  "rateLimited",
  "portal",
] as const;
type Fate = (typeof FATES)[number];
export type NetworkFault = Fate | "offline" | "duplicate" | "timeout";

export interface FaultyTransportOptions {
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** Asked for every request: the weather may change. */
  readonly faults: () => NetworkFaults;
  readonly onFault?: (fault: NetworkFault, request: HttpRequest) => void;
}

/** A transport that loses, repeats, delays and reorders on the way to another one, as the seed says. */
export class FaultyTransport implements Transport {
  readonly #inner: Transport;
  readonly #options: FaultyTransportOptions;

  constructor(inner: Transport, options: FaultyTransportOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  exchange(request: HttpRequest): Promise<Exchange> {
    const { clock, onFault } = this.#options;
    const startMs = clock.monotonic();
    return new Promise((resolve) => {
      const cleanUp: (() => void)[] = [];
      const finish = (exchange: Exchange): void => {
        for (const undo of cleanUp.splice(0)) undo();
        resolve({ ...exchange, elapsedMs: clock.monotonic() - startMs });
      };
      const fail = (failure: NetworkFailure): void => finish({ kind: "failure", failure, detail: `simulated ${failure}`, elapsedMs: 0 });
      if (request.signal?.aborted === true) {
        clock.defer(() => fail("abort"));
        return;
      }
      const onAbort = (): void => clock.defer(() => fail("abort"));
      request.signal?.addEventListener("abort", onAbort, { once: true });
      cleanUp.push(() => request.signal?.removeEventListener("abort", onAbort));
      cleanUp.push(
        clock.schedule(request.timeoutMs, () => {
          onFault?.("timeout", request);
          fail("timeout");
        }),
      );
      this.#send(request, finish, fail);
    });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #send(request: HttpRequest, finish: (exchange: Exchange) => void, fail: (failure: NetworkFailure) => void): void {
    const { clock, random, onFault } = this.#options;
    const faults = this.#options.faults();
    if (faults.offline) {
      onFault?.("offline", request);
      clock.defer(() => fail("offline"));
      return;
    }
    const fate = chooseFate(faults, random);
    const outMs = random.between(...faults.requestDelayMs);
    const backMs = random.between(...faults.answerDelayMs);
    if (fate !== null) onFault?.(fate, request);
    const arrives = (then: (answer: Exchange) => void): void => {
      clock.schedule(outMs, () => void this.#inner.exchange(request).then(then));
      if (!random.chance(faults.duplicate)) return;
      onFault?.("duplicate", request);
      clock.schedule(outMs + random.between(...faults.duplicateDelayMs), () => void this.#inner.exchange(request));
    };
    const answers = (exchange: Exchange): void => void clock.schedule(backMs, () => finish(exchange));
    switch (fate) {
      case null:
        arrives(answers);
        return;
      case "connectionRefused":
        clock.schedule(outMs, () => fail("connection_refused"));
        return;
      case "dnsFailed":
        clock.schedule(outMs, () => fail("dns_failed"));
        return;
      case "requestLost":
        return;
      case "answerLost":
        arrives(nothing);
        return;
      case "resetBefore":
        clock.schedule(outMs, () => fail("reset"));
        return;
      case "resetAfter":
        arrives(() => clock.schedule(backMs, () => fail("reset")));
        return;
      case "gatewayError": {
        const answer = html(random.pick([500, 502, 504]), "the gateway had no luck");
        if (random.chance(0.5)) arrives(() => answers(answer));
        else clock.schedule(outMs, () => answers(answer));
        return;
      }
      case "unavailable":
      case "rateLimited": {
        const seconds = random.integer(...faults.retryAfterS);
        clock.schedule(outMs, () => answers(problem(fate === "unavailable" ? 503 : 429, String(seconds))));
        return;
      }
      case "portal":
        clock.schedule(outMs, () => answers(portal(random)));
    }
  }
}

function chooseFate(faults: NetworkFaults, random: SeededRandom): Fate | null {
  let draw = random.fraction();
  for (const fate of FATES) {
    draw -= faults[fate];
    if (draw < 0) return fate;
  }
  return null;
}

function html(status: number, title: string): Exchange {
  const headers = { "content-type": "text/html; charset=utf-8" };
  return { kind: "answer", status, headers, body: `<!doctype html><title>${title}</title>`, elapsedMs: 0 };
}

function problem(status: number, retryAfter: string): Exchange {
  const headers = { "content-type": "application/problem+json", "retry-after": retryAfter };
  const body = JSON.stringify({ type: "about:blank", status, title: "try again later" });
  return { kind: "answer", status, headers, body, elapsedMs: 0 };
}

function portal(random: SeededRandom): Exchange {
  if (random.chance(0.5)) return html(200, "Welcome to the hotel");
  return { kind: "answer", status: 302, headers: { location: "http://portal.invalid/" }, body: "", crossOrigin: true, elapsedMs: 0 };
}

function nothing(): void {}
