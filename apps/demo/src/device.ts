import {
  device as deviceEntity,
  homeEntities,
  homeOperations,
  room as roomEntity,
  updateDeviceState,
} from "@guardian-sync/example-home/client";
import type { Device, Room } from "@guardian-sync/example-home/schemas";
import { createSyncEngine, type EngineStatus, type KeptOperation, type Operation, type SyncEngine } from "guardian-sync";
import { indexedDbStore } from "guardian-sync/indexeddb";
import { Labels } from "./labels.ts";
import { SwitchedNetwork } from "./network.ts";
import { signInOf } from "./sign-in.ts";
import { DEVICE_HEADER } from "./state.ts";
import { type DeviceKind, KINDS, type Values } from "./words.ts";

export type DeviceName = "phone" | "tablet";

/** One document of the view, with how far it is from the server's. */
export interface Shown<Document> {
  readonly entityId: string;
  readonly value: Document | null;
  readonly syncState: "synced" | "pending" | "failed" | "conflict";
  readonly version: number | null;
  readonly pending: number;
}
/** An edit that waits, in words. */
export interface Waiting {
  readonly id: string;
  readonly text: string;
  readonly isSealed: boolean;
}
export interface OpenView {
  readonly phase: "open";
  /** The switch in the page; the browser's own network may be down all the same. */
  readonly isSwitchedOn: boolean;
  readonly isOnline: boolean;
  readonly status: EngineStatus;
  readonly rooms: readonly Shown<Room>[];
  readonly devices: readonly Shown<Device>[];
  readonly waiting: readonly Waiting[];
  readonly failed: readonly KeptOperation[];
  readonly conflicts: readonly KeptOperation[];
  /** Of the last two seconds, to be seen leaving. */
  readonly justDone: number;
  /** Why the last edit was not taken. */
  readonly refusal: string | null;
}
export type DeviceView = OpenView | { readonly phase: "opening" } | { readonly phase: "broken"; readonly message: string };

const LOOK_EVERY_MS = 1000;
const LOOK_SOON_MS = 40;
const SHOWN_DONE_MS = 2000;
const WAITING: ReadonlySet<string> = new Set(["storing", "pending", "blocked", "sealed"]);

/** One device of the demo: an engine with a queue of its own, and what a page shows of it. */
export class DemoDevice {
  readonly name: DeviceName;
  readonly #network: SwitchedNetwork;
  readonly #labels: Labels;
  readonly #listeners = new Set<() => void>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #done: number[] = [];
  readonly #names = new Map<string, string>();
  #view: DeviceView = { phase: "opening" };
  #engine: SyncEngine | undefined;
  #rooms: readonly Shown<Room>[] = [];
  #devices: readonly Shown<Device>[] = [];
  #refusal: string | null = null;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #looking = false;

  constructor(name: DeviceName) {
    this.name = name;
    this.#network = new SwitchedNetwork(name);
    this.#labels = new Labels(name);
    void this.#open();
  }

  readonly get = (): DeviceView => this.#view;
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  switchNetwork(isOn: boolean): void {
    this.#network.set(isOn);
    this.#lookSoon();
  }

  /** What a switch, a dial or a slider does. */
  change(id: string, state: Values, text: string): void {
    this.#queue(text, (engine) => engine.run(updateDeviceState, { device_id: id, state: { ...state } }));
  }

  /** Says which version was seen: when somebody else changed it meanwhile, a person decides. */
  rename(id: string, name: string): void {
    const { version, value } = this.#find(id) ?? {};
    const base = version == null ? {} : { baseVersion: version };
    const text = `${value?.name ?? "A device"} is now called ${name}`;
    this.#queue(text, (engine) => engine.enqueue({ type: "UPDATE", entityType: "device", entityId: id, payload: { name }, ...base }));
  }

  add(name: string, kind: DeviceKind, roomId: string): void {
    const payload = { name, device_type: kind, room_id: roomId, state: { ...KINDS[kind].initial } };
    this.#queue(`${name} added`, (engine) =>
      engine.enqueue({ type: "CREATE", entityType: "device", entityId: crypto.randomUUID(), payload }),
    );
  }

  remove(id: string): void {
    const name = this.#find(id)?.value?.name ?? "A device";
    this.#queue(`${name} removed`, (engine) => engine.enqueue({ type: "DELETE", entityType: "device", entityId: id }));
  }

  /** Also of a device that is gone, as long as this page remembers it. */
  nameOf(id: string): string | undefined {
    return this.#find(id)?.value?.name ?? this.#names.get(id);
  }

  retry(...ids: readonly string[]): void {
    this.#act((engine) => engine.failed.retry({ ids, reason: "asked for in the demo" }));
  }
  discard(...ids: readonly string[]): void {
    this.#act((engine) => engine.failed.discard({ ids, reason: "asked for in the demo" }));
  }
  /**
   * Of two names the own one: without a base, because now a person has decided. Queued before the old edit goes, so that nothing is lost
   * in between.
   */
  insist({ id, entityId, payload }: KeptOperation): void {
    this.#act(async (engine) => {
      const name = (payload as { readonly name?: string }).name ?? "";
      const operation = await engine.enqueue({ type: "UPDATE", entityType: "device", entityId, payload: { name } });
      this.#follow(operation, `Kept the name ${name}`);
      await engine.failed.discard({ ids: [id], reason: "written anew" });
    });
  }
  resume(): void {
    this.#act((engine) => engine.resume());
  }
  dismissRefusal(): void {
    this.#refusal = null;
    this.#lookSoon();
  }

  #find(id: string): Shown<Device> | undefined {
    return this.#devices.find(({ entityId }) => entityId === id);
  }

  async #open(): Promise<void> {
    try {
      const engine = await createSyncEngine({
        store: indexedDbStore({ name: `demo-${this.name}` }),
        backend: {
          baseUrl: location.origin,
          session: signInOf(this.name, this.#network.fetch),
          headers: { [DEVICE_HEADER]: this.name },
        },
        entities: homeEntities,
        operations: homeOperations,
        // Small and quick, so that people see what happens: an app would leave these as they are.
        batch: { maxOperations: 4 },
        backoff: { baseMs: 1000, maxDelayMs: 8000 },
        breaker: { failureThreshold: 6, cooldownMs: 10_000 },
        platform: this.#network.platform,
      });
      this.#engine = engine;
      engine.on("*", (event) => {
        if (event.type === "succeeded") this.#done.push(Date.now());
        this.#lookSoon();
      });
      this.#network.subscribe(() => this.#lookSoon());
      engine.entities(roomEntity).subscribe((items) => {
        this.#rooms = items;
        this.#showDocuments();
      });
      engine.entities(deviceEntity).subscribe((items) => {
        this.#devices = items;
        for (const { entityId, value } of items) if (value?.name !== undefined) this.#names.set(entityId, value.name);
        this.#showDocuments();
      });
      for (const id of this.#labels.ids) {
        const operation = await engine.operation(id);
        if (operation === undefined) this.#labels.forget(id);
        else this.#follow(operation, this.#labels.of(id) ?? "");
      }
      setInterval(() => void this.#look(), LOOK_EVERY_MS);
      await this.#look();
    } catch (error) {
      this.#show({ phase: "broken", message: wordsOf(error) });
    }
  }

  #queue(text: string, write: (engine: SyncEngine) => Operation | Promise<Operation>): void {
    this.#act(async (engine) => {
      const operation = await write(engine);
      this.#follow(operation, text);
      await operation.stored;
    });
  }

  #act(work: (engine: SyncEngine) => Promise<unknown>): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    this.#refusal = null;
    work(engine)
      .catch((error: unknown) => {
        this.#refusal = wordsOf(error);
      })
      .finally(() => this.#lookSoon());
  }

  /** Until it no longer waits. */
  #follow(operation: Operation, text: string): void {
    const { id } = operation;
    this.#labels.set(id, text);
    this.#waiting.set(id, { id, text, isSealed: false });
    let off: (() => void) | undefined;
    let isOver = false;
    off = operation.subscribe(({ state }) => {
      if (WAITING.has(state)) this.#waiting.set(id, { id, text, isSealed: state === "sealed" });
      else {
        isOver = true;
        this.#waiting.delete(id);
        this.#labels.forget(id);
        off?.();
      }
      this.#lookSoon();
    });
    if (isOver) off();
  }

  #lookSoon(): void {
    if (this.#soon !== undefined) return;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      void this.#look();
    }, LOOK_SOON_MS);
  }

  async #look(): Promise<void> {
    const engine = this.#engine;
    if (engine === undefined) return;
    if (this.#looking) return this.#lookSoon();
    this.#looking = true;
    try {
      const [status, failed, conflicts] = await Promise.all([engine.status(), engine.failed.list(), engine.conflicts.list()]);
      while (this.#done[0] !== undefined && this.#done[0] < Date.now() - SHOWN_DONE_MS) this.#done.shift();
      this.#show({
        phase: "open",
        isSwitchedOn: this.#network.isOn,
        isOnline: this.#network.isOnline,
        status,
        rooms: this.#rooms,
        devices: this.#devices,
        waiting: [...this.#waiting.values()],
        failed,
        conflicts,
        justDone: this.#done.length,
        refusal: this.#refusal,
      });
    } catch (error) {
      this.#show({ phase: "broken", message: wordsOf(error) });
    } finally {
      this.#looking = false;
    }
  }

  /** At once: the next press of a button goes on from what this one did. */
  #showDocuments(): void {
    if (this.#view.phase === "open") this.#show({ ...this.#view, rooms: this.#rooms, devices: this.#devices });
    this.#lookSoon();
  }

  #show(view: DeviceView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
