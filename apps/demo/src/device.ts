import {
  device as deviceEntity,
  homeEntities,
  homeOperations,
  room as roomEntity,
  updateDeviceState,
} from "@guardian-sync/example-home/client";
import type { Device, Room } from "@guardian-sync/example-home/schemas";
import {
  type ConflictedOperation,
  createSyncEngine,
  type EngineStatus,
  type KeptOperation,
  type ListedEntity,
  type Operation,
  type PendingOperation,
  type SyncEngine,
} from "guardian-sync";
import { indexedDbStore } from "guardian-sync/indexeddb";
import { SwitchedNetwork } from "./network.ts";
import { editProblem, type Problem, queueProblem } from "./problems.ts";
import { signInOf } from "./sign-in.ts";
import { DEVICE_HEADER } from "./state.ts";
import { type DeviceKind, KINDS, type Values } from "./words.ts";

export type DeviceName = "phone" | "tablet";

export interface OpenView {
  readonly phase: "open";
  /** The switch in the page; the browser's own network may be down all the same. */
  readonly isSwitchedOn: boolean;
  readonly isOnline: boolean;
  readonly status: EngineStatus;
  readonly rooms: readonly ListedEntity<Room>[];
  readonly devices: readonly ListedEntity<Device>[];
  /** The first of those that wait, or are under way. */
  readonly waiting: readonly PendingOperation[];
  readonly failed: readonly KeptOperation[];
  readonly conflicts: readonly ConflictedOperation[];
  /** Everything that the server had has been read since the page opened. */
  readonly hasRead: boolean;
  /** It has had time enough. */
  readonly isLate: boolean;
  /** Of the last two seconds, to be seen leaving. */
  readonly justDone: number;
  /** Why the last edit was not taken. */
  readonly refusal: Problem | null;
}
export type DeviceView = OpenView | { readonly phase: "opening" } | { readonly phase: "broken"; readonly problem: Problem };

const LOOK_EVERY_MS = 1000;
const LOOK_SOON_MS = 40;
const SHOWN_DONE_MS = 2000;
/** Of what failed: the most that one press of a button decides. */
const DECIDED_AT_ONCE = 500;
const LATE_MS = 3000;
const DAY_MS = 86_400_000;
/** As many as the page names; how many there are the status says. */
const WAITING_SHOWN = 8;

/** One device of the demo: an engine with a queue of its own, and what a page shows of it. */
export class DemoDevice {
  readonly name: DeviceName;
  readonly #network: SwitchedNetwork;
  readonly #listeners = new Set<() => void>();
  readonly #done: number[] = [];
  readonly #names = new Map<string, string>();
  #view: DeviceView = { phase: "opening" };
  #engine: SyncEngine | undefined;
  #rooms: readonly ListedEntity<Room>[] = [];
  #devices: readonly ListedEntity<Device>[] = [];
  #refusal: Problem | null = null;
  #hasRead = false;
  readonly #openedAt = performance.now();
  #soon: ReturnType<typeof setTimeout> | undefined;
  #looking = false;

  constructor(name: DeviceName) {
    this.name = name;
    this.#network = new SwitchedNetwork(name);
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
  change(id: string, state: Values): void {
    this.#queue((engine) => engine.run(updateDeviceState, { device_id: id, state: { ...state } }));
  }

  /** Says which version was seen: when somebody else changed it meanwhile, a person decides. */
  rename(id: string, name: string): void {
    const version = this.#find(id)?.version;
    const base = version == null ? {} : { baseVersion: version };
    this.#queue((engine) => engine.enqueue({ type: "UPDATE", entityType: "device", entityId: id, payload: { name }, ...base }));
  }

  add(name: string, kind: DeviceKind, roomId: string | undefined): void {
    const room = roomId === undefined ? {} : { room_id: roomId };
    const payload = { name, device_type: kind, ...room, state: { ...KINDS[kind].initial } };
    this.#queue((engine) => engine.enqueue({ type: "CREATE", entityType: "device", entityId: crypto.randomUUID(), payload }));
  }

  remove(id: string): void {
    this.#queue((engine) => engine.enqueue({ type: "DELETE", entityType: "device", entityId: id }));
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
      await engine.enqueue({ type: "UPDATE", entityType: "device", entityId, payload: { name } });
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

  #find(id: string): ListedEntity<Device> | undefined {
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
        breaker: { failureThreshold: 6, cooldownMs: 5000 },
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
      void this.#awaitHome(engine);
      setInterval(() => void this.#look(), LOOK_EVERY_MS);
      await this.#look();
    } catch (error) {
      this.#show({ phase: "broken", problem: queueProblem(error, false) });
    }
  }

  /** An empty list says nothing before the server was heard. */
  async #awaitHome(engine: SyncEngine): Promise<void> {
    this.#hasRead = await engine.pull({ timeoutMs: DAY_MS }).then(
      () => true,
      () => false,
    );
    this.#lookSoon();
  }

  #queue(write: (engine: SyncEngine) => Operation | Promise<Operation>): void {
    this.#act(async (engine) => (await write(engine)).stored);
  }

  #act(work: (engine: SyncEngine) => Promise<unknown>): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    this.#refusal = null;
    work(engine)
      .catch((error: unknown) => {
        this.#refusal = editProblem(error);
      })
      .finally(() => this.#lookSoon());
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
      const [status, waiting, failed, conflicts] = await Promise.all([
        engine.status(),
        engine.pending.list({ limit: WAITING_SHOWN }),
        engine.failed.list({ limit: DECIDED_AT_ONCE }),
        engine.conflicts.list(),
      ]);
      while (this.#done[0] !== undefined && this.#done[0] < Date.now() - SHOWN_DONE_MS) this.#done.shift();
      this.#show({
        phase: "open",
        isSwitchedOn: this.#network.isOn,
        isOnline: this.#network.isOnline,
        status,
        rooms: this.#rooms,
        devices: this.#devices,
        waiting,
        failed,
        conflicts,
        hasRead: this.#hasRead,
        isLate: performance.now() - this.#openedAt > LATE_MS,
        justDone: this.#done.length,
        refusal: this.#refusal,
      });
    } catch (error) {
      this.#show({ phase: "broken", problem: queueProblem(error, true) });
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
