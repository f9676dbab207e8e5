import { memoryStore } from "guardian-sync/memory";
import { type Platform, ProcessGate, type QueueStore, type SeededRandom, type StoreAdapter, type Transport } from "guardian-sync/testing";
import { type LogEvent, MetricsRegistry, renderPrometheus, type Telemetry } from "@guardian-sync/telemetry";
import type { Account } from "./model.ts";
import { watchPage } from "./page-watch.ts";
import { App, type Home } from "./app.ts";
import type { Device } from "./device.ts";
import { GatedStore } from "./gated-store.ts";
import { type MutantSurroundings, storeLike } from "./mutants/mutant.ts";
import { operationsText, pathText } from "./server-host.ts";
import { operationsOf } from "./wire.ts";

const REOPEN_MS = 5000;
/** A page that was opened with the app has been read by then. */
const RESTART_LOOK_MS = 200;

/** A process of a device, through all its lives. A life ends by a crash or a stop; the next one opens the same disk. */
export class Process {
  readonly device: Device;
  readonly name: string;
  #life = 0;
  #gate: ProcessGate | null = null;
  #app: App | null = null;
  #isRetired = false;
  #metrics = new MetricsRegistry();

  constructor(device: Device, name: string) {
    this.device = device;
    this.name = name;
  }

  /** Names this life. */
  get label(): string {
    return `${this.name}#${this.#life}`;
  }
  get isUp(): boolean {
    return this.#gate !== null && !this.#gate.isDead;
  }
  get isFrozen(): boolean {
    return this.#gate?.isFrozen === true;
  }
  /** Null while it is down, or still opening. */
  get app(): App | null {
    return this.#app;
  }

  /** Opens the disk with a new engine. */
  start(): void {
    if (this.isUp || this.#isRetired) return;
    const { world, random } = this.device;
    this.#life += 1;
    this.device.generations += 1;
    const gate = new ProcessGate(world.timeline, (point, side) => this.#crashed(point, side));
    this.#gate = gate;
    this.#metrics = new MetricsRegistry();
    world.journal.write(this.label, "starts");
    const luck = random.fork(this.label);
    const store = this.#store(gate, luck);
    const looks = luck.fork("looks").chance(world.scenario.lookers);
    const { maxBatch, orderings, concurrency, coalesce } = world.scenario;
    const batch = { maxOperations: maxBatch };
    const ordering = luck.fork("ordering").pick(orderings);
    const options = { store, batch, coalesce, ordering, concurrency, telemetry: this.#telemetry() };
    App.open(options, this.#platform(gate, luck), this.#home(gate)).then(
      (app) => {
        if (gate.isDead) return;
        this.#app = app;
        world.journal.write(this.label, "is open");
        if (!looks) return;
        app.look([]);
        watchPage(this, RESTART_LOOK_MS);
      },
      (error: unknown) => {
        world.canaries.error(`an error of ${this.label}`, error);
        world.journal.write(this.label, `cannot open: ${error instanceof Error ? error.message : String(error)}`);
        if (!gate.isDead) world.timeline.after(REOPEN_MS, () => this.#gate === gate && this.#again());
      },
    );
  }

  /** Dies at the `countdown`-th event from now whose point begins with `at`. */
  armCrash(countdown: number, side: "before" | "after", at?: string): void {
    this.#gate?.armCrash(countdown, side, at);
  }
  disarm(): void {
    this.#gate?.disarm();
  }
  kill(why: string): void {
    if (!this.isUp) return;
    this.#gate?.kill();
    this.#died(why);
  }
  /** Kills it; only `revive` lets it start again. */
  retire(): void {
    this.kill("at the end of its world");
    this.#isRetired = true;
  }
  revive(): void {
    this.#isRetired = false;
    this.start();
  }
  freeze(): void {
    this.#gate?.freeze();
    this.device.world.journal.write(this.label, "is frozen");
  }
  thaw(): void {
    if (!this.isFrozen) return;
    this.device.world.journal.write(this.label, "thaws");
    this.#gate?.thaw();
  }

  /** Something that its user does: it reaches a process that is alive and not frozen. */
  act(point: string, task: (app: App) => void): void {
    this.#gate?.event(point, 0, () => {
      if (this.#app !== null) task(this.#app);
    });
  }

  #home(gate: ProcessGate): Home {
    const { device, label } = this;
    let told: Account | null = null;
    return {
      label,
      account: () => told,
      device: device.name,
      version: device.appVersion,
      world: device.world,
      random: device.random,
      now: () => device.clock.now(),
      session: ({ force }) =>
        gate.call("session", 0, 0, () => {
          const { account } = device;
          told = account;
          return Promise.resolve(account === null ? null : { account, token: device.token(account, force) });
        }),
      actLater: (delayMs, task) => void device.world.timeline.after(delayMs, () => this.act("tap", task)),
    };
  }

  #again(): void {
    this.#gate?.kill();
    this.#gate = null;
    this.start();
  }

  #crashed(point: string, side: string): void {
    const { world, random } = this.device;
    world.injected("client_crash");
    this.#died(`${side} ${point}`);
    world.timeline.after(random.pick([100, 5000, 60_000]) * random.between(0.5, 1.5), () => this.start());
  }

  #died(why: string): void {
    const { world } = this.device;
    world.journal.write(this.label, `dies ${why}`);
    world.operations.died(this.label);
    world.canaries.text("a metric", renderPrometheus(this.#metrics));
    this.#app = null;
    if (this.device.fastLockHolder === this.#gate) this.device.fastLockHolder = null;
  }

  #telemetry(): Telemetry {
    const { label } = this;
    const { canaries, journal } = this.device.world;
    const hear = (level: string) => (event: LogEvent) => {
      const text = JSON.stringify(event);
      canaries.text("a log line", text);
      journal.write(label, `logs ${level} ${event.event_type}${event.code === undefined ? "" : ` ${event.code}`}`, text);
    };
    return {
      logger: { debug: hear("debug"), info: hear("info"), warning: hear("warning"), error: hear("error"), fatal: hear("fatal") },
      metrics: this.#metrics,
      reportError: (error) => {
        canaries.error("an error report", error);
        journal.write(label, `reports ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      },
    };
  }

  #platform(gate: ProcessGate, luck: SeededRandom): Platform {
    const { device, label } = this;
    const { clock, world } = device;
    const around = this.#surroundings(luck);
    const line = this.#transport(gate);
    return {
      clock: {
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        schedule: (delayMs, task) => {
          world.restraint.timers(label, gate.waiting);
          return gate.event("timer", Math.min(Math.max(delayMs, 0), 2 ** 31 - 1), task);
        },
        defer: (task) => void gate.event("turn", 0, task),
      },
      random: luck.fork("engine"),
      hash: { sha256Hex: (text) => world.machinery.sha256Hex(text) },
      transport: world.mutant?.transport?.(line, around) ?? line,
      connectivity: {
        online: () => device.isOnline,
        subscribe: (listener) => device.subscribe((online) => gate.event("connectivity", 0, () => listener(online))),
      },
      owner: this.label,
    };
  }

  #surroundings(luck: SeededRandom): MutantSurroundings {
    const { device } = this;
    return {
      generation: device.generations,
      clock: device.world.clock,
      random: luck.fork("mutant"),
      memory: device.memory,
      currentLock: () => device.lock,
      nextSeq: () => device.world.operations.nextSeq(device.name),
    };
  }

  #store(gate: ProcessGate, luck: SeededRandom): StoreAdapter {
    const { device, label } = this;
    const { world } = device;
    return {
      description: `simulated disk of ${device.name}`,
      open: async (outside) => {
        const opened = await gate.call("store.open", 1, 0, () =>
          memoryStore({ disk: device.disk, keys: device.keyRing(luck.fork("nonces")) }).open(outside),
        );
        device.tagKey = opened.tagKey;
        const gated = new GatedStore(opened.store, {
          gate,
          random: luck.fork("disk"),
          writeFault: () => {
            if (!luck.chance(device.writeFaults)) return null;
            return luck.pick(["STORAGE_FULL", "STORAGE_UNAVAILABLE"]);
          },
          tap: {
            read: (call, limit) => world.restraint.read(label, call, limit),
            appended: (segments, seqs) => {
              world.journal.write(label, `has operations ${seqs.join(", ")} on disk`);
              world.operations.appended(device.name, label, segments, seqs, (tag) => device.ownerOf(tag));
              device.fileChanged(gate);
            },
            committed: (change, result) => {
              world.journal.write(label, changeText(change, result.ok));
              if (!result.ok) return;
              device.fileChanged(gate);
              for (const { phase, seq } of change.putStates ?? [])
                if (phase === "blocked" || phase === "parked") world.operations.heldBack(device.name, seq);
              for (const range of change.settleContent ?? []) world.operations.settled(device.name, range);
              for (const { phase, seq, blockedBy } of change.putStates ?? [])
                if (phase === "folded") world.operations.folded(device.name, seq, blockedBy);
            },
            lockWritten: (row) => {
              if (row.fence !== device.lock?.fence || row.released !== device.lock.released) {
                world.journal.write(label, `${row.released ? "releases" : "takes"} the lock, fence ${row.fence}`);
              }
              device.lock = row;
              world.senders.lockWritten(device.name, label, row);
            },
            refused: (call, code) => {
              world.injected(code === "STORAGE_FULL" ? "storage_full" : "storage_unavailable");
              world.journal.write(label, `finds its disk failing: ${call} ${code}`);
            },
          },
        });
        const spoiled = world.mutant?.store?.(gated, this.#surroundings(luck)) ?? gated;
        const watch = (listener: () => void): (() => void) => device.watchFile(gate, listener);
        return { ...opened, store: this.#watched(spoiled), fastLock: this.#fastLock(gate), watch };
      },
    };
  }

  #watched(store: QueueStore): QueueStore {
    const { device, label } = this;
    return storeLike(store, {
      commit: async (change) => {
        const judge = device.world.senders.commits(device.name, label, change);
        const result = await store.commit(change);
        if (result.ok) judge();
        return result;
      },
    });
  }

  #fastLock(gate: ProcessGate): { tryAcquire(): Promise<boolean>; release(): Promise<void> } {
    const { device } = this;
    return {
      tryAcquire: () =>
        gate.call("fastLock.tryAcquire", 0, 0, () => {
          device.fastLockHolder ??= gate;
          return Promise.resolve(device.fastLockHolder === gate);
        }),
      release: () =>
        gate.call("fastLock.release", 0, 0, () => {
          if (device.fastLockHolder === gate) device.fastLockHolder = null;
          return Promise.resolve();
        }),
    };
  }

  /** Below every mutant: what passes here is what really travels. */
  #transport(gate: ProcessGate): Transport {
    const { device, label } = this;
    const { world } = device;
    return {
      exchange: async (request) => {
        const { under } = await gate.call("send", 0, 0, () => {
          const operations = operationsOf(request);
          world.journal.write(label, `sends ${pathText(request)} ${operationsText(operations)}`, request.body);
          world.sent(request, { device: device.name, process: label, fence: world.senders.fenceOf(label) });
          const token = request.headers.Authorization?.replace(/^Bearer /, "") ?? "";
          world.operations.seenOnWire(label, world.tokens.owner(token), operations);
          world.canaries.text("a URL", request.url);
          world.canaries.headers("the header", request.headers);
          const keys = operations.map(({ key }) => key);
          world.restraint.sent(label, request, keys);
          world.lanes.sent(label, request);
          return Promise.resolve({ under: device.network.exchange(request) });
        });
        const answer = await under;
        world.restraint.ended(label, request);
        world.lanes.ended(label, request);
        return new Promise((resolve) => {
          gate.event("answer", 0, () => {
            world.restraint.delivered(label, answer);
            const text = answer.kind === "answer" ? String(answer.status) : answer.failure;
            world.journal.write(label, `hears ${text} to ${pathText(request)}`);
            resolve(answer);
          });
        });
      },
      close: () => Promise.resolve(),
    };
  }
}

function changeText(change: Parameters<QueueStore["commit"]>[0], isOk: boolean): string {
  const parts = Object.entries(change.count ?? {}).map(([name, by]) => `${name} ${by > 0 ? "+" : ""}${by}`);
  return `${isOk ? "changes" : "could not change"} its queue${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}
