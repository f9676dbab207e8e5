import {
  device as deviceEntity,
  homeEntities,
  homeOperations,
  room as roomEntity,
  updateDeviceState,
} from "@guardian-sync/example-home/client";
import type { Device, Room } from "@guardian-sync/example-home/schemas";
import {
  createSyncEngine,
  type EngineStatus,
  type ListedEntity,
  type Operation,
  type Resolution,
  type SyncEngine,
  SyncError,
} from "guardian-sync";
import { indexedDbStore } from "guardian-sync/indexeddb";
import type { DeviceView, MergedEdit, OpenView } from "./device-view.ts";
import { SwitchedNetwork } from "./network.ts";
import { editProblem, type Problem, queueProblem } from "./problems.ts";
import { signInOf } from "./sign-in.ts";
import { DEVICE_HEADER } from "./state.ts";
import { type DeviceKind, KINDS, type Values } from "./words.ts";

export type DeviceName = "phone" | "tablet";

const LOOK_EVERY_MS = 1000;
const LOOK_SOON_MS = 40;
const SHOWN_DONE_MS = 2000;
const SHOWN_MERGED_MS = 15_000;
/** Of what failed: the most that one press of a button decides. */
const DECIDED_AT_ONCE = 500;
const NONE_UNDECIDED = { failed: [], conflicts: [] } as const;
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
  #merged: readonly MergedEdit[] = [];
  readonly #names = new Map<string, string>();
  #view: DeviceView = { phase: "opening" };
  #engine: SyncEngine | undefined;
  #rooms: readonly ListedEntity<Room>[] = [];
  #devices: readonly ListedEntity<Device>[] = [];
  #refusal: Problem | null = null;
  #hasRead = false;
  #isAwaitingHome = false;
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

  rename(id: string, name: string): void {
    this.#queue((engine) => engine.enqueue({ type: "UPDATE", entityType: "device", entityId: id, payload: { name } }));
  }

  /** The whole list, as it is to be seen here: what somebody else adds meanwhile is kept by the merge. */
  label(id: string, labels: readonly string[]): void {
    this.#queue((engine) => engine.enqueue({ type: "UPDATE", entityType: "device", entityId: id, payload: { labels: [...labels] } }));
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
  /** Of two versions the own one, the other one, or one of both. */
  resolve(id: string, resolution: Resolution): void {
    this.#act((engine) => engine.conflicts.resolve(id, resolution));
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
        if (event.type === "resolved" && event.by === "rule") void this.#noteMerged(engine, event.operation.operationId);
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
      setInterval(() => {
        void this.#awaitHome(engine);
        void this.#look();
      }, LOOK_EVERY_MS);
      void this.#awaitHome(engine);
      await this.#look();
    } catch (error) {
      this.#show({ phase: "broken", problem: queueProblem(error, false) });
    }
  }

  /** An empty list says nothing before the server was heard. What ends without that is asked again when the page looks next. */
  async #awaitHome(engine: SyncEngine): Promise<void> {
    if (this.#hasRead || this.#isAwaitingHome) return;
    this.#isAwaitingHome = true;
    try {
      await engine.pull({ timeoutMs: DAY_MS });
      this.#hasRead = true;
      this.#lookSoon();
    } catch {
      // Without the code that reads, or for a day without a server: the engine says elsewhere what is wrong.
    } finally {
      this.#isAwaitingHome = false;
    }
  }

  async #noteMerged(engine: SyncEngine, operationId: string): Promise<void> {
    const entityId = (await engine.operation(operationId))?.entityId;
    if (entityId === undefined) return;
    this.#merged = [...this.#merged.filter((one) => one.operationId !== operationId), { operationId, entityId, at: Date.now() }];
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
      const [status, waiting] = await Promise.all([engine.status(), engine.pending.list({ limit: WAITING_SHOWN })]);
      const { failed, conflicts } = await this.#undecided(engine, status);
      while (this.#done[0] !== undefined && this.#done[0] < Date.now() - SHOWN_DONE_MS) this.#done.shift();
      this.#merged = this.#merged.filter(({ at }) => at > Date.now() - SHOWN_MERGED_MS);
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
        merged: this.#merged,
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

  /** These lists need the code that sends: without it the page goes on, and shows what it last knew. */
  async #undecided(engine: SyncEngine, status: EngineStatus): Promise<Pick<OpenView, "failed" | "conflicts">> {
    if (status.failed + status.conflict === 0) return NONE_UNDECIDED;
    try {
      const [failed, conflicts] = await Promise.all([engine.failed.list({ limit: DECIDED_AT_ONCE }), engine.conflicts.list()]);
      return { failed, conflicts };
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== "CODE_UNAVAILABLE") throw error;
      return this.#view.phase === "open" ? this.#view : NONE_UNDECIDED;
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
