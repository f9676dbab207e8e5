import { SyncError, utf8SizeBytes } from "@guardian-sync/protocol";
import type { SentOperation } from "../core/answer.ts";
import { type BatchLimits, type BatchState, fullBatch, growBatch, halveBatch, shrinkBatch, takeBatch, tightest } from "../core/batch.ts";
import { BRAKE_ON_TRIAL, brakeRoom, isBraking, RELEASED_BRAKE, stepBrake } from "../core/brake.ts";
import type { Finding } from "../core/finding.ts";
import type { Capabilities } from "../core/handshake.ts";
import { type BucketState, fullBucket, takeToken } from "../core/rate-limit.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { sameAccount, type Session } from "../core/session.ts";
import { settle, type Settlement, type Strain } from "../core/settlement.ts";
import type { AccountTag } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { Lease } from "../queue/queue.ts";
import { currentKey, isSendable, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import { Ending } from "./ending.ts";
import { Gate } from "./gate.ts";
import { Greeter } from "./greeter.ts";
import { codeOf, type LockKeeper } from "./lock-keeper.ts";
import { type Errand, Origin } from "./origin.ts";
import { record } from "./recorder.ts";
import { quarantineSealed, sealNext } from "./sealer.ts";
import type { SessionKeeper } from "./session-keeper.ts";

/** Why nothing goes out now, for `status()` and for people. `untilMs`: epoch ms, null = until something happens. */
export interface Standstill {
  readonly state: "stopped" | "idle" | "waiting" | "paused";
  readonly reason: string;
  readonly untilMs: number | null;
  readonly work: boolean;
}
type Turn = { readonly kind: "again" } | ({ readonly kind: "rest" } & Standstill & { readonly delayMs: number | null });

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
  readonly #origin: Origin;
  readonly #greeter: Greeter;
  readonly #gate: Gate;
  readonly #ending: Ending;
  #running: Promise<void> | undefined;
  #stopping = false;
  #startsAgain = false;
  #wake: (() => void) | undefined;
  #woken = false;
  #faults = 0;
  #batch: BatchState;
  #bucket: BucketState;
  #refusals = 0;
  #tlsFailures = 0;
  #brake = RELEASED_BRAKE;
  /** Was alone in a probe that met silence. */
  #suspect: { readonly key: string; readonly problem: Finding | undefined } | undefined;
  #isOriginFailing = false;
  #standstill: Standstill = { state: "stopped", reason: "not started", untilMs: null, work: false };
  /** Of the file, when the turn began. */
  #fileVersion = -1;
  #restListeners = new Set<(standstill: Standstill) => void>();
  /** Told how many operations have just left the waiting ones. */
  onSealed: ((count: number) => void) | undefined;

  constructor(context: EngineContext, sessions: SessionKeeper, lock: LockKeeper) {
    this.#context = context;
    this.#sessions = sessions;
    this.#lock = lock;
    this.#gate = new Gate(context);
    this.#origin = new Origin(context, () => this.#gate.started());
    this.#greeter = new Greeter(context, this.#origin);
    this.#ending = new Ending(context, this.#origin);
    this.#batch = fullBatch(context.settings.batch);
    this.#bucket = fullBucket(context.settings.rateLimit, context.platform.clock.monotonic());
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

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Tells whenever the loop comes to rest, until the returned function is called. */
  onRest(listener: (standstill: Standstill) => void): () => void {
    this.#restListeners.add(listener);
    return () => this.#restListeners.delete(listener);
  }

  /** A pause was lifted: by a person, who has looked, or by a restart, which knows nothing and may risk one operation. */
  releaseBrake(onTrial: boolean): void {
    this.#brake = onTrial ? BRAKE_ON_TRIAL : RELEASED_BRAKE;
    this.#refusals = 0;
    this.#tlsFailures = 0;
    this.#greeter.forget();
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
      .release()
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
    const view = await this.#context.queue.view(account);
    const { pending, sealed } = view.row.counts;
    if (view.detail.pause !== undefined) return this.#pausedTurn(view);
    if (pending + sealed === 0) return this.#idle("empty");

    const blocked = await this.#gate.check(view);
    if (blocked !== undefined) {
      const reason = blocked.reason === "backoff" && this.#isOriginFailing ? "origin_failing" : blocked.reason;
      return { kind: "rest", state: "waiting", work: true, ...blocked, reason };
    }
    const lock = await this.#lock.ensure();
    if (!lock.held) return waiting(lock.reason, lock.lookAgainInMs, this.#context.platform.clock.now());

    const errand: Errand = { session, detail: view.detail, level: 4, lease: lock.lease };
    const greeting = await this.#greeter.greet(errand, account, lock.lease, view, this.#strain(view));
    if (greeting.kind === "settle") return this.#carryOut(account, lock.lease, [], greeting.settlement, 0);
    return this.#sendNext(session, account, lock.lease, greeting.capabilities);
  }

  async #sendNext(session: Session, account: AccountTag, lease: Lease, capabilities: Capabilities): Promise<Turn> {
    const { settings, platform, queue } = this.#context;
    // Read again: the handshake may have corrected the clock, or changed what is known.
    const view = await queue.view(account);
    const limits = tightest(settings.batch, capabilities, { maxOperations: brakeRoom(this.#brake), maxBytes: this.#batch.maxBytes });
    const errand: Errand = { session, detail: view.detail, level: capabilities.level, lease };
    const maxOperations = Math.min(this.#batch.operations, limits.maxOperations);
    const sealed = await view.sealed(maxOperations);
    const damaged = sealed.filter((record) => !isSendable(record));
    if (damaged.length > 0) {
      await quarantineSealed(
        this.#context,
        account,
        lease,
        damaged.map(({ operation }) => operation),
      );
      return { kind: "again" };
    }
    let records = asMuchAsGoes(sealed.filter(isSendable), limits);
    if (records.length > 0) {
      const ended = await this.#ending.seek(errand, records, capabilities, this.#strain(view));
      if (ended !== undefined) return this.#carryOut(account, lease, records.slice(0, 1), ended, 0);
      const [first] = records as [SendableRecord];
      const suspect = this.#suspect;
      this.#suspect = undefined;
      if (suspect?.key === currentKey(first.operation)) {
        const probed = await this.#ending.probe(errand, first, suspect.problem, this.#strain(view));
        return this.#carryOut(account, lease, [first], probed, 0);
      }
    } else {
      const sealing = await sealNext(this.#context, { account, lease, capabilities, maxOperations, maxBytes: limits.maxBytes });
      if (sealing.kind === "moved") return { kind: "again" };
      if (sealing.kind === "wait") return waiting("backoff", Math.max(1, sealing.until - platform.clock.now()), platform.clock.now());
      if (sealing.kind === "nothing") return this.#idle("blocked");
      records = sealing.records;
      this.onSealed?.(records.length);
    }

    const token = takeToken(this.#bucket, platform.clock.monotonic(), settings.rateLimit);
    this.#bucket = token.state;
    if (token.waitMs > 0) return waiting("rate_limit", token.waitMs, platform.clock.now());
    if (!(await this.#mayStillSend(session, lease))) return { kind: "again" };
    return this.#exchange(errand, account, lease, records, capabilities);
  }

  #strain(view: AccountView): Strain {
    const { backoff: policy } = this.#context.settings;
    return { failures: view.global.failures, tlsFailures: this.#tlsFailures, refusals: this.#refusals, policy };
  }

  /** The last look before bytes leave: same account, same lease. What is asked here cannot change before the request starts. */
  async #mayStillSend(session: Session, lease: Lease): Promise<boolean> {
    const lock = await this.#lock.ensure();
    if (!lock.held || lock.lease.fence !== lease.fence) return false;
    const last = this.#sessions.last;
    return !this.#stopping && last !== null && sameAccount(last.account, session.account);
  }

  async #exchange(
    errand: Errand,
    account: AccountTag,
    lease: Lease,
    records: readonly SendableRecord[],
    capabilities: Capabilities,
  ): Promise<Turn> {
    const { settings, platform, meters, queue } = this.#context;
    const operations: SentOperation[] = records.map(({ operation }) => {
      const overrides = settings.registry.operations.get(operation.content.type)?.outcomes;
      return { key: currentKey(operation), type: operation.content.type, ...(overrides === undefined ? {} : { overrides }) };
    });
    const startedAt = platform.clock.monotonic();
    const [first] = records as [SendableRecord];
    const { judgement, exchange } =
      faceOf(first.text) === "sync"
        ? await this.#origin.sendBatch(errand, records, operations)
        : await this.#origin.sendRest(errand, first, restRequest(first.text), operations[0] as SentOperation);
    const elapsedMs = platform.clock.monotonic() - startedAt;
    meters.exchanged(exchange.kind === "answer");
    const strain = this.#strain(await queue.view(account));
    let settlement = settle({
      operations: records.map(({ operation, sentBefore }) => ({
        key: currentKey(operation),
        attempts: operation.row?.attempts ?? 0,
        policy: settings.backoff,
        sentBefore,
        skewCorrected: operation.detail.skewCorrected === true,
      })),
      judgement,
      ...strain,
      now: platform.clock.now(),
      draws: { jitter: platform.random.fraction(), spread: platform.random.fraction() },
    });
    if (settlement.chargeIfReachable !== undefined) {
      // Behind a breaker that is not closed this was the one probe: whether it is the origin that fails, the next one asks.
      if (this.#gate.breaker.kind === "closed") settlement = await this.#ending.chargeIfReachable(errand, settlement, strain);
      else this.#suspect = { key: currentKey(first.operation), problem: settlement.problem };
    }
    if (settlement.ask !== undefined)
      settlement = await this.#ending.ask(errand, records[settlement.ask.index] as SendableRecord, settlement, capabilities, strain);
    settlement = await this.#ending.sealOffConflicts(errand, records, settlement, capabilities, strain);
    if (settlement.correctClock !== undefined) await this.#greeter.correctClock(account, lease, exchange);
    return this.#carryOut(account, lease, records, settlement, elapsedMs);
  }

  /** Writes down what an answer did, then does what it asks of the engine itself. */
  async #carryOut(
    account: AccountTag,
    lease: Lease,
    records: readonly SendableRecord[],
    settlement: Settlement,
    elapsedMs: number,
  ): Promise<Turn> {
    const { settings, meters, events } = this.#context;
    await this.#gate.settled(account, settlement);
    await record(this.#context, { account, lease, sent: records, settlement, elapsedMs });

    this.#isOriginFailing = settlement.originFailing === true;
    if (settlement.batch === "grow") this.#batch = growBatch(this.#batch, settings.batch);
    else if (settlement.batch === "halve") this.#batch = halveBatch(this.#batch, Math.max(1, records.length));
    else if (settlement.batch === "shrink") {
      const sentBytes = records.reduce((sum, { text }) => sum + utf8SizeBytes(text), 0);
      this.#batch = shrinkBatch(this.#batch, Math.max(1, records.length), sentBytes);
    }
    this.#refusals = settlement.refused === true ? this.#refusals + 1 : settlement.problem === undefined ? 0 : this.#refusals;
    this.#tlsFailures = settlement.tlsFailed === true ? this.#tlsFailures + 1 : settlement.problem === undefined ? 0 : this.#tlsFailures;
    if (settlement.wait !== undefined) meters.delayed();
    if (settlement.engineFault !== undefined) {
      settings.telemetry.logger.fatal({
        event_type: "engine_fault",
        msg: "The server knows this key with another content. The operation is kept as failed.",
        code: settlement.engineFault.code ?? "",
      });
    }
    if (settlement.lockLost === true) await this.#greeter.lockRefused(account, lease, this.#lock);
    if (settlement.rewindTo !== undefined) await this.#greeter.newClientId(account, lease);
    if (settlement.pause !== undefined) {
      if (settlement.pause.security) events.emit({ type: "security", code: settlement.pause.code });
      await this.#pause(account, lease, settlement.pause.reason);
    } else if (settlement.refused === true) {
      try {
        await this.#sessions.refresh();
      } catch (error) {
        // No new token, so the old one has not been refused twice.
        this.#refusals = 0;
        throw error;
      }
      return { kind: "again" };
    }
    await this.#brakeOn(account, lease, records, settlement);
    return { kind: "again" };
  }

  async #brakeOn(account: AccountTag, lease: Lease, records: readonly SendableRecord[], settlement: Settlement): Promise<void> {
    for (const { index, verdict } of settlement.moves) {
      const operationId = records[index]?.operation.content.id ?? "";
      if (verdict.event === "reject") this.#brake = stepBrake(this.#brake, { type: "rejected", operationId });
      else if (verdict.step === "succeed") this.#brake = stepBrake(this.#brake, { type: "succeeded" });
      if (!isBraking(this.#brake)) continue;
      this.#brake = RELEASED_BRAKE;
      await this.#pause(account, lease, "mass_rejection");
      return;
    }
  }

  async #pause(account: AccountTag, lease: Lease, reason: string): Promise<void> {
    const { queue, events, platform } = this.#context;
    await queue.change(account, lease, (view, change) => {
      if (view.detail.pause === undefined)
        change.putAccountDetail({ ...view.detail, pause: { reason, by: "engine", at: platform.clock.now() } });
    });
    if (reason === "auth_required") events.emit({ type: "auth", change: "required" });
    events.emit({ type: "paused", reason, by: "engine" });
  }

  async #pausedTurn(view: AccountView): Promise<Turn> {
    await this.#lock.release();
    return { kind: "rest", state: "paused", reason: view.detail.pause?.reason ?? "", untilMs: null, work: false, delayMs: null };
  }

  async #idle(reason: "signed_out" | "empty" | "blocked"): Promise<Turn> {
    await this.#lock.release();
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

function waiting(reason: string, delayMs: number, now: number): Turn {
  return { kind: "rest", state: "waiting", reason, untilMs: now + delayMs, work: true, delayMs };
}

/** Bounds may have fallen since they were sealed. A REST operation goes alone; those of the sync face before it, together. */
function asMuchAsGoes(records: readonly SendableRecord[], limits: BatchLimits): readonly SendableRecord[] {
  const candidates = records.map(({ text }) => ({ sizeBytes: utf8SizeBytes(text), face: faceOf(text) }));
  return records.slice(0, takeBatch(candidates, { operations: limits.maxOperations }, limits).count);
}
