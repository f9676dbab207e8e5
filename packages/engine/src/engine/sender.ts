import { utf8SizeBytes } from "@guardian-sync/protocol";
import type { Judgement, SentOperation } from "../core/answer.ts";
import { type BatchState, fullBatch, growBatch, halveBatch, shrinkBatch } from "../core/batch.ts";
import { type BatchLimits, tightest } from "../core/batch-limits.ts";
import { BRAKE_ON_TRIAL, brakeRoom, isBraking, RELEASED_BRAKE, stepBrake } from "../core/brake.ts";
import type { Finding } from "../core/finding.ts";
import type { Capabilities } from "../core/handshake.ts";
import { type BucketState, fullBucket, takeToken } from "../core/rate-limit.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { sameAccount, type Session } from "../core/session.ts";
import { isPlainSuccess, settle, type Settlement, type Strain } from "../core/settlement.ts";
import type { AccountTag, EntityTag, Exchange } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { Lease } from "../queue/queue.ts";
import { currentKey, isSendable, type SendableRecord } from "../queue/records.ts";
import { quarantineSealed } from "./aside.ts";
import type { EngineContext } from "./context.ts";
import type { Ending } from "./ending.ts";
import type { Gate } from "./gate.ts";
import type { Greeter } from "./greeter.ts";
import type { LockKeeper } from "./lock-keeper.ts";
import { named } from "./naming.ts";
import type { Errand, Origin } from "./origin.ts";
import { Reconciler } from "./reconciler.ts";
import { record } from "./recorder.ts";
import { sealNext } from "./sealer.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { asMuchAsGoes, firstUnit, hardLimits, ofGroups } from "./request-units.ts";
import { type Turn, waiting, waitingFor } from "./turn.ts";

/** For whom, under which lock, to a backend that can what. */
export interface Mandate {
  readonly session: Session;
  readonly account: AccountTag;
  readonly lease: Lease;
  readonly capabilities: Capabilities;
}
export interface SenderParts {
  readonly sessions: SessionKeeper;
  readonly lock: LockKeeper;
  readonly gate: Gate;
  readonly origin: Origin;
  readonly greeter: Greeter;
  readonly ending: Ending;
  readonly isStopping: () => boolean;
}

interface Reply {
  readonly judgement: Judgement;
  readonly exchange: Exchange;
  readonly elapsedMs: number;
}
/** Sealed while the request before is under way. */
interface Ahead {
  readonly records: readonly SendableRecord[];
  /** Of the account, right after. */
  readonly revision: number;
}

/** A stream of requests that all succeed ends after this long: the loop looks at everything else again. */
const STREAM_MS = 5000;

/** Takes operations to the backend: seals, sends, writes down what came of it. One request is under way at a time. */
export class Sender {
  readonly #context: EngineContext;
  readonly #parts: SenderParts;
  readonly #reconciler: Reconciler;
  #batch: BatchState;
  #bucket: BucketState;
  #refusals = 0;
  #tlsFailures = 0;
  #brake = RELEASED_BRAKE;
  /** Was alone in a probe that met silence. */
  #suspect: { readonly key: string; readonly problem: Finding | undefined } | undefined;
  #isOriginFailing = false;
  /** Told how many operations have just left the waiting ones. */
  onSealed: ((count: number) => void) | undefined;

  constructor(context: EngineContext, parts: SenderParts) {
    this.#context = context;
    this.#parts = parts;
    this.#reconciler = new Reconciler(context);
    this.#batch = fullBatch(context.settings.batch);
    this.#bucket = fullBucket(context.settings.rateLimit, context.platform.clock.monotonic());
  }

  /** Nobody could say what became of an operation that cannot go on without an answer. */
  get isOriginFailing(): boolean {
    return this.#isOriginFailing;
  }

  /** A pause was lifted: by a person, who has looked, or by a restart, which knows nothing and may risk one operation. */
  releaseBrake(onTrial: boolean): void {
    this.#brake = onTrial ? BRAKE_ON_TRIAL : RELEASED_BRAKE;
    this.#refusals = 0;
    this.#tlsFailures = 0;
  }

  strain(view: AccountView): Strain {
    const { backoff: policy } = this.#context.settings;
    return { failures: view.global.failures, tlsFailures: this.#tlsFailures, refusals: this.#refusals, policy };
  }

  /** One request with what is first in order, or several while all goes well. */
  async sendNext(mandate: Mandate): Promise<Turn | { readonly kind: "blocked" }> {
    const { session, account, lease, capabilities } = mandate;
    const { platform, queue } = this.#context;
    // Read again: the handshake may have corrected the clock, or changed what is known.
    const view = await queue.view(account);
    const limits = this.#limits(capabilities);
    const errand: Errand = { session, detail: view.detail, level: capabilities.level, lease };
    const sealed = await view.sealed(limits.maxOperations);
    const damaged = sealed.filter((one) => !isSendable(one)).map(({ operation }) => operation);
    if (damaged.length > 0) {
      await quarantineSealed(this.#context, account, lease, damaged);
      return { kind: "again" };
    }
    const hard = hardLimits(this.#context, capabilities);
    const again = asMuchAsGoes(sealed.filter(isSendable), limits, hard);
    const [first] = again;
    if (first !== undefined) {
      const { ending, gate } = this.#parts;
      const held = gate.held();
      if (held !== undefined) return waitingFor(held);
      const ended = await ending.seek(errand, again, capabilities, this.strain(view));
      if (ended !== undefined) return this.carryOut(mandate, firstUnit(again), ofGroups(firstUnit(again), ended), 0);
      const suspect = this.#suspect;
      this.#suspect = undefined;
      if (suspect?.key === currentKey(first.operation)) {
        const probed = await ending.probe(errand, first, suspect.problem, this.strain(view));
        return this.carryOut(mandate, [first], probed, 0);
      }
      return (await this.#mayStart(mandate)) ?? this.#finish(mandate, errand, again, await this.#request(errand, again));
    }
    const sealing = await sealNext(this.#context, { account, lease, capabilities, ...limits, hard });
    if (sealing.kind === "moved") return { kind: "again" };
    if (sealing.kind === "wait") return waiting("backoff", Math.max(1, sealing.until - platform.clock.now()), platform.clock.now());
    if (sealing.kind === "nothing") return { kind: "blocked" };
    this.onSealed?.(sealing.left);
    return (await this.#mayStart(mandate)) ?? this.#stream(mandate, errand, sealing.records);
  }

  /** Writes down what an answer did, then does what it asks of the engine itself. */
  async carryOut(
    { account, lease }: Pick<Mandate, "account" | "lease">,
    records: readonly SendableRecord[],
    settlement: Settlement,
    elapsedMs: number,
  ): Promise<{ readonly kind: "again" }> {
    const { meters, settings, events } = this.#context;
    const { gate, greeter, lock } = this.#parts;
    await gate.settled(account, settlement);
    await record(this.#context, { account, lease, sent: records, settlement, elapsedMs });

    this.#isOriginFailing = settlement.originFailing === true;
    this.#resize(settlement, records);
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
    if (settlement.lockLost === true) await greeter.lockRefused(account, lease, lock);
    if (settlement.rewindTo !== undefined) await greeter.newClientId(account, lease);
    if (settlement.pause !== undefined) {
      if (settlement.pause.security) events.emit({ type: "security", code: settlement.pause.code });
      await this.#pause(account, lease, settlement.pause.reason);
    } else if (settlement.refused === true) {
      try {
        await this.#parts.sessions.refresh();
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

  /**
   * Sends, and while a request is under way seals the next one; when all of the first was applied and nothing else has changed, the
   * second starts before the first is written down. What the disk and the processor do then costs the network no time. A crash in
   * between repeats both, with their keys.
   */
  async #stream(mandate: Mandate, errand: Errand, first: readonly SendableRecord[]): Promise<Turn> {
    const { clock } = this.#context.platform;
    const endsAt = clock.monotonic() + STREAM_MS;
    let records = first;
    let underWay = this.#begin(errand, records);
    await this.#letLeave();
    for (;;) {
      let fault: { readonly error: unknown } | undefined;
      const ahead = await this.#sealAhead(mandate, records).catch((error: unknown) => {
        fault = { error };
        return undefined;
      });
      const reply = await underWay;
      const settlement = ahead === undefined ? undefined : this.#plainSuccess(records, reply);
      const isEarly = clock.monotonic() < endsAt;
      // A session or a store that fails now fails again in the next turn, which says so; what was answered is written down first.
      const goesOn = ahead !== undefined && settlement !== undefined && isEarly && (await this.#mayGoOn(mandate, ahead).catch(() => false));
      if (!goesOn) {
        const turn = await this.#finish(mandate, errand, records, reply);
        if (fault !== undefined) throw fault.error;
        return turn;
      }
      underWay = this.#begin(errand, ahead.records);
      try {
        await this.#letLeave();
        await this.carryOut(mandate, records, settlement, reply.elapsedMs);
      } catch (error) {
        // Its answer comes a second time, because the operations are still sealed; what the origin asks for holds at once.
        const { judgement } = await underWay;
        const unheeded = this.#settle(ahead.records, judgement, { failures: 0, tlsFailures: 0, refusals: 0 });
        // A disk that fails twice is reported once: the turn ends with the first error.
        await this.#parts.gate.settled(mandate.account, unheeded).catch(() => undefined);
        throw error;
      }
      records = ahead.records;
    }
  }

  /** A request that is waited for a little later: until then its failure is nobody's to handle. */
  #begin(errand: Errand, records: readonly SendableRecord[]): Promise<Reply> {
    const underWay = this.#request(errand, records);
    underWay.catch(() => undefined);
    return underWay;
  }

  /** The bytes of a request that has just started go out before the disk keeps this thread busy. */
  #letLeave(): Promise<void> {
    return new Promise((resolve) => {
      this.#context.platform.clock.schedule(0, resolve, { keepAlive: true });
    });
  }

  /** Only when a full request waits, and all goes well: a smaller one grows while the other is under way. */
  async #sealAhead({ account, lease, capabilities }: Mandate, underWay: readonly SendableRecord[]): Promise<Ahead | undefined> {
    const limits = this.#limits(capabilities);
    const [first] = underWay;
    const isSteady = this.#brake.proven && limits.maxOperations === tightest(this.#context.settings.batch, capabilities).maxOperations;
    if (!isSteady || first === undefined || faceOf(first.text) !== "sync" || underWay.length < limits.maxOperations) return undefined;
    const behind = new Set<EntityTag>(underWay.map(({ operation }) => operation.entityTag));
    const sealing = await sealNext(this.#context, {
      account,
      lease,
      capabilities,
      ...limits,
      behind,
      hard: hardLimits(this.#context, capabilities),
      atLeast: limits.maxOperations,
    });
    if (sealing.kind !== "sealed") return undefined;
    this.onSealed?.(sealing.left);
    return { records: sealing.records, revision: sealing.revision };
  }

  #plainSuccess(records: readonly SendableRecord[], { judgement }: Reply): Settlement | undefined {
    const settlement = this.#settle(records, judgement, { failures: 0, tlsFailures: this.#tlsFailures, refusals: this.#refusals });
    return isPlainSuccess(settlement, records.length) ? settlement : undefined;
  }

  /** Whether nothing has changed since it was sealed: no pause, no cancel, no other account, no other holder of the lock. */
  async #mayGoOn(mandate: Mandate, { records, revision }: Ahead): Promise<boolean> {
    const { queue } = this.#context;
    const [first] = records;
    if (first === undefined || faceOf(first.text) !== "sync") return false;
    const session = await this.#parts.sessions.current();
    if (session === null || session.token !== mandate.session.token) return false;
    const look = queue.view(mandate.account);
    const [view, closed] = await Promise.all([look, this.#parts.gate.check(look)]);
    if (view.row.revision !== revision || closed !== undefined) return false;
    return (await this.#mayStart(mandate)) === undefined;
  }

  /** The last look before bytes leave: a token of the limiter, the same account, the same lease, no wish of the origin. Undefined: go. */
  async #mayStart({ session, lease }: Mandate): Promise<Turn | undefined> {
    const { platform, settings } = this.#context;
    const { gate, lock, sessions, isStopping } = this.#parts;
    const token = takeToken(this.#bucket, platform.clock.monotonic(), settings.rateLimit);
    this.#bucket = token.state;
    if (token.waitMs > 0) return waiting("rate_limit", token.waitMs, platform.clock.now());
    const held = await lock.ensure("send");
    // What is asked from here on cannot change before the request starts.
    const isOurs = held.held && held.lease.fence === lease.fence;
    const { last } = sessions;
    if (!isOurs || isStopping() || last === null || !sameAccount(last.account, session.account)) return { kind: "again" };
    const closed = gate.held();
    return closed === undefined ? undefined : waitingFor(closed);
  }

  async #request(errand: Errand, records: readonly SendableRecord[]): Promise<Reply> {
    const { settings, platform, meters } = this.#context;
    const { gate, origin } = this.#parts;
    const operations: SentOperation[] = records.map(({ operation }) => {
      const overrides = settings.registry.operations.get(operation.content.type)?.outcomes;
      const { type, groupId } = operation.content;
      return { key: currentKey(operation), type, groupId, ...(overrides === undefined ? {} : { overrides }) };
    });
    const startedAt = platform.clock.monotonic();
    const [first] = records as [SendableRecord];
    const { judgement, exchange } =
      faceOf(first.text) === "sync"
        ? await origin.sendBatch(errand, records, operations)
        : await origin.sendRest(errand, first, restRequest(first.text), operations[0] as SentOperation);
    meters.exchanged(exchange.kind === "answer");
    // Here, not where it is settled: the disk may keep whoever waits for this answer busy, and the reader asks meanwhile.
    if (judgement.kind === "request" && judgement.retryAfterMs !== undefined)
      gate.heed(this.#settle(records, judgement, { failures: 0, tlsFailures: 0, refusals: 0 }));
    return { judgement, exchange, elapsedMs: platform.clock.monotonic() - startedAt };
  }

  /** Asks what an answer leaves open, then carries it out. */
  async #finish(mandate: Mandate, errand: Errand, records: readonly SendableRecord[], reply: Reply): Promise<Turn> {
    const { account, lease, capabilities } = mandate;
    const { ending, gate, greeter } = this.#parts;
    const [first] = records as [SendableRecord];
    const strain = this.strain(await this.#context.queue.view(account));
    let settlement = this.#settle(records, reply.judgement, strain);
    if (settlement.chargeIfReachable !== undefined) {
      // Behind a breaker that is not closed this was the one probe: whether it is the origin that fails, the next one asks.
      if (gate.breaker.kind === "closed") settlement = await ending.chargeIfReachable(errand, settlement, strain);
      else this.#suspect = { key: currentKey(first.operation), problem: settlement.problem };
    }
    if (settlement.ask !== undefined)
      settlement = await ending.ask(errand, records[settlement.ask.index] as SendableRecord, settlement, capabilities, strain);
    settlement = named(this.#context.settings.registry, records, settlement, reply.exchange);
    settlement = await ending.sealOffConflicts(errand, records, settlement, capabilities, strain);
    settlement = await ending.findCurrent(errand, records, settlement, strain);
    settlement = ofGroups(records, this.#reconciler.decide(records, settlement));
    if (settlement.correctClock !== undefined) await greeter.correctClock(account, lease, reply.exchange);
    return this.carryOut(mandate, records, settlement, reply.elapsedMs);
  }

  #settle(records: readonly SendableRecord[], judgement: Judgement, strain: Strain): Settlement {
    const { settings, platform } = this.#context;
    return settle({
      operations: records.map(({ operation, sentBefore }) => ({
        key: currentKey(operation),
        groupId: operation.content.groupId,
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
  }

  #limits(capabilities: Capabilities): BatchLimits {
    const { operations: maxOperations, maxBytes } = this.#batch;
    const room = { maxOperations: brakeRoom(this.#brake), maxBytes };
    return tightest(this.#context.settings.batch, capabilities, room, { maxOperations, maxBytes });
  }

  #resize(settlement: Settlement, records: readonly SendableRecord[]): void {
    if (settlement.batch === "grow") this.#batch = growBatch(this.#batch, this.#context.settings.batch);
    else if (settlement.batch === "halve") this.#batch = halveBatch(this.#batch, Math.max(1, records.length));
    else if (settlement.batch === "shrink") {
      const sentBytes = records.reduce((sum, { text }) => sum + utf8SizeBytes(text), 0);
      this.#batch = shrinkBatch(this.#batch, Math.max(1, records.length), sentBytes);
    }
  }

  async #brakeOn(account: AccountTag, lease: Lease, records: readonly SendableRecord[], settlement: Settlement): Promise<void> {
    const groups = new Set<string>();
    for (const { index, verdict } of settlement.moves) {
      const operationId = records[index]?.operation.content.id ?? "";
      // A group that is refused is refused once.
      const groupId = records[index]?.operation.content.groupId;
      if (groupId !== undefined && groups.has(groupId)) continue;
      if (groupId !== undefined && verdict.event === "reject") groups.add(groupId);
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
}
