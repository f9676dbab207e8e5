import { join } from "node:path";
import type { EngineStatus } from "guardian-sync";
import { DeviceProcess } from "./device-process.ts";
import type { House } from "./house.ts";
import type { Edit, Report } from "./messages.ts";
import type { DeviceAccount } from "./reckoning.ts";
import type { Gauge } from "./stage.ts";

/** What is known of a device from outside: for the status page too. */
export interface DeviceView {
  readonly name: string;
  readonly pid: number | null;
  readonly isOnline: boolean;
  readonly lives: number;
  readonly status: EngineStatus | undefined;
}

/** One device over all of its lives: processes come and go, the queue file stays. */
export class Actor {
  readonly name: string;
  readonly #folder: string;
  readonly #house: House;
  readonly #stored: string[] = [];
  #process: DeviceProcess | undefined;
  #isOnline = true;
  #isOver = false;
  #lives = 0;
  #status: EngineStatus | undefined;
  #onMove: (status: EngineStatus) => void = () => {};

  constructor(name: string, folder: string, house: House) {
    this.name = name;
    this.#folder = folder;
    this.#house = house;
  }

  get view(): DeviceView {
    const isAlive = this.#process?.isAlive === true;
    return {
      name: this.name,
      pid: isAlive ? this.pid : null,
      isOnline: isAlive && this.#isOnline,
      lives: this.#lives,
      status: this.#status,
    };
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async restart({ isOnline }: { readonly isOnline: boolean }): Promise<EngineStatus> {
    if (this.#isOver) throw new Error(`device ${this.name} is not started any more: the story is over`);
    this.#isOnline = isOnline;
    this.#lives += 1;
    const { url, session } = this.#house;
    const path = join(this.#folder, `device-${this.name.toLowerCase()}.db`);
    this.#process = new DeviceProcess({ name: this.name, path, baseUrl: url, session, isOnline }, (report) => this.#hear(report));
    return this.#keep(await this.#process.ready());
  }

  /** Resolves when every edit is on disk. While it is online, the queue may drain at the same time. */
  async edit(gauge: Gauge, edits: readonly Edit[]): Promise<void> {
    const before = this.#stored.length;
    let most = 0;
    this.#onMove = ({ pending, sealed }) => {
      most = Math.max(most, pending + sealed);
      gauge.set(pending + sealed);
    };
    const { pending, sealed } = this.#keep(await this.#alive().order({ order: "edit", edits }));
    this.#onMove = () => {};
    gauge.end(pending + sealed, `${this.#stored.length - before} stored on disk`);
  }

  async drain(gauge: Gauge): Promise<void> {
    this.#onMove = ({ pending, sealed }) => gauge.set(pending + sealed);
    const { pending, sealed, succeeded } = this.#keep(await this.#alive().order({ order: "drain" }));
    this.#onMove = () => {};
    gauge.end(pending + sealed, `${succeeded} applied so far`);
  }

  goOffline(): Promise<void> {
    return this.#goOnline(false);
  }

  goOnline(): Promise<void> {
    return this.#goOnline(true);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** For good. */
  end(): Promise<void> {
    this.#isOver = true;
    return this.kill();
  }

  async account(): Promise<DeviceAccount> {
    const status = this.#keep(await this.#alive().order({ order: "status" }));
    return { name: this.name, status, storedIds: this.#stored, replays: this.#house.ledger.replays(this.name) };
  }

  async close(): Promise<void> {
    this.#keep(await this.#alive().close());
  }

  async #goOnline(isOnline: boolean): Promise<void> {
    this.#isOnline = isOnline;
    await this.#alive()
      .order({ order: "online", isOnline })
      .then((status) => this.#keep(status), this.#unlessKilled);
  }

  /** The story kills a device while it may still owe an answer. */
  readonly #unlessKilled = (error: unknown): void => {
    if (this.#process?.isAlive === true) throw error;
  };

  #alive(): DeviceProcess {
    if (this.#process?.isAlive !== true) throw new Error(`device ${this.name} is not running`);
    return this.#process;
  }

  #hear(report: Report): void {
    if (report.report === "stored") this.#stored.push(report.id);
    else if (report.report === "moved") this.#onMove(this.#keep(report.status));
  }

  #keep(status: EngineStatus): EngineStatus {
    this.#status = status;
    return status;
  }
}

/** The devices of the story. */
export class Cast {
  readonly #folder: string;
  readonly #house: House;
  readonly #actors = new Map<string, Actor>();

  constructor(folder: string, house: House) {
    this.#folder = folder;
    this.#house = house;
  }

  get views(): readonly DeviceView[] {
    return [...this.#actors.values()].map(({ view }) => view);
  }

  async start(name: string): Promise<Actor> {
    const actor = new Actor(name, this.#folder, this.#house);
    this.#actors.set(name, actor);
    await actor.restart({ isOnline: true });
    return actor;
  }

  pid(name: string): number {
    return this.#actors.get(name)?.pid ?? 0;
  }

  accounts(): Promise<readonly DeviceAccount[]> {
    return Promise.all([...this.#actors.values()].map((actor) => actor.account()));
  }

  /** Ends all in order. */
  async close(): Promise<void> {
    await Promise.all([...this.#actors.values()].map((actor) => actor.close()));
  }

  /** Ends all that still run, whatever they do. */
  async end(): Promise<void> {
    await Promise.all([...this.#actors.values()].map((actor) => actor.end()));
  }
}
