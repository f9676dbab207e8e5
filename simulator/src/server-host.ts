import { createSyncServer } from "@guardian-sync/server";
import { MemoryDisk, type MemoryStorage, memoryStorage } from "@guardian-sync/server/memory";
import type { Exchange, HttpRequest, SeededRandom, Transport, VirtualClock } from "guardian-sync/testing";
import { keyOf, type Shown } from "./shown.ts";
import { COLLECTIONS, serverOperations } from "./domain.ts";
import type { Journal } from "./journal.ts";
import type { Machinery } from "./machinery.ts";
import type { Account, Fault } from "./model.ts";
import type { Scenario } from "./scenario.ts";
import { operationsOf, pathOf, resultsOf, type SeenOperation, type SeenResult } from "./wire.ts";

export interface CommittedChange {
  readonly seq: number;
  readonly clientId: string | null;
  readonly operationId: string | null;
  /** Of the entity, after the change. */
  readonly version: number;
}

interface ServerTap {
  received(request: HttpRequest): void;
  /** After every commit, before anybody is told: also when the server dies of it. */
  committed(space: string, changes: readonly CommittedChange[], request: HttpRequest): void;
  answered(operations: readonly SeenOperation[], results: readonly SeenResult[]): void;
  injected(fault: Fault): void;
}

export interface ServerHostOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly machinery: Machinery;
  readonly journal: Journal;
  readonly tap: ServerTap;
  readonly scenario: Scenario;
  readonly authenticate: (token: string) => Account | null;
}

type Server = ReturnType<typeof createSyncServer>;

/** Dies at its next commit, before or after the data is safe. */
export type CommitCrash = "before" | "after";

class Crash extends Error {}

/** The production server on a disk that survives it. Reached like an origin: a transport. */
export class ServerHost implements Transport {
  readonly disk: MemoryDisk = new MemoryDisk();
  readonly #options: ServerHostOptions;
  readonly #seen = new Map<string, number>();
  #storage: MemoryStorage | null = null;
  #server: Server | null = null;
  #crash: CommitCrash | null = null;
  #lives = 0;
  /** Resolves when this life of the server ends: whoever waits for an answer then hears that the connection broke. */
  #death = Promise.withResolvers<null>();
  /** All work on a request is done within the event that brought it, so there is only one. */
  #current: HttpRequest | null = null;
  /** Chance that a handler asks to come back later. */
  busy = 0;

  constructor(options: ServerHostOptions) {
    this.#options = options;
    this.start();
  }

  get isUp(): boolean {
    return this.#server !== null;
  }

  start(): void {
    if (this.#server !== null) return;
    const { clock, random, machinery, authenticate, tap, scenario } = this.#options;
    const { strictClock, maxOperations, maxBodyBytes, requestsPerMinute, pageItems } = scenario;
    this.#lives += 1;
    this.#death = Promise.withResolvers();
    const life = this.#lives;
    const ids = random.fork(`life ${life}`);
    const storage = memoryStorage({
      disk: this.disk,
      hooks: { beforeCommit: () => this.#dieHere("before"), afterCommit: () => this.#afterCommit() },
    });
    this.#storage = storage;
    this.#server = createSyncServer({
      storage,
      collections: COLLECTIONS,
      operations: serverOperations(
        random.fork(`handlers ${life}`),
        () => this.busy,
        () => tap.injected("handler_busy"),
      ),
      authenticate: ({ headers }) => {
        const account = authenticate(/^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "");
        return account === null ? null : { ...account, roles: [] };
      },
      clock: {
        now: () => clock.now(),
        schedule: (delayMs, task) => clock.schedule(delayMs, () => this.#lives === life && this.isUp && task()),
      },
      random: (length) => ids.bytes(length),
      sha256: (text) => machinery.sha256Hex(text),
      limits: { maxOperations, maxBodyBytes, pageItems, maxPageItems: pageItems },
      rateLimit: { perPrincipal: requestsPerMinute },
      clockSkew: strictClock ? "refuse" : "report",
    });
  }

  /** Pulls the plug. What was committed stays. */
  kill(): void {
    this.#storage?.kill();
    this.#storage = null;
    this.#server = null;
    this.#crash = null;
    this.#death.resolve(null);
  }

  armCrash(side: CommitCrash): void {
    this.#crash = side;
  }
  disarm(): void {
    this.#crash = null;
  }

  /** What the server holds for an account, except for `without`. */
  documents({ space }: Account, without: ReadonlySet<string>): ReadonlyMap<string, Shown> {
    const documents = new Map<string, Shown>();
    for (const { type, id, version, document } of this.disk.spaces.get(space)?.entities.values() ?? []) {
      const key = keyOf(type, id);
      if (document !== null && !without.has(key)) documents.set(key, { entityType: type, entityId: id, value: document, version });
    }
    return documents;
  }

  headOf({ space }: Account): number {
    return this.disk.spaces.get(space)?.changes.at(-1)?.seq ?? 0;
  }

  async exchange(request: HttpRequest): Promise<Exchange> {
    const { journal, tap } = this.#options;
    const server = this.#server;
    if (server === null) return { kind: "failure", failure: "connection_refused", detail: "the server is down", elapsedMs: 0 };
    const life = this.#lives;
    tap.received(request);
    const url = new URL(request.url);
    const operations = operationsOf(request);
    journal.write("server", `receives ${request.method} ${url.pathname} ${operationsText(operations)}`, request.body);
    this.#current = request;
    const handled = server.handle({
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: lowerCased(request.headers),
      body: new TextEncoder().encode(request.body ?? ""),
      remoteAddress: "10.0.0.1",
    });
    // A long poll waits on the server for other events to come: it does not outlive the server.
    const response = url.searchParams.has("wait") ? await Promise.race([handled, this.#death.promise]) : await handled;
    if (response === null) return { kind: "failure", failure: "reset", detail: "the server died", elapsedMs: 0 };
    const results = resultsOf(response.body);
    tap.answered(operations, results);
    const hasDied = this.#server === null || this.#lives !== life;
    journal.write("server", `${hasDied ? "would have answered" : "answers"} ${response.status} ${resultsText(results)}`, response.body);
    if (hasDied) return { kind: "failure", failure: "reset", detail: "the server died", elapsedMs: 0 };
    return { kind: "answer", status: response.status, headers: lowerCased(response.headers), body: response.body, elapsedMs: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #dieHere(side: CommitCrash): void {
    if (this.#crash !== side) return;
    this.#crash = null;
    const { journal, tap } = this.#options;
    tap.injected(side === "before" ? "server_crash_before_commit" : "server_crash_after_commit");
    journal.write("server", `dies ${side} its commit`);
    this.kill();
    throw new Crash(`simulated crash ${side} commit`);
  }

  #afterCommit(): void {
    for (const [space, { changes }] of this.disk.spaces) {
      const from = this.#seen.get(space) ?? 0;
      if (changes.length <= from) continue;
      this.#seen.set(space, changes.length);
      this.#options.tap.committed(space, changes.slice(from), this.#current as HttpRequest);
    }
    this.#dieHere("after");
  }
}

export function operationsText(operations: readonly SeenOperation[]): string {
  return operations
    .map(({ operation_id, op_number, type, key, cancelled, supersedes }) => {
      const number = op_number === undefined ? "" : `${op_number}:`;
      const marks = `${cancelled === true ? " cancelled" : ""}${supersedes === undefined ? "" : ` instead of ${supersedes.map(short).join("+")}`}`;
      return `[${number}${type} ${short(operation_id)} key ${short(key)}${marks}]`;
    })
    .join(" ");
}
function resultsText(results: readonly SeenResult[]): string {
  return results
    .map(({ key, outcome, status, replayed }) => `[${short(key)} ${outcome} ${status}${replayed === true ? " replayed" : ""}]`)
    .join(" ");
}

/** Enough of a random id to tell it from others in a log; v7 ids share their beginning, so it is the end. */
export function short(id: string): string {
  return id.slice(-6);
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

export function pathText(request: HttpRequest): string {
  return `${request.method} ${pathOf(request)}`;
}
