import type { Operation } from "guardian-sync";
import { createEngine, type EngineOptions, type Platform, type SeededRandom, type SyncEngine } from "guardian-sync/testing";
import { add, addSecond, board, counter, note } from "./definitions.ts";
import { ADD } from "./domain.ts";
import { Looker } from "./looker.ts";
import type { Account, Enqueued } from "./model.ts";
import type { FinalState } from "./operations-watch.ts";
import type { World } from "./world.ts";
import type { Intent } from "./intent.ts";

const ORIGIN = "https://origin.test";

/** Events after which the view rightly shows an operation no longer, or otherwise. */
const MEDDLING: ReadonlySet<string> = new Set(["failed", "parked", "conflict", "resolved", "cancelled", "quarantined", "rolledback"]);

export interface AppRest {
  readonly state: string;
  readonly reason: string;
  /** Operations that wait or are under way. */
  readonly work: number;
}

/** What an application has around it. */
export interface Home {
  /** Names this life of the process. */
  readonly label: string;
  readonly device: string;
  /** Of the app. */
  readonly version: 1 | 2;
  readonly world: World;
  readonly random: SeededRandom;
  /** Whose queue the engine was last told to show. */
  readonly account: () => Account | null;
  /** What the device's clock says. */
  now(): number;
  session(request: { readonly force: boolean }): Promise<{ readonly account: Account; readonly token: string } | null>;
  /** Later something is done to the app that runs then, if one does. */
  actLater(delayMs: number, task: (app: App) => void): void;
}

/** What an application does with the engine, in one life of a process. It remembers nothing that a crash should not take. */
export class App {
  readonly #engine: SyncEngine;
  readonly #home: Home;
  readonly #label: string;
  /** What this life enqueued, for a person who thinks better of it. */
  #looker: Looker | null = null;
  readonly #own: { readonly record: Enqueued; readonly operation: Operation }[] = [];

  static async open(
    options: Pick<EngineOptions, "store" | "batch" | "coalesce" | "ordering" | "concurrency" | "telemetry">,
    platform: Platform,
    home: Home,
  ): Promise<App> {
    const engine = await createEngine(
      {
        ...options,
        // Groups can be asked for before the server was ever met.
        backend: { baseUrl: ORIGIN, session: (request) => home.session(request), minimumLevel: 4 },
        entities: [note, counter, board] as never,
        operations: [home.version === 1 ? add : addSecond] as never,
      },
      platform,
    );
    return new App(engine, home);
  }

  private constructor(engine: SyncEngine, home: Home) {
    this.#engine = engine;
    this.#home = home;
    this.#label = home.label;
    const { canaries } = home.world;
    engine.on("*", (event) => {
      canaries.text("an event", JSON.stringify(event));
      if (MEDDLING.has(event.type) && "operation" in event) this.#meddle(event.operation.operationId);
    });
  }

  get account(): Account | null {
    return this.#home.account();
  }
  get looker(): Looker | null {
    return this.#looker;
  }

  /** Somebody begins to look at all lists, and at some things by themselves. */
  look(things: readonly { readonly entityType: string; readonly entityId: string }[]): void {
    const { label, device, world } = this.#home;
    this.#write("is looked at");
    this.#looker ??= new Looker(this.#engine, { label, device, isSignedIn: () => this.account !== null }, world);
    for (const { entityType, entityId } of things) {
      try {
        this.#looker.watch(this.#engine, entityType, entityId);
      } catch (error) {
        // Nobody is signed in.
        this.#write(`cannot show it: ${codeText(error)}`);
      }
    }
  }

  lookAway(): void {
    this.#write("is not looked at any more");
    this.#looker?.end();
    this.#looker = null;
  }

  /** Resolves with whether everything that the server had is here. */
  async pull(): Promise<boolean> {
    try {
      await this.#engine.pull();
      this.#write("has pulled");
      return true;
    } catch (error) {
      this.#write(`could not pull: ${codeText(error)}`);
      return false;
    }
  }

  /** Somebody who looks at a board puts a tag on it and raises its score; where nobody sees it, nothing happens. */
  tag(entityId: string, marker: string, by: number): void {
    const shown = this.#looker?.board(entityId) ?? null;
    if (shown === null) return;
    const tags = [...(Array.isArray(shown.tags) ? (shown.tags as readonly string[]) : []), marker];
    const payload = { tags, score: Number(shown.score ?? 0) + by };
    this.doAll([{ type: "UPDATE", entityType: "board", entityId, payload, marker, baseVersion: null, expiresInMs: null, by }]);
  }

  /** One call for each. */
  doAll(intents: readonly Intent[]): void {
    for (const intent of intents.map((one) => this.#inLane(one))) {
      const record = this.#record(intent);
      if (intent.type === ADD) this.#run(intent, record);
      else
        this.#heard(
          [record],
          this.#engine.enqueue(this.#input(intent)).then((operation) => [operation]),
        );
    }
  }

  /** One call for all plain ones: all of them are stored, or none. */
  doTogether(intents: readonly Intent[]): void {
    const plain = intents.filter(({ type }) => type !== ADD).map((one) => this.#inLane(one));
    if (plain.length === 0) return;
    const records = plain.map((intent) => this.#record(intent));
    this.#heard(records, this.#engine.enqueueMany(plain.map((intent) => this.#input(intent))));
  }

  /** All of them take effect, or none. */
  doAsGroup(intents: readonly Intent[]): void {
    const records = intents.map((intent) => this.#record(intent));
    for (const record of records) record.group = records;
    try {
      const members = intents.map((intent) =>
        intent.type === ADD ? { run: add as never, input: intent.payload as never } : this.#input(intent),
      );
      const { operations, stored } = this.#engine.group(members);
      for (const [index, operation] of operations.entries()) this.#home.world.operations.named(records[index] as Enqueued, operation.id);
      this.#heard(
        records,
        stored.then(() => operations),
      );
    } catch (error) {
      this.#refused(records, error);
    }
  }

  /** Each depends on the one before it. */
  doAsChain(intents: readonly Intent[]): void {
    const plain = intents.filter(({ type }) => type !== ADD);
    if (plain.length === 0) return;
    const records = plain.map((intent) => this.#record(intent));
    for (const [index, record] of records.entries()) record.parents = records.slice(Math.max(0, index - 1), index);
    const inputs = plain.map((intent, index) => ({ ...this.#input(intent), ...(index === 0 ? {} : { dependsOn: [index - 1] }) }));
    this.#heard(records, this.#engine.enqueueMany(inputs));
  }

  /** Only when something that was asked for earlier has taken effect. */
  doAfter(intent: Intent, random: SeededRandom): void {
    const parents = this.#own.length === 0 ? [] : [random.pick(this.#own.slice(-6)), random.pick(this.#own)];
    const dependsOn = parents.map(({ operation }) => operation);
    const record = this.#record(intent);
    record.parents = parents.map((parent) => parent.record);
    if (intent.type === ADD) this.#run(intent, record, dependsOn);
    else
      this.#heard(
        [record],
        this.#engine.enqueue({ ...this.#input(intent), dependsOn }).then((operation) => [operation]),
      );
  }

  cancelOne(random: SeededRandom): void {
    if (this.#own.length === 0) return;
    const { record, operation } = random.pick(this.#own.slice(-8));
    record.meddled = true;
    for (const member of record.group) member.meddled = true;
    const name = shortName(record);
    this.#do(`cancel of ${name}`, async () => {
      const isCertain = await operation.cancel();
      if (isCertain) this.#home.world.operations.withdrawn(record);
      this.#write(`has ${name} ${isCertain ? "cancelled" : "asked back"}`);
    });
  }

  pauseFor(durationMs: number): void {
    this.#do("pause", () => this.#engine.pause("a person wants quiet"));
    this.#home.actLater(durationMs, (app) => app.resume());
  }
  resume(): void {
    this.#do("resume", () => this.#engine.resume());
  }

  stopFor(durationMs: number): void {
    this.#do("stop", () => this.#engine.stop());
    this.#home.actLater(durationMs, (app) => app.start());
  }
  start(): void {
    this.#do("start", async () => this.#engine.start());
  }

  /** A person goes through the failed list: tries some again, gives others up. */
  attend(random: SeededRandom): void {
    this.#do("failed list", async () => {
      const { operations, canaries } = this.#home.world;
      for (const kept of await this.#engine.failed.list({ limit: 10 })) {
        const draw = random.fraction();
        const ids = [kept.id];
        this.#meddle(kept.id);
        canaries.text("a last error", kept.lastError ?? "");
        if (draw < 0.4) {
          operations.touched(kept.id);
          await this.#engine.failed.retry({ ids });
        } else if (draw < 0.6) await this.#engine.failed.archive({ ids });
        else if (draw < 0.7) await this.#engine.failed.discard({ ids });
      }
      for (const kept of await this.#engine.conflicts.list({ limit: 10 })) {
        this.#meddle(kept.id);
        const draw = random.fraction();
        if (draw < 0.4) await this.#engine.failed.discard({ ids: [kept.id] });
        else if (draw < 0.8) {
          operations.touched(kept.id);
          // Not every conflict can be decided both ways.
          await this.#engine.conflicts.resolve(kept.id, draw < 0.6 ? "mine" : "theirs").catch(() => false);
        }
      }
    });
  }

  forceLock(): void {
    this.#do("forced release", async () => {
      await this.#engine.forceReleaseLock("an operator tries it");
    });
  }

  signInChanged(): void {
    this.#do("sign-in", () => this.#engine.auth.refresh());
  }

  /** Whoever is about to sign out decides about their work. */
  leave(waiting: "send" | "keep" | "discard"): void {
    this.#do(`leave, ${waiting}`, async () => {
      const { left, remaining, discarded } = await this.#engine.auth.leave({ waiting, timeoutMs: 3000 });
      this.#write(`${left ? "can go" : "cannot go yet"}: ${JSON.stringify(remaining)}, ${discarded} discarded`);
    });
  }

  close(): Promise<void> {
    // From here on nobody is told anything, though what is under way may take its time to end.
    this.lookAway();
    return this.#engine.close();
  }

  async rest(): Promise<AppRest> {
    const { state, reason, pending, sealed } = await this.#engine.status();
    return { state, reason: reason ?? "", work: pending + sealed };
  }

  async finalState(id: string): Promise<FinalState> {
    const operation = await this.#engine.operation(id);
    if (operation === undefined) return { state: "unknown", code: null, verdict: null };
    const { state, settled } = await operation.status();
    return { state, code: settled?.code ?? null, verdict: settled?.verdict ?? null };
  }

  /** In worlds with lanes some of it is in an explicit one, and some is more urgent than other things. */
  #inLane(intent: Intent): Intent {
    const { scenario, laneLuck } = this.#home.world;
    if (!scenario.orderings.includes("entity")) return intent;
    const lane = laneLuck.chance(0.2) ? { lane: laneLuck.pick(["red", "blue"]) } : {};
    const priority = laneLuck.chance(0.2) ? { priority: laneLuck.integer(-2, 5) } : {};
    return { ...intent, ...lane, ...priority };
  }

  #input({ type, entityType, entityId, payload, baseVersion, expiresInMs, ...more }: Intent): Parameters<SyncEngine["enqueue"]>[0] {
    if (type === ADD) throw new TypeError(`${ADD} is declared: run it`);
    const base = baseVersion === null ? {} : { baseVersion };
    const expiry = expiresInMs === null ? {} : { expiresAt: this.#home.now() + expiresInMs };
    const facts = { type, entityType, entityId, ...base, ...expiry, ...inLane(more) };
    return type === "DELETE" ? facts : { ...facts, payload: { ...payload } };
  }

  #run(intent: Intent, record: Enqueued, dependsOn: readonly Operation[] = []): void {
    try {
      const { id, by, memo } = intent.payload;
      const options = { dependsOn, ...inLane(intent) };
      const operation =
        this.#home.version === 1
          ? this.#engine.run(add as never, { id, by, memo } as never, options)
          : this.#engine.run(addSecond as never, { id, delta: by, memo } as never, options);
      this.#home.world.operations.named(record, operation.id);
      this.#heard(
        [record],
        operation.stored.then(() => [operation]),
      );
    } catch (error) {
      this.#refused([record], error);
    }
  }

  #record({ type, entityType, entityId, by, marker, expiresInMs, lane }: Intent): Enqueued {
    const { device, world } = this.#home;
    const facts = { id: null, device, process: this.#label, type, entityType, entityId, lane: lane ?? null, by, marker };
    const record = world.operations.enqueued(facts);
    record.watched = this.#looker?.isLoaded === true;
    record.meddled = expiresInMs !== null;
    return record;
  }

  #meddle(id: string): void {
    const record = this.#home.world.operations.withId(id);
    if (record === undefined) return;
    record.meddled = true;
    for (const member of record.group) member.meddled = true;
  }

  #heard(records: readonly Enqueued[], told: Promise<readonly Operation[]>): void {
    const { world, random } = this.#home;
    told.then(
      (operations) => {
        for (const [index, operation] of operations.entries()) {
          const record = records[index] as Enqueued;
          world.operations.named(record, operation.id);
          record.stored = "stored";
          this.#own.push({ record, operation });
          if (!world.scenario.awaitsVerdicts || !random.chance(0.5)) continue;
          void operation.settled.then(({ verdict }) => {
            record.verdict = verdict;
            this.#write(`learns that ${shortName(record)} is ${verdict}`);
          });
        }
        this.#write(`is told that ${records.map(shortName).join(", ")} ${records.length === 1 ? "is" : "are"} stored`);
      },
      (error: unknown) => this.#refused(records, error),
    );
  }

  #refused(records: readonly Enqueued[], error: unknown): void {
    for (const record of records) record.stored = "refused";
    this.#home.world.canaries.error(`an error of ${this.#label}`, error);
    this.#write(`is refused ${records.map(shortName).join(", ")}: ${codeText(error)}`);
  }

  #do(what: string, work: () => Promise<void>): void {
    this.#write(`is asked for: ${what}`);
    work().catch((error: unknown) => {
      this.#home.world.canaries.error(`an error of ${this.#label}`, error);
      this.#write(`cannot do it (${what}): ${codeText(error)}`);
    });
  }

  #write(text: string): void {
    this.#home.world.journal.write(this.#label, text);
  }
}

function inLane({ lane, priority }: Pick<Intent, "lane" | "priority">): Pick<Intent, "lane" | "priority"> {
  return { ...(lane === undefined ? {} : { lane }), ...(priority === undefined ? {} : { priority }) };
}

function shortName({ id, call, type }: Enqueued): string {
  return `${type} ${id === null ? `call ${call}` : id.slice(-6)}`;
}

function codeText(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
