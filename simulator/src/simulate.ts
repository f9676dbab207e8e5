import { canonicalJson } from "@guardian-sync/protocol";
import { ADD } from "./domain.ts";
import { pageAgainstServer, watchPage } from "./page-watch.ts";
import type { Process } from "./process.ts";
import type { JournalLine } from "./journal.ts";
import type { Account, FaultCounts, Violation } from "./model.ts";
import { newStation, type Station } from "./station.ts";
import { install, planTrouble } from "./trouble.ts";
import { CALM } from "./weather.ts";
import { Workload } from "./workload.ts";
import { World, type WorldOptions } from "./world.ts";

export interface SeedResult {
  readonly seed: number;
  /** SHA-256 over everything that happened. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
  readonly requests: number;
  readonly takeovers: number;
  /** Operations that travelled with another one. */
  readonly folded: number;
  /** Lists that pages were told, and the oracle looked at. */
  readonly pagesShown: number;
  readonly faults: FaultCounts;
  readonly violations: readonly Violation[];
  /** Empty unless it was asked for. */
  readonly log: readonly JournalLine[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Looks at the disks while things go wrong. */
const LOOKS = 6;
/** With everything well again, a queue that still has work after this long will have it for ever. */
const MAX_SETTLING_MS = 2 * HOUR_MS;
const SETTLING_STEP_MS = 20_000;
/** A person who sees the same pause again and again calls somebody. */
const MAX_RESUMES = 5;
/** A long poll that is under way takes half a minute; then it is the turn of who pulls. */
const PULL_MS = 2 * MINUTE_MS;
/** What waits for a Retry-After, or for a slow server, does so for some minutes. */
const MAX_PULLS = 20;
const SHARED_MS = 3000;
const MAX_ROUNDS = 5;
/** The latest copy of a request arrives so long after it was sent. */
const LAST_COPY_MS = 2 * HOUR_MS + 5 * MINUTE_MS;
/** Turns of the world: a run that needs more does not come to rest. */
const MAX_STEPS = 600_000;

/** Runs one seed to its end, or to its first broken promise. */
export async function simulate(options: WorldOptions): Promise<SeedResult> {
  const { seed, machinery } = options;
  const world = new World(options);
  machinery.watchStrayErrors((error) => {
    world.canaries.error("an error that nobody handles", error);
    world.report("errors", `nobody handles: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
  });
  try {
    await new Run(world).live();
  } catch (error) {
    world.report("errors", `the world stopped: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    machinery.watchStrayErrors(null);
  }
  return {
    seed,
    hash: world.journal.finish(),
    simulatedMs: world.timeline.nowMs,
    events: world.journal.events,
    operations: world.operations.all.length,
    requests: world.requests,
    takeovers: world.senders.takeovers,
    folded: world.operations.foldedCount,
    pagesShown: world.views.told,
    faults: world.faults,
    violations: world.violations,
    log: world.journal.lines,
  };
}

class Run {
  readonly #world: World;
  readonly #stations: readonly Station[];
  #steps = 0;

  constructor(world: World) {
    this.#world = world;
    this.#stations = world.scenario.devices.map((processes, i) => newStation(world, `d${i + 1}`, processes));
  }

  get #isOver(): boolean {
    return this.#world.violations.length > 0;
  }

  async live(): Promise<void> {
    const { scenario, timeline } = this.#world;
    for (const { processes } of this.#stations) for (const process of processes) process.start();
    new Workload(this.#world).plan(this.#stations);
    planTrouble(this.#world, this.#stations);
    for (let i = 1; i <= LOOKS; i++) timeline.after((i * scenario.troubleMs) / LOOKS, () => void this.#look());
    await this.#runFor(scenario.troubleMs);
    if (!this.#isOver) await this.#settle();
    if (!this.#isOver) await this.#judge();
  }

  async #look(): Promise<void> {
    for (const { device, processes } of this.#stations) {
      await device.look();
      for (const process of processes) watchPage(process);
    }
  }

  async #runFor(durationMs: number): Promise<void> {
    const { timeline } = this.#world;
    const untilMs = timeline.nowMs + durationMs;
    await this.#runUntil(() => false, untilMs);
    if (!this.#isOver) await timeline.advance(untilMs - timeline.nowMs);
  }

  async #runUntil(isDone: () => boolean, untilMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    const stop = (): boolean => {
      if (++this.#steps > MAX_STEPS && !this.#isOver) this.#world.report("INV9", `no rest after ${MAX_STEPS} turns`);
      return this.#isOver || isDone();
    };
    await this.#world.timeline.run({ untilMs, stop });
  }

  /** Faults end, the network heals, everybody is back, and each account has its turn on every device. */
  async #settle(): Promise<void> {
    const world = this.#world;
    world.journal.write("world", "heals");
    world.server.disarm();
    world.server.busy = 0;
    if (!world.server.isUp) world.server.start();
    for (const station of this.#stations) {
      const { device, processes } = station;
      if (device.appVersion === 1) install(world, station, 2, () => 100);
      device.turn(CALM);
      device.writeFaults = 0;
      for (const process of processes) {
        process.disarm();
        process.thaw();
        process.start();
      }
    }
    await this.#runFor(1000);
    for (const account of world.scenario.accounts) {
      await this.#drain(account);
      if (!this.#isOver)
        await this.#agree(
          account,
          this.#stations.flatMap(({ processes }) => processes),
        );
    }
    for (const { processes } of this.#stations) for (const process of processes) process.retire();
    if (!this.#isOver) await this.#runFor(LAST_COPY_MS);
    await this.#look();
  }

  async #drain(account: Account): Promise<void> {
    const world = this.#world;
    for (const { device, processes } of this.#stations) {
      if (device.account === account) continue;
      device.signIn(account);
      for (const process of processes) process.act("sign-in", (app) => app.signInChanged());
    }
    const busy = new Map(this.#stations.map((station) => [station, 0]));
    const endMs = world.timeline.nowMs + MAX_SETTLING_MS;
    while (busy.size > 0 && !this.#isOver) {
      await this.#runFor(SETTLING_STEP_MS);
      for (const [station, resumes] of busy) {
        const { device, processes } = station;
        const rest = await this.#restOf(station);
        if (rest.kind === "empty" || rest.kind === "halted") busy.delete(station);
        else if (rest.kind === "paused") {
          if (resumes >= MAX_RESUMES) world.report("INV9", `${device.name} pauses with ${rest.reason} again and again in a healthy world`);
          busy.set(station, resumes + 1);
          for (const process of processes) process.act("tap", (app) => app.resume());
        } else if (world.timeline.nowMs > endMs) {
          world.report("INV9", `${device.name} still has work after ${MAX_SETTLING_MS / HOUR_MS} healthy hours: ${rest.reason}`);
        }
      }
    }
  }

  /** INV4: everybody looks; what the server has is read; all pages show it. */
  async #agree(account: Account, all: readonly Process[]): Promise<void> {
    const world = this.#world;
    for (const process of all) process.act("tap", (app) => app.look([]));
    await this.#runFor(1000);
    for (let round = 1; ; round++) {
      const head = world.server.headOf(account);
      // The processes of a device share what one of them reads.
      const stale = new Set(all.map(({ device }) => device));
      for (let tries = 0; stale.size > 0 && tries < MAX_PULLS && !this.#isOver; tries++) {
        let open = 0;
        for (const { app, device } of all) {
          if (app === null || !stale.has(device)) continue;
          open += 1;
          void app.pull().then((isFresh) => {
            open -= 1;
            if (isFresh) stale.delete(device);
          });
        }
        await this.#runUntil(() => open === 0 || stale.size === 0, world.timeline.nowMs + PULL_MS);
      }
      for (const device of stale) world.report("INV4", `${device.name} cannot read what the server has, in a healthy world`);
      // Those that did not read themselves look at the file every second.
      await this.#runFor(SHARED_MS);
      if (this.#isOver) return;
      // A late copy of a request may still have had an effect.
      if (world.server.headOf(account) !== head && round < MAX_ROUNDS) continue;
      for (const process of all) {
        const difference = await pageAgainstServer(process, account);
        if (difference !== null) world.report("INV4", difference);
      }
      break;
    }
    for (const process of all) {
      watchPage(process);
      process.act("tap", (app) => app.lookAway());
    }
  }

  async #restOf({ processes }: Station): Promise<{ readonly kind: "empty" | "halted" | "paused" | "busy"; readonly reason: string }> {
    const apps = processes.flatMap(({ app }) => app ?? []);
    if (apps.length < processes.length) return { kind: "busy", reason: "a process is not open" };
    const told: { state: string; reason: string; work: number }[] = [];
    for (const app of apps) {
      let status: { state: string; reason: string; work: number } | undefined;
      void app.rest().then((value) => {
        status = value;
      });
      await this.#runUntil(() => status !== undefined);
      if (status !== undefined) told.push(status);
    }
    const reason = told.map(({ state, reason: why, work }) => `${state} (${why}), ${work} waiting`).join("; ");
    if (told.every(({ work }) => work === 0)) return { kind: "empty", reason };
    if (told.some(({ state }) => state === "paused")) return { kind: "paused", reason };
    // What waits behind an operation that a person has to look at waits for that person.
    if (told.some(({ state, reason: why }) => state === "idle" && why === "blocked")) return { kind: "halted", reason };
    return { kind: "busy", reason };
  }

  /** New processes, on the disks as they are now, are asked about every operation. */
  async #judge(): Promise<void> {
    const world = this.#world;
    for (const { device, processes } of this.#stations) {
      const [process] = processes;
      if (process === undefined) continue;
      for (const account of world.scenario.accounts) {
        device.signIn(account);
        process.revive();
        await this.#runFor(1000);
        // A slow disk, several times in a row.
        for (let waitedS = 0; process.app === null && waitedS < 60 && !this.#isOver; waitedS += 5) await this.#runFor(5000);
        if (process.app !== null) await this.#agree(account, [process]);
        if (this.#isOver) return;
        for (const record of world.operations.all) {
          if (record.device !== device.name || record.account !== account || this.#isOver) continue;
          const { app } = process;
          if (app === null) {
            world.report("INV9", `${process.label} does not open any more`);
            return;
          }
          const { id } = record;
          if (id === null) continue;
          let isKnown = false;
          void app.finalState(id).then((final) => {
            isKnown = true;
            world.operations.judge(record, final);
            world.operations.judgeVerdict(record, final);
            world.operations.judgeTogether(record, final);
          });
          await this.#runUntil(() => isKnown);
          if (!isKnown) world.report("INV9", `${process.label} does not answer about operation ${record.id}`);
        }
        process.retire();
      }
    }
    this.#judgeSums();
    this.#judgeBoards();
  }

  /** Every edit of a board that took effect is in it, whoever edited it at the same time: the tag once, the score in the sum. */
  #judgeBoards(): void {
    const world = this.#world;
    for (const [, { entities }] of world.server.disk.spaces) {
      for (const { type, id, document } of entities.values()) {
        if (type !== "board" || document === null) continue;
        const edits = world.operations.ofEntity(id).filter(({ effects }) => effects > 0);
        const tags = edits.flatMap(({ marker }) => (marker === "" ? [] : [marker]));
        if (canonicalJson([...(document.tags as string[])].sort()) !== canonicalJson(tags.toSorted())) {
          world.report("INV2", `board ${id} has ${(document.tags as string[]).length} tags, and ${tags.length} edits took effect`);
        }
        const score = edits.reduce((sum, { by }) => sum + by, 0);
        if (document.score !== score) world.report("INV2", `board ${id} scores ${String(document.score)}, and ${score} were added to it`);
      }
    }
  }

  /** Every counter is the sum of what was added to it. */
  #judgeSums(): void {
    const world = this.#world;
    const sums = new Map<string, number>();
    for (const { by, entityId, effects, type } of world.operations.all) {
      if (type === ADD) sums.set(entityId, (sums.get(entityId) ?? 0) + by * effects);
    }
    for (const [, { entities }] of world.server.disk.spaces) {
      for (const { type, id, document } of entities.values()) {
        const sum = sums.get(id) ?? 0;
        if (type === "counter" && document !== null && document.value !== sum) {
          world.report("INV2", `counter ${id} stands at ${String(document.value)}, and ${sum} was added to it`);
        }
      }
    }
  }
}
