import type { JsonObject } from "@guardian-sync/protocol";
import type { SyncEngine } from "guardian-sync/testing";
import { board, counter, note } from "./definitions.ts";
import { keyOf, type Shown } from "./shown.ts";
import type { World } from "./world.ts";

interface Single {
  readonly value: JsonObject | null;
  readonly version: number | null;
  readonly isLoading: boolean;
  readonly syncState: string;
  readonly pending: number;
}
type Listed = readonly (Single & { readonly entityId: string })[];

const DEFINITIONS: Readonly<Record<string, typeof note>> = { note, counter, board };

interface Life {
  readonly label: string;
  readonly device: string;
  readonly isSignedIn: () => boolean;
}

/** A page of an app that shows all lists, and some things by themselves; until `end`. */
export class Looker {
  readonly #lists = new Map<string, Listed>();
  readonly #singles = new Map<string, Single>();
  readonly #offs: (() => void)[] = [];
  readonly #life: Life;
  readonly #world: World;
  /** The lists were read once: from then on what is missing is missing. */
  #isLoaded = false;

  constructor(engine: SyncEngine, life: Life, world: World) {
    this.#life = life;
    this.#world = world;
    world.views.begins(life.label);
    for (const definition of [note, counter, board]) {
      const { type } = definition;
      this.#offs.push(engine.entities(definition).subscribe((items) => this.#listed(type, items)));
    }
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** One thing by itself. */
  watch(engine: SyncEngine, entityType: string, entityId: string): void {
    const definition = DEFINITIONS[entityType] ?? note;
    const key = keyOf(entityType, entityId);
    if (this.#singles.has(key)) return;
    this.#offs.push(engine.entity(definition, entityId).subscribe((view) => this.#singles.set(key, view)));
  }

  /** A board as it is shown, where the server is known to have it. */
  board(entityId: string): JsonObject | null {
    const shown = this.#lists.get("board")?.find((item) => item.entityId === entityId);
    return shown === undefined || shown.version === null || shown.isLoading ? null : shown.value;
  }

  end(): void {
    for (const off of this.#offs.splice(0)) off();
  }

  /** All lists as they were told last. */
  shown(): ReadonlyMap<string, Shown> {
    const shown = new Map<string, Shown>();
    for (const [entityType, items] of this.#lists) {
      for (const { entityId, value, version } of items) {
        if (value !== null) shown.set(keyOf(entityType, entityId), { entityType, entityId, value, version });
      }
    }
    return shown;
  }

  /** What is shown by itself as it was told last; null is there, too. */
  alone(): ReadonlyMap<string, Single> {
    return this.#singles;
  }

  #listed(type: string, items: Listed): void {
    this.#lists.set(type, items);
    if (!this.#life.isSignedIn()) {
      // Nobody's page: what is shown to whoever signs in next begins anew.
      this.#isLoaded = false;
      this.#world.views.begins(this.#life.label);
      return;
    }
    if (items.some(({ isLoading }) => isLoading)) return;
    if (items.length > 0) this.#isLoaded = true;
    if (!this.#isLoaded) return;
    const { journal, views } = this.#world;
    const facts = items.map(({ version, syncState, pending }) => `${version ?? "new"} ${syncState} ${pending}`);
    journal.write(this.#life.label, `shows ${items.length} ${type}s`, facts.join(","));
    if (type === "counter") views.counters(this.#life, items);
    else if (type === "note") views.notes(this.#life, items);
  }
}
