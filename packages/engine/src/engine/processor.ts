import { SyncError } from "@guardian-sync/protocol";
import type { Capabilities } from "../core/handshake.ts";
import type { AccountTag } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { codeOf } from "./code-of.ts";
import { comeBack } from "./comeback.ts";
import { Compactor } from "./compactor.ts";
import type { EngineContext } from "./context.ts";
import { Ending } from "./ending.ts";
import { Gate } from "./gate.ts";
import { Greeter } from "./greeter.ts";
import type { LockKeeper } from "./lock-keeper.ts";
import { type Errand, Origin } from "./origin.ts";
import { Puller } from "./puller.ts";
import { finishReleases } from "./releasing.ts";
import { Sender } from "./sender.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { type Standstill, type Turn, waiting, waitingFor } from "./turn.ts";

/** While work waits, the engine looks around at least this often, whatever it waits for: a missed hint costs a minute, never a day. */
const PROBE_EVERY_MS = 60_000;
const STUCK_MS = 120_000;
const FAULT_BASE_MS = 1000;
const FAULT_MAX_MS = 60_000;

/** The one loop that sends. A turn looks, decides through the core, acts once, and writes down what came of it. */
export class Processor {
  readonly #context: EngineContext;
  readonly #sessions: SessionKeeper;
  readonly #lock: LockKeeper;
  readonly #greeter: Greeter;
  readonly #gate: Gate;
  readonly #compactor: Compactor;
  /** Reads what others wrote. */
  readonly puller: Puller;
  readonly #sender: Sender;
  #running: Promise<void> | undefined;
  #stopping = false;
  #startsAgain = false;
  #wake: (() => void) | undefined;
  #woken = false;
  #faults = 0;
  #hasRecovered = false;
  #standstill: Standstill = { state: "stopped", reason: "not started", untilMs: null, work: false };
  /** Of the file, when the turn began. */
  #fileVersion = -1;
  #restListeners = new Set<(standstill: Standstill) => void>();

  constructor(context: EngineContext, sessions: SessionKeeper, lock: LockKeeper) {
    this.#context = context;
    this.#sessions = sessions;
    this.#lock = lock;
    this.#gate = new Gate(context);
    this.#compactor = new Compactor(context);
    const origin = new Origin(context, () => this.#gate.started());
    this.#greeter = new Greeter(context, origin);
    this.puller = new Puller(context, { sessions, lock, gate: this.#gate, origin, greeter: this.#greeter });
    const isStopping = (): boolean => this.#stopping;
    const ending = new Ending(context, origin, this.#gate);
    this.#sender = new Sender(context, { sessions, lock, gate: this.#gate, origin, greeter: this.#greeter, ending, isStopping });
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get standstill(): Standstill | undefined {
    return this.#wake === undefined && this.#running !== undefined ? undefined : this.#standstill;
  }

  get capabilities(): Capabilities | undefined {
    return this.#greeter.known;
  }

  /** Told how many operations have just left the waiting ones. */
  set onSealed(listener: (count: number) => void) {
    this.#sender.onSealed = listener;
  }

  get gate(): Gate {
    return this.#gate;
  }

  /** While it stops, it starts again afterwards: the last word counts. */
  start(): void {
    if (this.#running !== undefined) {
      this.#startsAgain = this.#stopping;
      return;
    }
    this.#stopping = false;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#startsAgain) this.start();
      this.#startsAgain = false;
    });
  }

  /** Waits for the request under way, then gives the lock back. */
  async stop(): Promise<void> {
    this.#startsAgain = false;
    this.#stopping = true;
    this.wake();
    await this.#running;
    if (this.#running !== undefined) return;
    this.#standstill = { state: "stopped", reason: "stopped", untilMs: null, work: false };
    this.#tellRest(this.#standstill);
  }

  /** As `stop`, but at once and in silence: nobody looks at the store because of it. */
  suspend(): void {
    this.#startsAgain = false;
    this.#stopping = true;
    this.wake();
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
    this.#sender.nudge();
  }

  /** Tells whenever the loop comes to rest, until the returned function is called. */
  onRest(listener: (standstill: Standstill) => void): () => void {
    this.#restListeners.add(listener);
    return () => this.#restListeners.delete(listener);
  }

  /** See `Sender.releaseBrake`. */
  releaseBrake(onTrial: boolean): void {
    this.#sender.releaseBrake(onTrial);
    this.#greeter.forget();
  }

  /** Ends what an earlier process left half done, and lets operations go on whose definition is there again. Once, before anything is sent. */
  async recover(account: AccountTag): Promise<void> {
    if (this.#hasRecovered) return;
    await finishReleases(this.#context, account);
    const { handshake } = (await this.#context.queue.view(account)).detail;
    await comeBack(this.#context, account, (handshake as Capabilities | undefined) ?? { collections: {} });
    this.#hasRecovered = true;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      let turn: Turn;
      const calm = this.#watchdog();
      try {
        turn = await this.#turn();
        this.#faults = 0;
      } catch (error) {
        turn = await this.#fault(error);
      } finally {
        calm();
      }
      if (turn.kind === "rest") await this.#rest(turn);
    }
    await this.#lock
      .release("send")
      .catch((error: unknown) => this.#log("lock_release_failed", "The lock could not be given back; it goes stale by itself.", error));
  }

  /** A turn that does not end means that a store or the app's session hangs: nobody would know, because nothing happens. */
  #watchdog(): () => void {
    const { platform, settings, events } = this.#context;
    return platform.clock.schedule(3 * settings.backend.timeoutMs + STUCK_MS, () => {
      const message =
        "One step of the processor has not ended for minutes: the store or the app's session function hangs. Nothing is lost; restart the app if it stays so.";
      events.emit({ type: "alert", code: "WATCHDOG", message });
    });
  }

  async #rest(turn: Turn & { readonly kind: "rest" }): Promise<void> {
    const { clock } = this.#context.platform;
    const { kind: _kind, delayMs, ...standstill } = turn;
    if (standstill.state !== this.#standstill.state || standstill.reason !== this.#standstill.reason) {
      this.#context.events.emit({
        type: "waiting",
        reason: standstill.reason,
        untilMs: delayMs === null ? null : ((clock.now() + delayMs) as never),
        delayMs,
      });
    }
    this.#standstill = standstill;
    // A rest without an end: nobody in this process may ever wake it, but another one may write, die, or lift a pause.
    const unwatch = delayMs === null ? await this.#watchFile() : undefined;
    if (!this.#woken && !this.#stopping) {
      const until = standstill.work ? Math.min(delayMs ?? PROBE_EVERY_MS, PROBE_EVERY_MS) : delayMs;
      await new Promise<void>((resolve) => {
        // Whole milliseconds: the rest of a fraction can be too small to move any clock.
        const cancel = until === null ? undefined : clock.schedule(Math.max(1, Math.ceil(until)), resolve, { keepAlive: standstill.work });
        this.#wake = () => {
          cancel?.();
          resolve();
        };
        this.#tellRest(standstill);
      });
      this.#wake = undefined;
    }
    unwatch?.();
    this.#woken = false;
  }

  /** Until the returned function is called, what another process writes wakes the loop; also what it wrote since the turn began. */
  async #watchFile(): Promise<(() => void) | undefined> {
    const unwatch = this.#context.queue.opened.watch?.(() => void this.#lookAtFile());
    if (unwatch !== undefined) await this.#lookAtFile();
    return unwatch;
  }

  async #lookAtFile(): Promise<void> {
    try {
      if ((await this.#context.queue.opened.store.dataVersion()) !== this.#fileVersion) this.wake();
    } catch {
      // A turn says better what is wrong with the file.
      this.wake();
    }
  }

  #tellRest(standstill: Standstill): void {
    for (const listener of Array.from(this.#restListeners)) listener(standstill);
  }

  async #turn(): Promise<Turn> {
    this.#woken = false;
    const { opened } = this.#context.queue;
    if (opened.watch !== undefined) this.#fileVersion = await opened.store.dataVersion();
    const session = await this.#sessions.current();
    if (session === null) return this.#idle("signed_out");
    const account = await this.#context.queue.ensureAccount(session.account);
    await this.recover(account);
    const view = await this.#context.queue.view(account);
    const { pending, sealed } = view.row.counts;
    if (view.detail.pause !== undefined) return this.#pausedTurn(view);
    if (pending + sealed === 0) return this.#idle("empty");

    const blocked = await this.#gate.check(view);
    if (blocked !== undefined) {
      await this.#compact(view);
      const reason = blocked.reason === "backoff" && this.#sender.isOriginFailing ? "origin_failing" : blocked.reason;
      return { ...waitingFor(blocked), reason };
    }
    const lock = await this.#lock.ensure("send");
    if (!lock.held) return waiting(lock.reason, lock.lookAgainInMs, this.#context.platform.clock.now());

    const held = this.#gate.held();
    if (held !== undefined) return waitingFor(held);
    const errand: Errand = { session, detail: view.detail, level: 4, lease: lock.lease };
    const greeting = await this.#greeter.greet(errand, account, lock.lease, view, this.#sender.strain(view));
    const mandate = { session, account, lease: lock.lease };
    if (greeting.kind === "settle") return this.#sender.carryOut(mandate, [], greeting.settlement, 0);
    const turn = await this.#sender.sendNext({ ...mandate, capabilities: greeting.capabilities });
    return turn.kind === "blocked" ? this.#idle("blocked") : turn;
  }

  /** Time to fold what waits: under the lock, which is given back when nothing else needs it. */
  async #compact(view: AccountView): Promise<void> {
    if (!this.#compactor.hasWork(view)) return;
    const isHeld = this.#lock.lease !== undefined;
    const lock = await this.#lock.ensure("send");
    if (!lock.held) return;
    await this.#compactor.run(view, lock.lease, () => this.#stopping);
    if (!isHeld) await this.#lock.release("send");
  }

  async #pausedTurn(view: AccountView): Promise<Turn> {
    await this.#lock.release("send");
    return { kind: "rest", state: "paused", reason: view.detail.pause?.reason ?? "", untilMs: null, work: false, delayMs: null };
  }

  async #idle(reason: "signed_out" | "empty" | "blocked"): Promise<Turn> {
    await this.#lock.release("send");
    return { kind: "rest", state: "idle", reason, untilMs: null, work: false, delayMs: null };
  }

  async #fault(error: unknown): Promise<Turn> {
    if (error instanceof SyncError && error.code === "STALE_LOCK") {
      await this.#lock.lost();
      return { kind: "again" };
    }
    this.#faults += 1;
    this.#log("turn_failed", "A turn of the processor failed; it is tried again. Nothing was lost.", error);
    this.#context.settings.telemetry.reportError?.(error, { code: codeOf(error) });
    const delayMs = Math.min(FAULT_MAX_MS, FAULT_BASE_MS * 2 ** Math.min(10, this.#faults - 1));
    return waiting(codeOf(error).toLowerCase(), delayMs, this.#context.platform.clock.now());
  }

  #log(event: string, msg: string, error: unknown): void {
    this.#context.settings.telemetry.logger.error({ event_type: event, msg, code: codeOf(error) });
  }
}
