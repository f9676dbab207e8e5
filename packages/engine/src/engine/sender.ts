import { utf8SizeBytes } from "@guardian-sync/protocol";
import { type BatchState, fullBatch, growBatch, halveBatch, shrinkBatch } from "../core/batch.ts";
import { type BatchLimits, tightest } from "../core/batch-limits.ts";
import { BRAKE_ON_TRIAL, brakeRoom, isBraking, RELEASED_BRAKE, stepBrake } from "../core/brake.ts";
import type { Finding } from "../core/finding.ts";
import type { Capabilities } from "../core/handshake.ts";
import { faceOf } from "../core/render.ts";
import { isPlainSuccess, type Settlement, type Strain } from "../core/settlement.ts";
import type { AccountTag, EntityTag } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { Lease } from "../queue/queue.ts";
import { currentKey, isNumbered, isSendable, type SendableRecord } from "../queue/records.ts";
import { quarantineSealed } from "./aside.ts";
import type { EngineContext } from "./context.ts";
import { Departure, type Mandate, NO_STRAIN, type Reply, type SenderParts } from "./departure.ts";
import { type FlightDeck, Flights } from "./flights.ts";
import { Lookahead } from "./lookahead.ts";
import { named } from "./naming.ts";
import type { Errand } from "./origin.ts";
import { Reconciler } from "./reconciler.ts";
import { record } from "./recorder.ts";
import { asMuchAsGoes, firstUnit, hardLimits, ofGroups } from "./request-units.ts";
import { sealNext } from "./sealer.ts";
import { type Turn, waiting, waitingFor } from "./turn.ts";
import { namedByBackend } from "./wire-ids.ts";

/** Sealed while the request before is under way. */
interface Ahead {
  readonly records: readonly SendableRecord[];
  /** Of the account, right after. */
  readonly revision: number;
}

/** A stream of requests that all succeed ends after this long: the loop looks at everything else again. */
const STREAM_MS = 5000;

/**
 * Takes operations to the backend: seals, sends, writes down what came of it. Under global ordering one request is under way at a
 * time; under entity ordering several, see `Flights`.
 */
export class Sender {
  readonly #context: EngineContext;
  readonly #parts: SenderParts;
  readonly #reconciler: Reconciler;
  readonly #departure: Departure;
  readonly #deck: FlightDeck;
  /** Those of the turn under way. */
  #flights: Flights | undefined;
  #batch: BatchState;
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
    this.#departure = new Departure(context, parts);
    const names = { queue: context.queue, registry: context.settings.registry };
    this.#deck = {
      lookahead: new Lookahead((account, { content }) => namedByBackend(names, account, content)),
      limits: (capabilities) => this.#limits(capabilities),
      isProven: () => this.#brake.proven,
      ask: async (mandate, errand, unit, view) => (await this.#ask(mandate, errand, unit, view)) !== undefined,
      onSealed: (count) => this.onSealed?.(count),
      finish: (mandate, errand, records, reply) => this.#finish(mandate, errand, records, reply),
      carryOutBehindTrouble: async (mandate, records, answered, { exchange, elapsedMs }) => {
        const settlement = ofGroups(records, named(context.settings.registry, records, answered, exchange));
        await parts.gate.settled(mandate.account, settlement);
        await record(context, { ...mandate, sent: records, settlement, elapsedMs, isBehindTrouble: true });
      },
    };
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

  /** Something new waits, or something has changed: flights that could start need not wait for those in the air. */
  nudge(): void {
    this.#flights?.nudge();
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
    const isOfLanes = this.#context.settings.ordering === "entity" && !sealed.some(isNumbered);
    if (isOfLanes) {
      this.#flights = new Flights(this.#context, this.#parts, this.#departure, this.#deck, { mandate, errand });
      return this.#flights.fly().finally(() => {
        this.#flights = undefined;
      });
    }
    const hard = hardLimits(this.#context, capabilities);
    const again = asMuchAsGoes(sealed.filter(isSendable), limits, hard);
    if (again.length > 0) {
      const held = this.#parts.gate.held();
      if (held !== undefined) return waitingFor(held);
      const asked = await this.#ask(mandate, errand, again, view);
      if (asked !== undefined) return asked;
      const refused = await this.#departure.mayStart(mandate);
      if (refused !== undefined) return refused;
      await this.#finish(mandate, errand, again, await this.#departure.request(errand, again));
      return { kind: "again" };
    }
    const sealing = await sealNext(this.#context, { account, lease, capabilities, ...limits, hard });
    if (sealing.kind === "moved") return { kind: "again" };
    if (sealing.kind === "wait") return waiting("backoff", Math.max(1, sealing.until - platform.clock.now()), platform.clock.now());
    if (sealing.kind === "nothing") return { kind: "blocked" };
    this.onSealed?.(sealing.left);
    return (await this.#departure.mayStart(mandate)) ?? this.#stream(mandate, errand, sealing.records);
  }

  /** What has to be asked about the first of what was sealed before it may be sent again. Undefined: nothing. */
  async #ask(mandate: Mandate, errand: Errand, records: readonly SendableRecord[], view: AccountView): Promise<Turn | undefined> {
    const { ending } = this.#parts;
    const [first] = records as [SendableRecord];
    const ended = await ending.seek(errand, records, mandate.capabilities, this.strain(view));
    if (ended !== undefined) return this.carryOut(mandate, firstUnit(records), ofGroups(firstUnit(records), ended), 0);
    const suspect = this.#suspect;
    if (suspect?.key !== currentKey(first.operation)) return undefined;
    this.#suspect = undefined;
    return this.carryOut(mandate, [first], await ending.probe(errand, first, suspect.problem, this.strain(view)), 0);
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
    let underWay = this.#departure.begin(errand, records);
    await this.#departure.letLeave();
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
        await this.#finish(mandate, errand, records, reply);
        if (fault !== undefined) throw fault.error;
        return { kind: "again" };
      }
      underWay = this.#departure.begin(errand, ahead.records);
      try {
        await this.#departure.letLeave();
        await this.carryOut(mandate, records, settlement, reply.elapsedMs);
      } catch (error) {
        // Its answer comes a second time, because the operations are still sealed; what the origin asks for holds at once.
        const { judgement } = await underWay;
        const unheeded = this.#departure.settle(ahead.records, judgement, NO_STRAIN);
        // A disk that fails twice is reported once: the turn ends with the first error.
        await this.#parts.gate.settled(mandate.account, unheeded).catch(() => undefined);
        throw error;
      }
      records = ahead.records;
    }
  }

  /** Only when a full request waits, and all goes well: a smaller one grows while the other is under way. */
  async #sealAhead({ account, lease, capabilities }: Mandate, underWay: readonly SendableRecord[]): Promise<Ahead | undefined> {
    const limits = this.#limits(capabilities);
    const [first] = underWay;
    const isSteady = this.#brake.proven && limits.maxOperations === tightest(this.#context.settings.batch, capabilities).maxOperations;
    if (!isSteady || first === undefined || faceOf(first.text) !== "sync" || underWay.length < limits.maxOperations) return undefined;
    const behind = new Set<EntityTag>(underWay.map(({ operation }) => operation.entityTag));
    const hard = hardLimits(this.#context, capabilities);
    const sealing = await sealNext(this.#context, { account, lease, capabilities, ...limits, behind, hard, atLeast: limits.maxOperations });
    if (sealing.kind !== "sealed") return undefined;
    this.onSealed?.(sealing.left);
    return { records: sealing.records, revision: sealing.revision };
  }

  #plainSuccess(records: readonly SendableRecord[], { judgement }: Reply): Settlement | undefined {
    const settlement = this.#departure.settle(records, judgement, {
      failures: 0,
      tlsFailures: this.#tlsFailures,
      refusals: this.#refusals,
    });
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
    return (await this.#departure.mayStart(mandate)) === undefined;
  }

  /** Asks what an answer leaves open, then carries it out. Resolves with what that was. */
  async #finish(mandate: Mandate, errand: Errand, records: readonly SendableRecord[], reply: Reply): Promise<Settlement> {
    const { account, lease, capabilities } = mandate;
    const { ending, gate, greeter } = this.#parts;
    const [first] = records as [SendableRecord];
    const strain = this.strain(await this.#context.queue.view(account));
    let settlement = this.#departure.settle(records, reply.judgement, strain);
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
    await this.carryOut(mandate, records, settlement, reply.elapsedMs);
    return settlement;
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
