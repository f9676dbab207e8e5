import { createHash } from "node:crypto";
import type { Telemetry } from "@guardian-sync/telemetry";
import type { EnqueueInput } from "../engine/intake.ts";
import type { Operation } from "../engine/operation.ts";
import type { EngineOptions, Platform } from "../engine/options.ts";
import type { LoadProcessing } from "../engine/processing-keeper.ts";
import type { SyncEngine } from "../engine/sync-engine.ts";
import type { Connectivity, Hash, StoreAdapter } from "../ports/index.ts";
import { MemoryDisk, memoryStore } from "../storage/memory.ts";
import { createEngine } from "./create-engine.ts";
import { type FetchHandler, fetchBackend } from "./fetch-backend.ts";
import { FaultyTransport, NO_FAULTS, type NetworkFaults } from "./faulty-transport.ts";
import { ProcessGate } from "./process-gate.ts";
import { type Reply, ScriptedTransport } from "./scripted-transport.ts";
import { SeededRandom } from "./seeded-random.ts";
import { TinyBackend } from "./tiny-backend.ts";
import { gatedPlatform, gatedStore, TestProcess } from "./test-process.ts";
import { type Timeline, VirtualClock } from "./virtual-clock.ts";

const NETWORK_RESTS_MS = 120_000;

/** SHA-256 at once, without a turn of the event loop. */
export const syncHash: Hash = { sha256Hex: (text) => createHash("sha256").update(text).digest("hex") };

export interface TestWorldOptions {
  readonly seed?: number | string;
  readonly disk?: MemoryDisk;
  /** What answers instead of the tiny backend: a reply, or a backend's own code as a Fetch handler. */
  readonly backend?: Reply | { readonly fetch: FetchHandler };
}
export interface TestSession {
  readonly account: { readonly space: string; readonly principal: string };
  readonly token: string;
  readonly expiresAt?: number;
}
export type TestEngineOptions = Partial<Omit<EngineOptions, "backend">> & {
  readonly backend?: Partial<EngineOptions["backend"]>;
  readonly platform?: Partial<Platform>;
  /** How the code that sends arrives. Left out, it is there. */
  readonly load?: LoadProcessing;
};

/**
 * Virtual time, seeded luck, a disk that survives engines, a scripted network and somebody who is signed in: all that an
 * engine needs, and nothing real. Start several engines on it for several processes, one after the other for restarts.
 */
export class TestWorld {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom;
  readonly disk: MemoryDisk;
  readonly backend: TinyBackend = new TinyBackend();
  readonly transport: ScriptedTransport;
  readonly connectivity: SwitchedConnectivity = new SwitchedConnectivity();
  /** `level event_type code`, of everything logged. */
  readonly logged: string[] = [];
  /** What the app's `session` function answers. */
  session: TestSession | null = { account: { space: "home", principal: "ada" }, token: "token-1" };
  /** How often it was asked, and how often by force. */
  readonly asked: { calls: number; forced: number } = { calls: 0, forced: 0 };
  /** Called when it is asked by force. */
  onForced: () => void = () => {};
  /** What happens to the requests of processes from now on: probabilities, and how long things take. */
  faults: Partial<NetworkFaults> = {};
  readonly engines: SyncEngine[] = [];
  readonly #processes: TestProcess[] = [];
  #started = 0;

  constructor(options: TestWorldOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.disk = options.disk ?? new MemoryDisk();
    const { backend = this.backend.answer } = options;
    const otherwise = typeof backend === "object" && "fetch" in backend ? fetchBackend(backend.fetch, this.timeline) : backend;
    this.transport = new ScriptedTransport({ clock: this.clock, otherwise });
  }

  get timeline(): Timeline {
    return this.clock.timeline;
  }
  get now(): number {
    return this.clock.now();
  }
  get store(): StoreAdapter {
    return memoryStore({ disk: this.disk });
  }

  /** One more engine on the disk, that nothing happens to but what the test does: it even sends one by one, unless `coalesce` is given. */
  async engine(options: TestEngineOptions = {}): Promise<SyncEngine> {
    const engine = await this.#open({ coalesce: false, ...options }, this.#platform(options.platform));
    this.engines.push(engine);
    return engine;
  }

  /** One more process on the disk: behind the `faults`, and mortal. */
  async process(options: TestEngineOptions = {}): Promise<TestProcess> {
    const gate = new ProcessGate(this.timeline, () => undefined);
    const platform = this.#platform(options.platform);
    const transport = new FaultyTransport(platform.transport, {
      clock: this.clock,
      random: this.random.fork(`network of ${platform.owner}`),
      faults: () => ({ ...NO_FAULTS, ...this.faults }),
    });
    const store = gatedStore(options.store ?? this.store, gate);
    const engine = await this.#open({ ...options, store }, gatedPlatform({ ...platform, transport }, gate));
    const process = new TestProcess(engine, gate, platform.owner);
    this.#processes.push(process);
    return process;
  }

  #platform(changes: Partial<Platform> = {}): Platform {
    this.#started += 1;
    return {
      clock: this.clock,
      random: this.random.fork(`process ${this.#started}`),
      hash: syncHash,
      transport: this.transport,
      connectivity: this.connectivity,
      owner: `process-${this.#started}`,
      ...changes,
    };
  }

  #open({ backend, platform: _platform, load, ...rest }: TestEngineOptions, platform: Platform): Promise<SyncEngine> {
    const options = {
      store: this.store,
      telemetry: this.telemetry,
      ...rest,
      backend: {
        baseUrl: "https://api.example.test",
        session: (request: { readonly force: boolean }) => this.ask(request.force),
        ...backend,
      },
    };
    return this.run(createEngine(options, platform, load));
  }

  ask(isForced: boolean): TestSession | null {
    this.asked.calls += 1;
    if (isForced) {
      this.asked.forced += 1;
      this.onForced();
    }
    return this.session;
  }

  get telemetry(): Telemetry {
    const log =
      (level: string) =>
      ({ event_type, code }: { readonly event_type: string; readonly code?: string | undefined }): void => {
        this.logged.push(`${level} ${event_type}${code === undefined || code === "" ? "" : ` ${code}`}`);
      };
    const logger = { debug: log("debug"), info: log("info"), warning: log("warning"), error: log("error"), fatal: log("fatal") };
    const nothing = { inc() {}, set() {}, observe() {} };
    return { logger, metrics: { counter: () => nothing, gauge: () => nothing, histogram: () => nothing, gaugeFrom() {} } };
  }

  /** Lets time pass until `work` has settled. @throws Error when it has not after `limitMs` of virtual time. */
  async run<T>(work: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let hasSettled = false;
    const settle = (): void => {
      hasSettled = true;
    };
    work.then(
      () => settle(),
      () => settle(),
    );
    await this.timeline.run({ untilMs: this.timeline.nowMs + limitMs, stop: () => hasSettled });
    if (!hasSettled) throw new Error(`nothing settled in ${limitMs} ms of virtual time`);
    return work;
  }

  /** Queues plain writes of devices in one call: `CREATE d1`, `UPDATE d1`, `DELETE d1`. `more` goes with each. */
  enqueue(engine: SyncEngine, words: readonly string[], more: Partial<EnqueueInput> = {}): Promise<readonly Operation[]> {
    const inputs = words.map((word): EnqueueInput => {
      const [type = "", entityId = ""] = word.split(" ");
      const payload = type === "DELETE" ? {} : { payload: { name: `${entityId} at ${this.now}` } };
      return { type: type as EnqueueInput["type"], entityType: "device", entityId, ...payload, ...more };
    });
    return this.run(engine.enqueueMany(inputs));
  }

  /** Lets time pass. */
  advance(durationMs: number): Promise<void> {
    return this.clock.advance(durationMs);
  }

  /** Sends what can be sent, and says how that ended. */
  drain(engine: SyncEngine, timeoutMs = 3_600_000): Promise<{ readonly empty: boolean; readonly reason?: string }> {
    return this.run(engine.drain({ timeoutMs }), timeoutMs + 1000);
  }

  /** Closes all engines. @throws Error when one of them left a timer, the lock or a request behind. */
  async close(): Promise<void> {
    for (const engine of this.engines.splice(0)) await this.run(engine.close());
    this.faults = {};
    const processes = this.#processes.splice(0);
    for (const process of processes) {
      process.thaw();
      if (!process.isDead) await this.run(process.engine.close());
    }
    // What is still on the network arrives somewhere, or times out.
    if (processes.length > 0) await this.advance(NETWORK_RESTS_MS);
    const { disk, timeline, transport } = this;
    if (timeline.waiting > 0) throw new Error(`${timeline.waiting} timers were left behind`);
    if (disk.fastLockHolder !== undefined) throw new Error("the fast lock was left behind");
    const isDead = processes.some((process) => process.isDead && process.name === disk.lock?.owner);
    if (disk.lock !== undefined && !disk.lock.released && !isDead) throw new Error(`the processing lock was left to ${disk.lock.owner}`);
    if (transport.inFlight > 0) throw new Error(`${transport.inFlight} requests were left behind`);
  }
}

/** An interface that a test takes up and down. */
export class SwitchedConnectivity implements Connectivity {
  #isOnline = true;
  readonly #listeners = new Set<(online: boolean) => void>();

  online(): boolean {
    return this.#isOnline;
  }
  get listeners(): number {
    return this.#listeners.size;
  }
  subscribe(listener: (online: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  turn(isOnline: boolean): void {
    this.#isOnline = isOnline;
    for (const listener of Array.from(this.#listeners)) listener(isOnline);
  }
}
