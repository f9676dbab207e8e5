import { MemoryDisk, memoryStore } from "guardian-sync/memory";
import {
  accountTag,
  FaultyTransport,
  type KeyRing,
  nodeKeyRing,
  type QueueStore,
  type SeededRandom,
  VirtualClock,
} from "guardian-sync/testing";
import { watchDisk } from "./disk-watch.ts";
import type { LockRow } from "./gated-store.ts";
import type { ProcessGate } from "guardian-sync/testing";
import { type Account, NETWORK_FAULT } from "./model.ts";
import { type MutantMemory, newMemory } from "./mutants/mutant.ts";
import { CALM, type Weather } from "./weather.ts";
import type { World } from "./world.ts";

/** Of every simulated disk: what is under test is that nothing readable gets past it. */
const DISK_KEY = new Uint8Array(32).fill(7);
const NONCE_BYTES = 12;
const FILE_NOTICE_MS = 20;

/** One machine: a disk that survives its processes, a clock that people set, a way to the server, and who is signed in. */
export class Device {
  readonly name: string;
  readonly world: World;
  readonly random: SeededRandom;
  readonly disk: MemoryDisk = new MemoryDisk();
  readonly clock: VirtualClock;
  readonly network: FaultyTransport;
  readonly memory: MutantMemory = newMemory();
  weather: Weather = CALM;
  account: Account | null;
  /** Chance that a write finds the disk full or away. */
  writeFaults = 0;
  lock: LockRow | null = null;
  fastLockHolder: ProcessGate | null = null;
  generations = 0;
  /** Of the app that its processes start with. */
  appVersion: 1 | 2 = 1;
  /** Key of the tags on the disk, once it is open. */
  tagKey: Uint8Array | null = null;
  #token = "";
  readonly #listeners = new Set<(online: boolean) => void>();
  readonly #fileListeners = new Set<{ readonly gate: ProcessGate; readonly listener: () => void; isTold: boolean }>();
  #observer: QueueStore | null = null;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.random = world.random.fork(name);
    this.clock = new VirtualClock({ timeline: world.timeline, startMs: world.clock.now() });
    this.account = world.scenario.accounts[0] as Account;
    const line = this.random.fork("network");
    this.network = new FaultyTransport(world.server, {
      clock: world.clock,
      random: line,
      faults: () => this.weather.faults,
      onFault: (fault) => world.injected(NETWORK_FAULT[fault]),
    });
  }

  get isOnline(): boolean {
    return !this.weather.faults.offline;
  }

  /** Tells the processes when the interface comes or goes; other weather nobody announces. */
  turn(weather: Weather): void {
    const was = this.isOnline;
    this.weather = weather;
    const { requestLost, answerLost } = weather.faults;
    if (!this.isOnline) this.world.injected("offline");
    if (requestLost === 1 || answerLost === 1) this.world.injected("partition");
    this.world.journal.write(this.name, `has ${weather.name} weather`);
    if (was !== this.isOnline) for (const listener of this.#listeners) listener(this.isOnline);
  }

  subscribe(listener: (online: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells a process what others write to the disk; what comes meanwhile is told together. */
  watchFile(gate: ProcessGate, listener: () => void): () => void {
    const entry = { gate, listener, isTold: false };
    this.#fileListeners.add(entry);
    return () => this.#fileListeners.delete(entry);
  }
  fileChanged(by: ProcessGate): void {
    for (const entry of this.#fileListeners) {
      if (entry.gate === by || entry.gate.isDead || entry.isTold) continue;
      entry.isTold = true;
      entry.gate.event("file", FILE_NOTICE_MS, () => {
        entry.isTold = false;
        if (this.#fileListeners.has(entry)) entry.listener();
      });
    }
  }

  signIn(account: Account | null): void {
    this.account = account;
    this.#token = "";
    this.world.journal.write(this.name, account === null ? "signs out" : `signs in ${account.principal}`);
  }

  token(account: Account, force: boolean): string {
    if (force || this.#token === "") this.#token = this.world.tokens.issue(account);
    return this.#token;
  }

  /** Whose part of the queue a tag names. */
  ownerOf(tag: string): Account | null {
    const { tagKey } = this;
    if (tagKey === null) return null;
    return this.world.scenario.accounts.find((account) => accountTag(tagKey, account) === tag) ?? null;
  }

  /** The production key ring, with nonces that the seed determines. */
  keyRing(luck: SeededRandom): KeyRing {
    return nodeKeyRing({ current: DISK_KEY, nonce: () => luck.bytes(NONCE_BYTES) });
  }

  /** The disk as it is, past all processes. */
  async observer(): Promise<QueueStore> {
    this.#observer ??= (
      await memoryStore({ disk: this.disk, keys: this.keyRing(this.random) }).open({ clock: this.clock, random: this.random })
    ).store;
    return this.#observer;
  }

  async look(): Promise<void> {
    if (this.generations === 0) return;
    await watchDisk(this.name, await this.observer(), this.world.operations, this.world.report);
    const { accounts, segments, states, packs, lanes, entities, receipts, meta } = this.disk;
    const image = [accounts, packs, lanes, entities, meta].map((table) => [...table.values()]);
    const ordered = [segments, states, receipts].map((table) => [...table.from(0)]);
    this.world.canaries.image(`the disk of ${this.name}`, [image, ordered, this.disk.lock]);
  }
}
