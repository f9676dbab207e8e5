/** A real client and a real server over real HTTP, a gate between them that can play anybody, and a clock that leaps over waits. */
import { join } from "node:path";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen } from "@guardian-sync/server/node";
import type { BackendOptions, EngineStatus, Operation, Session, SyncEngine, SyncEngineOptions } from "guardian-sync";
import { nodePlatform } from "guardian-sync/node";
import { VirtualClock } from "guardian-sync/testing";
import { Cleanup } from "./cleanup.ts";
import { readFeed } from "./feed.ts";
import { GateProxy, type SeenRequest } from "./gate-proxy.ts";
import { homeServer, recordHeartRate, sessionOf, tokenNumberOf } from "./home.ts";
import { type FeedChange, judgeBooks, judgeFeed } from "./oracle.ts";
import { openQueue, type QueueFile } from "./queue-file.ts";
import { pause } from "./report.ts";

const SPACE = "home";
const PRINCIPAL = "ada";

export interface HttpBenchOptions {
  readonly engine?: Partial<SyncEngineOptions>;
  readonly backend?: Partial<BackendOptions>;
  /** Another origin behind the gate than the home's server. */
  readonly origin?: string;
}

export class HttpBench implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly gate: GateProxy;
  readonly cleanup: Cleanup;
  readonly faults: string[] = [];
  /** How often the app was asked for a new token. */
  refreshes = 0;
  /** The server refuses tokens with a lower number. */
  oldestToken = 1;
  /** What the app hands out; a refresh makes it `newestToken`. */
  token = 1;
  newestToken = 1;
  refreshTakesMs = 0;
  readonly #origin: string;
  readonly #file: QueueFile;
  readonly #options: HttpBenchOptions;
  #sync: SyncEngine | undefined;

  private constructor(cleanup: Cleanup, clock: VirtualClock, gate: GateProxy, origin: string, options: HttpBenchOptions) {
    this.cleanup = cleanup;
    this.clock = clock;
    this.gate = gate;
    this.#origin = origin;
    this.#options = options;
    const path = join(cleanup.folder(), "queue.db");
    this.#file = { path, keyHex: "cd".repeat(32), baseUrl: gate.url, space: SPACE, principal: PRINCIPAL };
  }

  static async open(options: HttpBenchOptions = {}): Promise<HttpBench> {
    const cleanup = new Cleanup();
    const clock = new VirtualClock({ startMs: Date.now() });
    let bench: HttpBench | undefined;
    const timer = { now: () => clock.now(), schedule: (ms: number, task: () => void) => clock.schedule(ms, task) };
    const server = homeServer(memoryStorage(), { clock: timer }, (token) => tokenNumberOf(token) >= (bench?.oldestToken ?? 1));
    const origin = options.origin ?? cleanup.closing(await listen(server)).url;
    const gate = cleanup.closing(
      await GateProxy.start(
        () => origin,
        undefined,
        () => clock.now(),
      ),
    );
    bench = new HttpBench(cleanup, clock, gate, origin, options);
    cleanup.add(() => bench?.sync.close());
    await bench.restart();
    return bench;
  }

  get sync(): SyncEngine {
    if (this.#sync === undefined) throw new Error("the engine is not open");
    return this.#sync;
  }

  /** The app ends and begins again on the same file. */
  async restart(): Promise<void> {
    await this.#sync?.close();
    const session = async ({ force }: { readonly force: boolean }): Promise<Session> => {
      if (force) {
        this.refreshes += 1;
        await pause(this.refreshTakesMs);
        this.token = this.newestToken;
      }
      return sessionOf(SPACE, PRINCIPAL, this.token);
    };
    this.#sync = await openQueue(this.#file, {
      ...this.#options.engine,
      backend: { baseUrl: this.gate.url, session, ...this.#options.backend },
      platform: { ...nodePlatform(), clock: this.clock, ...this.#options.engine?.platform },
    });
  }

  /** A new device, on disk. */
  create(entityId: string, name = "lamp"): Promise<Operation> {
    return this.stored(this.sync.enqueue({ type: "CREATE", entityType: "device", entityId, payload: { name, n: 1 } }));
  }
  update(entityId: string, n: number, baseVersion?: number): Promise<Operation> {
    const base = baseVersion === undefined ? {} : { baseVersion };
    return this.stored(this.sync.enqueue({ type: "UPDATE", entityType: "device", entityId, payload: { n }, ...base }));
  }
  remove(entityId: string): Promise<Operation> {
    return this.stored(this.sync.enqueue({ type: "DELETE", entityType: "device", entityId }));
  }
  async record(monitor: string): Promise<Operation> {
    const operation = this.sync.run(recordHeartRate, { monitor_id: monitor, bpm: 70 });
    await this.stored(operation.stored);
    return operation;
  }

  /** Waits for `work`: what is stored is stored in a turn of the clock. */
  async stored<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    while (!isDone) await this.#breathe(0);
    return done;
  }

  async #breathe(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets time pass, with everything that falls due in it; requests take no virtual time. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      const { state, nextAttemptAt } = await this.settledStatus();
      const next = state === "waiting" ? Math.max(1, (nextAttemptAt ?? end) - this.clock.now()) : end - this.clock.now();
      if (this.clock.now() + next >= end) break;
      await this.#breathe(next);
    }
    await this.#breathe(Math.max(0, end - this.clock.now()));
    await this.settledStatus();
  }

  /** The status once the engine rests: waits, is idle, or is paused. */
  async settledStatus(): Promise<EngineStatus> {
    for (;;) {
      await this.#breathe(0);
      const status = await this.sync.status();
      if (status.state !== "sending") {
        // Rest that a wake-up has ended already is none.
        await this.#breathe(0);
        const again = await this.sync.status();
        if (again.state === status.state && again.reason === status.reason && again.nextAttemptAt === status.nextAttemptAt) return again;
      }
      await pause(1);
    }
  }

  /** Time leaps until nothing waits, or nothing can go on, at most `limitMs` ahead. */
  async drain(limitMs = 3_600_000): Promise<EngineStatus> {
    const end = this.clock.now() + limitMs;
    for (;;) {
      const status = await this.settledStatus();
      if (status.pending + status.sealed === 0 || status.state !== "waiting" || this.clock.now() >= end) return status;
      await this.#breathe(Math.max(1, (status.nextAttemptAt ?? this.clock.now() + 1000) - this.clock.now()));
    }
  }

  /** Requests that carried operations. */
  get writes(): readonly SeenRequest[] {
    return this.gate.requests.filter(({ operations }) => operations.length > 0);
  }

  feed(): Promise<readonly FeedChange[]> {
    return readFeed(this.#origin, SPACE, PRINCIPAL, this.oldestToken);
  }

  check(promise: string, holds: boolean): void {
    if (!holds) this.faults.push(`${promise}: does not hold`);
  }

  /** Everything that was enqueued has had its effect once; keys kept their bytes. */
  async checkDelivered(): Promise<void> {
    const status = await this.drain();
    const changes = await this.feed();
    this.faults.push(...judgeFeed([], changes).faults, ...judgeBooks(status, changes.length));
    for (const [key, { bytes }] of this.gate.sentByKey()) this.check(`key ${key} has the same bytes each time`, bytes.size === 1);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cleanup[Symbol.asyncDispose]();
  }
}
