import type { BatchLimits } from "../core/batch-limits.ts";
import type { Capabilities } from "../core/handshake.ts";
import { type InLanes, nextInLanes } from "../core/lanes.ts";
import { isLocal, longestWaitMs, type Settlement } from "../core/settlement.ts";
import type { Seq } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import { isNumbered, isSendable, type QueuedOperation, type SendableRecord } from "../queue/records.ts";
import { quarantineSealed } from "./aside.ts";
import type { EngineContext } from "./context.ts";
import { type Departure, type Mandate, NO_STRAIN, type Reply, type SenderParts } from "./departure.ts";
import { ofSurvivors, survivorsOf } from "./in-lanes.ts";
import { type Lookahead, type Seen, waitingOf } from "./lookahead.ts";
import type { Errand } from "./origin.ts";
import { asMuchAsGoes, firstUnit, hardLimits } from "./request-units.ts";
import { sealInLanes } from "./sealer.ts";
import { type Turn, waiting } from "./turn.ts";

/** What flights share with whoever else sends: batch size, brake, and what an answer does. */
export interface FlightDeck {
  readonly lookahead: Lookahead;
  readonly limits: (capabilities: Capabilities) => BatchLimits;
  /** Nothing was refused since the last success. */
  readonly isProven: () => boolean;
  /** Asks what has to be asked before it, or its group, goes again; true: it was asked about, and what came of it is written down. */
  readonly ask: (mandate: Mandate, errand: Errand, unit: readonly SendableRecord[], view: AccountView) => Promise<boolean>;
  readonly onSealed: (count: number) => void;
  /** Asks what an answer leaves open, and carries it out. */
  readonly finish: (mandate: Mandate, errand: Errand, records: readonly SendableRecord[], reply: Reply) => Promise<Settlement>;
  /** Only what became of the operations: who waits because of something else goes on waiting. */
  readonly carryOutBehindTrouble: (
    mandate: Mandate,
    records: readonly SendableRecord[],
    settlement: Settlement,
    reply: Reply,
  ) => Promise<void>;
}

interface Flight {
  readonly records: readonly SendableRecord[];
  readonly landed: Promise<Landing>;
}
type Landing = { readonly flight: Flight } & ({ readonly reply: Reply } | { readonly error: unknown });
type Leftover = Seen & { readonly operation: QueuedOperation };
type TakeOff =
  /** Look at once for the next one. */
  | { readonly kind: "more" }
  /** Nothing may go now; epoch ms of the time from which something may. */
  | { readonly kind: "none"; readonly until?: number | undefined; readonly reason?: string }
  /** Nothing more starts before a turn has looked at everything else. */
  | { readonly kind: "stop" };

/** Then nothing more starts until all have landed: the loop looks at everything else again. */
const FLIGHTS_MS = 60_000;

/**
 * Requests of one turn under entity ordering: several at once, none of which shares a lane with another. Who lands first is written
 * down first, and the next one starts. After an answer that is about more than its own operations nothing starts before all have landed.
 */
export class Flights {
  readonly #context: EngineContext;
  readonly #parts: SenderParts;
  readonly #departure: Departure;
  readonly #deck: FlightDeck;
  readonly #mandate: Mandate;
  readonly #errand: Errand;
  readonly #air = new Set<Flight>();
  /** Sealed, and not in the air. Undefined: to be read. */
  #leftovers: readonly Leftover[] | undefined;
  #hasStopped = false;
  #hasTrouble = false;
  #hasFlown = false;
  #fault: { readonly error: unknown } | undefined;
  #isNudged = false;
  #wake: (() => void) | undefined;

  constructor(
    context: EngineContext,
    parts: SenderParts,
    departure: Departure,
    deck: FlightDeck,
    { mandate, errand }: { readonly mandate: Mandate; readonly errand: Errand },
  ) {
    this.#context = context;
    this.#parts = parts;
    this.#departure = departure;
    this.#deck = deck;
    this.#mandate = mandate;
    this.#errand = errand;
  }

  /** There may be something that can start. */
  nudge(): void {
    this.#isNudged = true;
    this.#wake?.();
  }

  async fly(): Promise<Turn | { readonly kind: "blocked" }> {
    const { clock } = this.#context.platform;
    const endsAt = clock.monotonic() + FLIGHTS_MS;
    for (;;) {
      this.#isNudged = false;
      let last: TakeOff = { kind: "more" };
      while (!this.#hasStopped && last.kind === "more" && this.#air.size < this.#capacity) last = await this.#tryTakeOff();
      if (last.kind === "stop" || clock.monotonic() > endsAt) this.#hasStopped = true;
      if (this.#air.size === 0) return this.#end(last);
      const landing = await this.#next(last.kind === "none" ? last.until : undefined);
      if (landing !== undefined) await this.#land(landing);
    }
  }

  #end(last: TakeOff): Turn | { readonly kind: "blocked" } {
    if (this.#fault !== undefined) throw this.#fault.error;
    if (this.#hasStopped || this.#hasFlown || last.kind !== "none") return { kind: "again" };
    if (last.until === undefined) return { kind: "blocked" };
    const now = this.#context.platform.clock.now();
    return waiting(last.reason ?? "backoff", Math.max(1, last.until - now), now);
  }

  /** Behind a breaker that is not closed there is one probe; after a refusal, as few operations as one request at a time would cost. */
  get #capacity(): number {
    return this.#parts.gate.breaker.kind === "closed" && this.#deck.isProven() ? this.#context.settings.concurrency : 1;
  }

  /** The next one that lands; undefined: it is time to look whether another can start. */
  async #next(until: number | undefined): Promise<Landing | undefined> {
    const { clock } = this.#context.platform;
    let cancel: (() => void) | undefined;
    const call = new Promise<undefined>((resolve) => {
      this.#wake = () => resolve(undefined);
      // Who has landed comes first all the same.
      if (this.#isNudged && !this.#hasStopped) resolve(undefined);
      if (until !== undefined) cancel = clock.schedule(Math.max(1, until - clock.now()), () => resolve(undefined));
    });
    try {
      return await Promise.race([...Array.from(this.#air, ({ landed }) => landed), call]);
    } finally {
      this.#wake = undefined;
      cancel?.();
    }
  }

  /** What fails now fails again in the next turn, which says so; what is in the air is written down first. */
  async #tryTakeOff(): Promise<TakeOff> {
    try {
      return await this.#takeOff();
    } catch (error) {
      this.#fault ??= { error };
      return { kind: "stop" };
    }
  }

  async #takeOff(): Promise<TakeOff> {
    const { sessions, gate, isStopping } = this.#parts;
    const { account, lease, capabilities, session } = this.#mandate;
    const current = await sessions.current();
    if (isStopping() || current === null || current.token !== session.token) return { kind: "stop" };
    const look = this.#context.queue.view(account);
    const [view, closed] = await Promise.all([look, gate.check(look)]);
    if (closed !== undefined || view.detail.pause !== undefined) return { kind: "stop" };
    const inAir = Array.from(this.#air).flatMap(({ records }) => records.map(({ operation }) => operation));
    const leftovers = await this.#sealedBefore(view, inAir);
    // Of another ordering: they go first, in order.
    if (leftovers.some(isNumbered)) return { kind: "stop" };

    const limits = this.#deck.limits(capabilities);
    const now = this.#context.platform.clock.now();
    const { picked, waitUntil } = nextInLanes({
      waiting: leftovers,
      busy: inAir.map(waitingOf),
      now,
      longestMs: longestWaitMs(this.#context.settings.backoff),
      limit: limits.maxOperations,
    });
    if (picked.length > 0)
      return this.#sendAgain(
        view,
        picked.map(({ operation }) => operation),
        limits,
      );

    const maxOperations = Math.min(limits.maxOperations, MAX_SEALED - view.row.counts.sealed);
    if (maxOperations <= 0) return { kind: "none", until: waitUntil };
    const { lookahead } = this.#deck;
    const requests = this.#capacity - this.#air.size;
    const busy: readonly InLanes[] = [...inAir.map(waitingOf), ...leftovers];
    const hard = hardLimits(this.#context, capabilities);
    const sealing = await sealInLanes(
      this.#context,
      { account, lease, capabilities, ...limits, maxOperations, hard },
      { lookahead, busy, requests },
    );
    if (sealing.kind === "moved") return { kind: "more" };
    if (sealing.kind !== "sealed") {
      const untils = [waitUntil, sealing.kind === "wait" ? sealing.until : undefined].filter((until) => until !== undefined);
      return { kind: "none", until: untils.length === 0 ? undefined : Math.min(...untils) };
    }
    this.#deck.onSealed(sealing.left);
    return this.#start(sealing.records);
  }

  async #sealedBefore(view: AccountView, inAir: readonly QueuedOperation[]): Promise<readonly Leftover[]> {
    const known = this.#leftovers;
    if (known !== undefined && view.row.counts.sealed === known.length + inAir.length) return known;
    const away = new Set<Seq>(inAir.map(({ seq }) => seq));
    const sealed = view.row.counts.sealed === away.size ? [] : await view.inPhase(["sealed"], 0, MAX_SEALED);
    const left = sealed.filter(({ seq }) => !away.has(seq)).map((operation) => ({ ...waitingOf(operation), operation }));
    this.#leftovers = ofSurvivors(left, await survivorsOf(view, left, sealed.map(waitingOf)));
    return this.#leftovers;
  }

  async #sendAgain(view: AccountView, operations: readonly QueuedOperation[], limits: BatchLimits): Promise<TakeOff> {
    const { account, lease } = this.#mandate;
    this.#leftovers = undefined;
    const still = (await view.bySeq(operations.map(({ seq }) => seq))).filter(({ phase }) => phase === "sealed");
    const sealed = await view.withTexts(still);
    const damaged = sealed.filter((one) => !isSendable(one)).map(({ operation }) => operation);
    if (damaged.length > 0) {
      await quarantineSealed(this.#context, account, lease, damaged);
      return { kind: "more" };
    }
    const hard = hardLimits(this.#context, this.#mandate.capabilities);
    const records = withoutFailed(asMuchAsGoes(sealed.filter(isSendable), limits, hard));
    for (let rest = records; rest.length > 0; ) {
      const unit = firstUnit(rest);
      if (await this.#deck.ask(this.#mandate, this.#errand, unit, view)) return { kind: "stop" };
      rest = rest.slice(unit.length);
    }
    return records.length === 0 ? { kind: "more" } : this.#start(records);
  }

  async #start(records: readonly SendableRecord[]): Promise<TakeOff> {
    const refused = await this.#departure.mayStart(this.#mandate);
    if (refused?.kind === "rest" && refused.reason === "rate_limit" && refused.untilMs !== null)
      return { kind: "none", until: refused.untilMs, reason: refused.reason };
    if (refused !== undefined) return { kind: "stop" };
    const request = this.#departure.request(this.#errand, records);
    const flight: Flight = {
      records,
      landed: request.then(
        (reply) => ({ flight, reply }),
        (error: unknown) => ({ flight, error }),
      ),
    };
    this.#air.add(flight);
    this.#hasFlown = true;
    return { kind: "more" };
  }

  async #land(landing: Landing): Promise<void> {
    const { flight } = landing;
    this.#air.delete(flight);
    try {
      if ("error" in landing) throw landing.error;
      await this.#writeDown(flight.records, landing.reply);
    } catch (error) {
      this.#fault ??= { error };
      this.#hasStopped = true;
    }
  }

  async #writeDown(records: readonly SendableRecord[], reply: Reply): Promise<void> {
    if (this.#fault === undefined && !this.#hasTrouble) {
      const done = await this.#deck.finish(this.#mandate, this.#errand, records, reply);
      if (done.moves.length < records.length) this.#leftovers = undefined;
      if (!isLocal(done)) this.#hasStopped = this.#hasTrouble = true;
      return;
    }
    this.#leftovers = undefined;
    const settlement = this.#departure.settle(records, reply.judgement, NO_STRAIN);
    const isPlain = isLocal(settlement) && !settlement.moves.some(({ verdict }) => verdict.event === "conflict");
    if (this.#fault === undefined && isPlain) {
      await this.#deck.carryOutBehindTrouble(this.#mandate, records, settlement, reply);
      return;
    }
    // Its answer comes a second time, because the operations are still sealed; what the origin asks for holds at once. A disk that
    // fails twice is reported once.
    await this.#parts.gate.settled(this.#mandate.account, settlement).catch(() => undefined);
  }
}

/** What did not go with others goes alone, a group as a whole. */
function withoutFailed(records: readonly SendableRecord[]): readonly SendableRecord[] {
  const failedAt = records.findIndex(({ operation }) => (operation.row?.backoffMs ?? 0) > 0);
  if (failedAt < 0) return records;
  const first = firstUnit(records);
  const { groupId } = (records[failedAt] as SendableRecord).operation.content;
  const unitAt = groupId === undefined ? failedAt : records.findIndex(({ operation }) => operation.content.groupId === groupId);
  return unitAt < first.length ? first : records.slice(0, unitAt);
}
