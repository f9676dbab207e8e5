import { MAX_BATCH_OPERATIONS, MAX_BODY_BYTES, parseRetryAfter, SYNC_PATHS } from "@guardian-sync/protocol";
import type { HttpRequest, Exchange } from "guardian-sync/testing";
import type { Report } from "./model.ts";
import { pathOf } from "./wire.ts";

const HOUR_MS = 3_600_000;
/** Backoff of 30 s, shortened by jitter to 15 s at the least, gives 240 tries an hour. */
const MAX_TRIES_OF_A_KEY_PER_HOUR = 300;
const MAX_IN_FLIGHT = 8;
/** Windows, releases and settled batches: nothing reads the whole queue at once. */
const MAX_ROWS_PER_READ = 1000;
const MAX_TIMERS = 40;
const ASKS_TO_WAIT = new Set([429, 503]);

/** INV8: what the engine does to others has bounds. */
export class RestraintWatch {
  readonly #report: Report;
  readonly #nowMs: () => number;
  /** Until when each process was asked to wait. */
  readonly #heldUntilMs = new Map<string, number>();
  readonly #tries = new Map<string, number[]>();
  readonly #inFlight = new Map<string, number>();
  readonly #readers = new Set<string>();

  constructor(report: Report, nowMs: () => number) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  sent(process: string, request: HttpRequest, keys: readonly string[]): void {
    const nowMs = this.#nowMs();
    const heldUntilMs = this.#heldUntilMs.get(process) ?? 0;
    if (nowMs < heldUntilMs) {
      this.#report("INV8", `${process} sent ${((heldUntilMs - nowMs) / 1000).toFixed(3)} s before the Retry-After it was given had passed`);
    }
    const sizeBytes = request.body === undefined ? 0 : Buffer.byteLength(request.body);
    if (sizeBytes > MAX_BODY_BYTES) this.#report("INV8", `${process} sent a body of ${sizeBytes} bytes`);
    if (keys.length > MAX_BATCH_OPERATIONS) this.#report("INV8", `${process} sent ${keys.length} operations in one request`);
    const inFlight = (this.#inFlight.get(process) ?? 0) + 1;
    this.#inFlight.set(process, inFlight);
    if (inFlight > MAX_IN_FLIGHT) this.#report("INV8", `${process} has ${inFlight} requests in flight`);
    if (isPage(request)) {
      if (this.#readers.has(process)) this.#report("INV8", `${process} asks for a page while another page is under way`);
      this.#readers.add(process);
    }
    for (const key of keys) this.#try(process, key, nowMs);
  }

  read(process: string, call: string, limit: number): void {
    if (!(limit <= MAX_ROWS_PER_READ)) this.#report("INV8", `${process} asks ${call} for up to ${limit} rows at once`);
  }

  timers(process: string, waiting: number): void {
    if (waiting > MAX_TIMERS) this.#report("INV8", `${process} waits for ${waiting} things at once`);
  }

  ended(process: string, request: HttpRequest): void {
    if (isPage(request)) this.#readers.delete(process);
    this.#inFlight.set(process, (this.#inFlight.get(process) ?? 1) - 1);
  }

  delivered(process: string, answer: Exchange): void {
    if (answer.kind !== "answer" || !ASKS_TO_WAIT.has(answer.status)) return;
    const waitMs = parseRetryAfter(answer.headers["retry-after"], answer.headers.date);
    if (waitMs === undefined) return;
    const untilMs = this.#nowMs() + waitMs;
    this.#heldUntilMs.set(process, Math.max(untilMs, this.#heldUntilMs.get(process) ?? 0));
  }

  #try(process: string, key: string, nowMs: number): void {
    const tries = this.#tries.get(key) ?? [];
    this.#tries.set(key, tries);
    tries.push(nowMs);
    while ((tries[0] as number) < nowMs - HOUR_MS) tries.shift();
    if (tries.length > MAX_TRIES_OF_A_KEY_PER_HOUR) this.#report("INV8", `${process} tried one operation ${tries.length} times in an hour`);
  }
}

/** A page follows the one before. A read without a cursor only asks whether the origin answers. */
function isPage(request: HttpRequest): boolean {
  const path = pathOf(request);
  return path === SYNC_PATHS.snapshot || (path === SYNC_PATHS.changes && request.url.includes("cursor="));
}
