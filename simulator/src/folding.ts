import { canonicalJson, type JsonObject } from "@guardian-sync/protocol";
import { createSyncServer } from "@guardian-sync/server";
import { MemoryDisk as ServerDisk, memoryStorage } from "@guardian-sync/server/memory";
import type { EntityView } from "guardian-sync";
import { MemoryDisk, memoryStore } from "guardian-sync/memory";
import {
  createEngine,
  type Exchange,
  type HttpRequest,
  SeededRandom,
  SwitchedConnectivity,
  type SyncEngine,
  VirtualClock,
} from "guardian-sync/testing";
import { add, board, counter, note } from "./definitions.ts";
import { COLLECTIONS, serverOperations } from "./domain.ts";
import type { Machinery } from "./machinery.ts";
import { isOpsRequest } from "./wire.ts";

/** How the engine folds in the run that is compared with the one that does not. */
const MODES = [true, true, "entity"] as const;
const ACCOUNT = { space: "house", principal: "alice" };
const BOARD = "b";
const HOUR_MS = 3_600_000;
const SERVER_FIELDS: ReadonlySet<string> = new Set(["version", "created_at", "updated_at"]);

type Step =
  | { readonly kind: "edit"; readonly device: number; readonly edit: (home: Home) => Promise<unknown> }
  | { readonly kind: "online" | "offline"; readonly device: number }
  | { readonly kind: "pass"; readonly ms: number };

export interface FoldingResult {
  readonly seed: number;
  /** Operations that were folded or annihilated. */
  readonly folded: number;
  /** What the server holds, in words; null: the same with and without. */
  readonly difference: string | null;
}

/**
 * One schedule, twice: with folding, and without. Devices edit offline and online, answers are lost; at the end the server must hold
 * the same. One device is online at a time, so that who comes first is the schedule's doing, not the network's. What a server refuses
 * for its content is left out: an edit that is refused takes with it what was folded into it.
 */
export async function compareFolding(seed: number, machinery: Machinery): Promise<FoldingResult> {
  const random = new SeededRandom(`folding ${seed}`);
  const steps = scheduleOf(random.fork("schedule"));
  const mode = random.pick(MODES);
  const maxOperations = random.pick([1, 3, 50]);
  const [plain, folded] = [new Home(seed, machinery), new Home(seed, machinery)];
  await plain.live(steps, { coalesce: false, maxOperations });
  await folded.live(steps, { coalesce: mode, maxOperations });
  const [without, withFolding] = [plain.held(), folded.held()];
  const difference = without === withFolding ? null : `without: ${without}\nwith (${String(mode)}): ${withFolding}`;
  return { seed, folded: folded.folded, difference };
}

/** Sensible edits, in bursts. */
function scheduleOf(random: SeededRandom): readonly Step[] {
  const steps: Step[] = [];
  const notes = [0, 1].map(() => ({ count: 0, isThere: false }));
  let words = 0;
  const word = (): string => `w${++words}`;
  const edits = (device: number): void => {
    const own = notes[device] as { count: number; isThere: boolean };
    const draw = random.fraction();
    const times = random.pick([1, 2, 5, 12]);
    if (draw < 0.25) {
      const [by, memo] = [random.integer(1, 9), word()];
      const facts = { id: `c${random.integer(1, 2)}`, by, memo };
      for (let n = 0; n < times; n++) steps.push({ kind: "edit", device, edit: (home) => home.add(device, facts) });
    } else if (draw < 0.5) {
      const tag = `t${random.integer(1, 4)}`;
      const [by, isOff] = [random.integer(1, 9), random.chance(0.3)];
      for (let n = 0; n < times; n++) {
        const name = random.chance(0.5) ? word() : null;
        steps.push({ kind: "edit", device, edit: (home) => home.tag(device, { tag: `${tag}${n % 3}`, by, isOff, name }) });
      }
    } else {
      for (let n = 0; n < times; n++) {
        const text = { [random.pick(["title", "text"])]: word(), title: word() };
        if (!own.isThere) own.count += 1;
        const entityId = `n${device}-${own.count}`;
        const isEnd = own.isThere && random.chance(0.15);
        const type = !own.isThere ? "CREATE" : isEnd ? "DELETE" : "UPDATE";
        own.isThere = !isEnd;
        const input = { type, entityType: "note", entityId } as const;
        const payload = type === "DELETE" ? {} : { payload: text };
        steps.push({ kind: "edit", device, edit: (home) => home.engine(device).enqueue({ ...input, ...payload }) });
      }
    }
  };
  for (let round = 0; round < 6; round++) {
    for (let n = random.integer(0, 3); n > 0; n--) edits(random.integer(0, 1));
    const device = round % 2;
    steps.push({ kind: "online", device });
    for (let n = random.integer(0, 3); n > 0; n--) {
      edits(device);
      steps.push({ kind: "pass", ms: random.pick([0, 1, 20, 5000]) });
    }
    steps.push({ kind: "offline", device });
  }
  return steps;
}

/** Two devices and the production server, in virtual time. */
class Home {
  readonly #clock = new VirtualClock();
  readonly #random: SeededRandom;
  readonly #machinery: Machinery;
  readonly #disk = new ServerDisk();
  readonly #lines = [new SwitchedConnectivity(), new SwitchedConnectivity()];
  readonly #engines: SyncEngine[] = [];
  readonly #boards: (EntityView | undefined)[] = [];
  folded = 0;

  constructor(seed: number, machinery: Machinery) {
    this.#random = new SeededRandom(seed);
    this.#machinery = machinery;
  }

  engine(device: number): SyncEngine {
    return this.#engines[device] as SyncEngine;
  }

  async live(steps: readonly Step[], options: { readonly coalesce: boolean | "entity"; readonly maxOperations: number }): Promise<void> {
    await this.#open(options);
    for (const step of steps) {
      if (step.kind === "edit") await this.#run(step.edit(this));
      else if (step.kind === "pass") await this.#clock.advance(step.ms);
      else await this.#turn(step.device, step.kind === "online");
    }
    for (const device of [0, 1, 0]) {
      await this.#turn(device, true);
      await this.#turn(device, false);
    }
    for (const engine of this.#engines) await this.#run(engine.close());
  }

  /** What the server holds, without what it writes itself. A set has no order. */
  held(): string {
    const held: Record<string, JsonObject> = {};
    for (const { type, id, document } of this.#disk.spaces.get(ACCOUNT.space)?.entities.values() ?? []) {
      if (document === null) continue;
      const own = Object.fromEntries(Object.entries(document).filter(([name]) => !SERVER_FIELDS.has(name)));
      held[`${type} ${id}`] = Array.isArray(own.tags) ? { ...own, tags: [...(own.tags as string[])].sort() } : own;
    }
    return canonicalJson(held);
  }

  async add(device: number, input: { readonly id: string; readonly by: number; readonly memo: string }): Promise<void> {
    await this.engine(device).run(add, input).stored;
  }

  /** Whoever sees the board edits what they see. */
  async tag(device: number, { tag, by, isOff, name }: { tag: string; by: number; isOff: boolean; name: string | null }): Promise<void> {
    const value = this.#boards[device]?.value ?? null;
    if (value === null) return;
    const tags = (value.tags as readonly string[]).filter((one) => one !== tag);
    const payload = { tags: isOff ? tags : [...tags, tag], score: Number(value.score) + by, ...(name === null ? {} : { name }) };
    await this.engine(device).enqueue({ type: "UPDATE", entityType: "board", entityId: BOARD, payload });
  }

  async #open({ coalesce, maxOperations }: { readonly coalesce: boolean | "entity"; readonly maxOperations: number }): Promise<void> {
    const hash = { sha256Hex: (text: string) => this.#machinery.sha256Hex(text) };
    const ids = this.#random.fork("server");
    const server = createSyncServer({
      storage: memoryStorage({ disk: this.#disk }),
      collections: COLLECTIONS,
      operations: serverOperations(
        ids.fork("handlers"),
        () => 0,
        () => undefined,
      ),
      authenticate: () => ({ ...ACCOUNT, roles: [] }),
      clock: { now: () => this.#clock.now(), schedule: (delayMs, task) => this.#clock.schedule(delayMs, task) },
      random: (length) => ids.bytes(length),
      sha256: hash.sha256Hex,
    });
    const luck = this.#random.fork("network");
    const exchange = async (device: number, request: HttpRequest): Promise<Exchange> => {
      const url = new URL(request.url);
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]));
      const body = new TextEncoder().encode(request.body ?? "");
      const query = Object.fromEntries(url.searchParams);
      await new Promise<void>((resolve) => this.#clock.schedule(5, resolve));
      const {
        status,
        body: text,
        headers: told,
      } = await server.handle({ method: request.method, path: url.pathname, query, headers, body, remoteAddress: "10.0.0.1" });
      // Who is offline hears nothing of what the other one does, by a long poll either: what people see decides what they write.
      const isCut = this.#lines[device]?.online() === false;
      if (isCut || (isOpsRequest(request) && luck.chance(0.1))) return { kind: "failure", failure: "reset", detail: "lost", elapsedMs: 5 };
      const lower = Object.fromEntries(Object.entries(told).map(([name, value]) => [name.toLowerCase(), value]));
      return { kind: "answer", status, headers: lower, body: text, elapsedMs: 5 };
    };
    for (const [device, connectivity] of this.#lines.entries()) {
      const opened = createEngine(
        {
          store: memoryStore({ disk: new MemoryDisk() }),
          backend: { baseUrl: "https://origin.test", session: () => ({ account: ACCOUNT, token: "t" }) },
          entities: [note, counter, board] as never,
          operations: [add] as never,
          coalesce,
          batch: { maxOperations },
        },
        {
          clock: this.#clock,
          random: this.#random.fork(`device ${device}`),
          hash,
          transport: { exchange: (request) => exchange(device, request), close: () => Promise.resolve() },
          connectivity,
          owner: `device ${device}`,
        },
      );
      const engine = await this.#run(opened);
      this.#engines.push(engine);
      engine.on("folded", () => {
        this.folded += 1;
      });
      engine.entity(board, BOARD).subscribe((view) => {
        this.#boards[device] = view;
      });
      const first = { type: "CREATE", entityType: "board", entityId: BOARD, payload: { tags: [], score: 0, name: "" } } as const;
      if (device === 0) await this.#run(engine.enqueue(first));
      await this.#run(engine.drain());
      await this.#run(engine.pull({ timeoutMs: HOUR_MS }));
      connectivity.turn(false);
    }
  }

  async #turn(device: number, isOnline: boolean): Promise<void> {
    const engine = this.engine(device);
    if (isOnline) this.#lines[device]?.turn(true);
    const { empty, reason } = await this.#run(engine.drain({ timeoutMs: HOUR_MS }));
    if (!empty) throw new Error(`device ${device} still has work: ${reason}`);
    await this.#run(engine.pull({ timeoutMs: HOUR_MS }));
    if (!isOnline) this.#lines[device]?.turn(false);
  }

  /** Lets time pass until it has settled. */
  async #run<T>(work: Promise<T>): Promise<T> {
    let hasSettled = false;
    const settle = (): void => {
      hasSettled = true;
    };
    work.then(settle, settle);
    await this.#clock.timeline.run({ untilMs: this.#clock.timeline.nowMs + 2 * HOUR_MS, stop: () => hasSettled });
    if (!hasSettled) throw new Error("nothing settled in two hours");
    return work;
  }
}
