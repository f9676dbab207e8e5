import { uuidV4 } from "@guardian-sync/protocol";
import type { SeededRandom } from "guardian-sync/testing";
import { CANARY } from "./canary-watch.ts";
import { ADD, REFUSED_TITLE } from "./domain.ts";
import type { Intent } from "./intent.ts";
import { watchPage } from "./page-watch.ts";
import type { Station } from "./station.ts";
import type { World } from "./world.ts";

type Life = "new" | "there" | "gone";
const NOTES_OF_A_DEVICE = 5;
const SHARED_NOTES = 2;
const COUNTERS = 3;
const BOARDS = 2;
/** An app needs some time until it can be used. */
const OPENING_MS = 1000;

/**
 * What people do: mostly sensible things to things of their own, sometimes what somebody else does to the same thing at the same
 * time, sometimes what the server must refuse.
 */
export class Workload {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #glances: SeededRandom;
  readonly #own = new Map<string, { id: string; life: Life }[]>();
  readonly #shared: readonly { id: string; life: Life }[];
  readonly #counters: readonly string[];
  readonly #boards: readonly string[];
  readonly #taggers: SeededRandom;
  #words = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork("people");
    this.#glances = world.random.fork("glances");
    this.#shared = Array.from({ length: SHARED_NOTES }, () => this.#newNote());
    this.#counters = Array.from({ length: COUNTERS }, () => this.#newId());
    this.#taggers = world.random.fork("taggers");
    this.#boards = Array.from({ length: BOARDS }, () => uuidV4((length) => this.#taggers.bytes(length)));
  }

  /** Plans every action of the run: what, where and when. */
  plan(stations: readonly Station[]): void {
    const { scenario, timeline } = this.#world;
    const { actions, troubleMs } = scenario;
    let atMs = 0;
    for (let i = 0; i < actions; i++) {
      // People come in bursts: half of what they do follows at once on what they did.
      if (!this.#random.chance(0.5)) atMs += this.#random.between(0, (4 * troubleMs) / actions);
      if (atMs >= troubleMs) break;
      const station = this.#random.pick(stations);
      timeline.after(atMs, () => this.#act(station));
    }
    this.#planBoards(stations);
    for (let i = 0; i < scenario.glances * stations.length; i++) {
      const station = this.#glances.pick(stations);
      timeline.after(this.#glances.between(0, troubleMs), () => this.#glance(station));
    }
  }

  /** Boards are there from the beginning, made by one; whoever looks at them edits them, several at the same time. */
  #planBoards(stations: readonly Station[]): void {
    const { scenario, timeline } = this.#world;
    const random = this.#taggers;
    const [first] = stations;
    const facts = { type: "CREATE", entityType: "board", marker: "", baseVersion: null, expiresInMs: null, by: 0 } as const;
    const intents = this.#boards.map((entityId) => ({ ...facts, entityId, payload: { id: entityId, tags: [], score: 0 } }));
    const make = (): void => {
      const process = first?.processes[0];
      if (process?.app === null || process?.isFrozen === true) timeline.after(OPENING_MS, make);
      else process?.act("tap", (app) => app.doAll(intents));
    };
    timeline.after(OPENING_MS, make);
    for (let i = 0; i < scenario.tags * stations.length; i++) {
      const { processes } = random.pick(stations);
      const [entityId, by] = [random.pick(this.#boards), random.integer(1, 1000)];
      const times = random.pick([1, 1, 4]);
      timeline.after(random.between(0, scenario.troubleMs), () => {
        const process = random.pick(processes);
        if (!process.isUp || process.isFrozen) return;
        process.act("tap", (app) => {
          for (let n = 0; n < times; n++) app.tag(entityId, this.#text(), by);
        });
      });
    }
  }

  /** Somebody opens a page, asks for what is new, or goes away from it. */
  #glance({ device, processes }: Station): void {
    const random = this.#glances;
    const process = random.pick(processes);
    if (!process.isUp || process.isFrozen) return;
    const draw = random.fraction();
    if (draw < 0.2) process.act("tap", (app) => app.lookAway());
    else if (draw < 0.5) process.act("tap", (app) => void app.pull());
    else {
      const note = random.pick([...(this.#own.get(device.name) ?? []), ...this.#shared]);
      const things = [
        { entityType: "note", entityId: note.id },
        { entityType: "counter", entityId: random.pick(this.#counters) },
      ];
      process.act("tap", (app) => app.look(things));
      watchPage(process, random.between(0, 20_000));
    }
  }

  #act({ device, processes }: Station): void {
    const random = this.#random;
    const process = random.pick(processes);
    if (!process.isUp || process.isFrozen) return;
    const draw = random.fraction();
    if (draw < 0.06) process.act("tap", (app) => app.cancelOne(random));
    else if (draw < 0.09) process.act("tap", (app) => app.pauseFor(random.between(1000, 60_000)));
    else if (draw < 0.12) process.act("tap", (app) => app.attend(random));
    else if (draw < 0.14) process.act("tap", (app) => app.stopFor(random.between(1000, 60_000)));
    else if (draw < 0.24) {
      // Somebody types: many edits of one thing, one right after the other.
      const count = random.pick([3, 10, 60]);
      const thing = random.chance(0.3) ? null : random.chance(0.9) ? this.#ownNote(device.name) : random.pick(this.#shared);
      const counted = random.pick(this.#counters);
      const intents = Array.from({ length: count }, () => (thing === null ? this.#addition(counted) : this.#noteIntent(thing)));
      process.act("tap", (app) => (random.chance(0.3) ? app.doTogether(intents) : app.doAll(intents)));
    } else if (draw < 0.25) {
      const intents = Array.from({ length: random.integer(60, 150) }, () => this.#intent(device.name));
      process.act("tap", (app) => (random.chance(0.5) ? app.doTogether(intents) : app.doAll(intents)));
    } else if (draw < 0.3) {
      const intents = Array.from({ length: random.integer(2, 12) }, () => this.#intent(device.name));
      process.act("tap", (app) => (random.chance(0.3) ? app.doTogether(intents) : app.doAll(intents)));
    } else if (draw < 0.4) {
      const intents = Array.from({ length: random.integer(2, 5) }, () =>
        random.chance(0.5) ? this.#fresh(0.1) : this.#intent(device.name),
      );
      process.act("tap", (app) => app.doAsGroup(intents));
    } else if (draw < 0.46) {
      const intents = Array.from({ length: random.integer(2, 5) }, () =>
        random.chance(0.7) ? this.#fresh(0.3) : this.#intent(device.name),
      );
      process.act("tap", (app) => app.doAsChain(intents));
    } else if (draw < 0.54) {
      const intent = this.#intent(device.name);
      process.act("tap", (app) => app.doAfter(intent, random));
    } else {
      const intent = this.#intent(device.name);
      process.act("tap", (app) => app.doAll([intent]));
    }
  }

  #intent(device: string): Intent {
    const random = this.#random;
    if (random.chance(0.3)) return this.#addition(random.pick(this.#counters));
    const note = random.chance(0.8) ? this.#ownNote(device) : random.pick(this.#shared);
    return this.#noteIntent(note);
  }

  #addition(entityId: string): Intent {
    const [by, marker] = [this.#random.integer(1, 1000), this.#text()];
    const payload = { id: entityId, by, memo: marker };
    return { type: ADD, entityType: "counter", entityId, payload, marker, baseVersion: null, expiresInMs: null, by };
  }

  /** A note of its own, which nobody else knows: only what it is asked for with decides whether it comes to be. */
  #fresh(refused: number): Intent {
    const [entityId, marker] = [this.#newId(), this.#text()];
    const title = this.#random.chance(refused) ? `${REFUSED_TITLE} ${marker}` : marker;
    const facts = { type: "CREATE", entityType: "note", baseVersion: null, expiresInMs: null, by: 0 } as const;
    return { ...facts, entityId, marker, payload: { id: entityId, title, edits: 0 } };
  }

  #noteIntent(note: { readonly id: string; life: Life }): Intent {
    const random = this.#random;
    const marker = this.#text();
    const expiresInMs = random.chance(0.04) ? random.between(1000, 300_000) : null;
    const facts = { entityType: "note", entityId: note.id, by: 0, marker, baseVersion: null, expiresInMs } as const;
    const title = random.chance(0.08) ? `${REFUSED_TITLE} ${marker}` : marker;
    const isOdd = random.chance(0.05);
    if ((note.life === "new") !== isOdd) {
      note.life = "there";
      return { ...facts, type: "CREATE", payload: { id: note.id, title, edits: 0 } };
    }
    const baseVersion = random.chance(0.4) ? random.integer(1, 3) : null;
    if (random.chance(0.15)) {
      note.life = "gone";
      return { ...facts, type: "DELETE", payload: {}, marker: "", baseVersion };
    }
    const payload = random.chance(0.5) ? { title } : { edits: random.integer(1, 9), text: this.#long(marker) };
    return { ...facts, type: "UPDATE", payload, baseVersion };
  }

  #ownNote(device: string): { id: string; life: Life } {
    const notes = this.#own.get(device) ?? [];
    this.#own.set(device, notes);
    const living = notes.filter(({ life }) => life !== "gone");
    if (living.length < NOTES_OF_A_DEVICE && (living.length === 0 || this.#random.chance(0.3))) {
      const note = this.#newNote();
      notes.push(note);
      return note;
    }
    return this.#random.pick(living);
  }

  #newNote(): { id: string; life: Life } {
    return { id: this.#newId(), life: "new" };
  }
  #newId(): string {
    return uuidV4((length) => this.#random.bytes(length));
  }
  /** Now and then somebody pastes a book: a few of those do not fit into one request. */
  #long(marker: string): string {
    return this.#random.chance(0.02) ? marker + "x".repeat(this.#random.integer(20_000, 200_000)) : marker;
  }
  #text(): string {
    this.#words += 1;
    return `${CANARY} ${this.#words}.`;
  }
}
