import type { Platform } from "../engine/options.ts";
import type { SyncEngine } from "../engine/sync-engine.ts";
import type { FastLock, OpenedStore, QueueStore, StoreAdapter } from "../ports/index.ts";
import type { CrashSide, ProcessGate } from "./process-gate.ts";

const MAX_DELAY_MS = 2 ** 31 - 1;

/** Where a process dies. */
export interface CrashPoint {
  /**
   * The call out of the process: `store.append`, `store.commit`, any other `store.…`, `send` (a request), `answer`, `timer`, `turn`.
   * Left out: whatever comes.
   */
  readonly at?: string;
  /** At the first, second … of these from now. Default 1. */
  readonly nth?: number;
  /** `after`: the call has its effect, and the process never hears of it. Default `before`. */
  readonly side?: CrashSide;
}

/** An engine in a process that can be killed, frozen, and made to crash at any call that leaves it. */
export class TestProcess {
  readonly engine: SyncEngine;
  /** As the lock row names it. */
  readonly name: string;
  readonly #gate: ProcessGate;

  constructor(engine: SyncEngine, gate: ProcessGate, name: string) {
    this.engine = engine;
    this.name = name;
    this.#gate = gate;
  }

  get isDead(): boolean {
    return this.#gate.isDead;
  }
  /** Nothing of it runs any more; what it was told is on disk, is. Its promises never settle. */
  kill(): void {
    this.#gate.kill();
  }
  crash({ at, nth = 1, side = "before" }: CrashPoint = {}): void {
    this.#gate.armCrash(nth, side, at);
  }
  /** As a laptop that sleeps, or a tab in the background: what happens meanwhile, it hears of when it thaws. */
  freeze(): void {
    this.#gate.freeze();
  }
  thaw(): void {
    this.#gate.thaw();
  }
}

/** The platform as a process behind this gate sees it. */
export function gatedPlatform(platform: Platform, gate: ProcessGate): Platform {
  const { clock, transport, connectivity } = platform;
  return {
    ...platform,
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      schedule: (delayMs, task) => gate.event("timer", Math.min(Math.max(delayMs, 0), MAX_DELAY_MS), task),
      defer: (task) => void gate.event("turn", 0, task),
    },
    transport: {
      exchange: async (request) => {
        const { underWay } = await gate.call("send", 0, 0, () => Promise.resolve({ underWay: transport.exchange(request) }));
        const answer = await underWay;
        return new Promise((resolve) => void gate.event("answer", 0, () => resolve(answer)));
      },
      close: () => Promise.resolve(),
    },
    ...(connectivity === undefined
      ? {}
      : {
          connectivity: {
            online: () => connectivity.online(),
            subscribe: (listener) => connectivity.subscribe((online) => void gate.event("connectivity", 0, () => listener(online))),
          },
        }),
  };
}

/** The store as a process behind this gate sees it: every call is an event, and a place to die. */
export function gatedStore(adapter: StoreAdapter, gate: ProcessGate): StoreAdapter {
  return {
    description: adapter.description,
    open: async (world): Promise<OpenedStore> => {
      const opened = await gate.call("store.open", 0, 0, () => adapter.open(world));
      const { store, fastLock } = opened;
      // As the operating system does.
      gate.atDeath(() => void fastLock?.release());
      return { ...opened, store: gatedCalls(store, gate, "store"), fastLock: fastLock && gatedCalls<FastLock>(fastLock, gate, "fastLock") };
    },
  };
}

/** The same object, with every method as a call through the gate. */
function gatedCalls<T extends QueueStore | FastLock>(inner: T, gate: ProcessGate, name: string): T {
  return new Proxy(inner, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): Promise<unknown> =>
        gate.call(`${name}.${String(property)}`, 0, 0, () => Reflect.apply(member, target, args) as Promise<unknown>);
    },
  });
}
