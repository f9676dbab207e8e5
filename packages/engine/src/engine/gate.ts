import type { EpochMs } from "@guardian-sync/protocol";
import {
  type BreakerState,
  breakerAllows,
  CLOSED_BREAKER,
  cooldownRemainingMs,
  parseBreaker,
  serialiseBreaker,
  stepBreaker,
} from "../core/breaker.ts";
import { dueTime } from "../core/backoff.ts";
import { holdRemainingMs } from "../core/rate-limit.ts";
import { longestWaitMs, type Settlement } from "../core/settlement.ts";
import type { AccountTag, MonotonicMs } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { OriginState } from "../queue/origin-state.ts";
import type { EngineContext } from "./context.ts";

export interface Closed {
  readonly reason: "offline" | "retry_after" | "breaker_open" | "backoff";
  readonly untilMs: number | null;
  readonly delayMs: number;
}
const OFFLINE_PROBE_MS = 30_000;

/** Whether a request may start now: connectivity, the origin's own wishes, the breaker, the lane's backoff. */
export class Gate {
  readonly #context: EngineContext;
  #breaker: BreakerState = CLOSED_BREAKER;
  /** What the store was last seen to say: only news is taken over. */
  #knownBreaker = "";
  /** As it is kept, in wall time; and the same moment on the clock that nobody sets, which decides in this process. */
  #holdUntil = 0;
  #holdFrom = 0;
  #holdEnds = 0 as MonotonicMs;
  /** What of it was last found in the store, or is on its way there. */
  #knownHoldUntil = 0;
  /** Heeded, and not on its way to the store. */
  #isUnsaved = false;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  get breaker(): BreakerState {
    return this.#breaker;
  }

  cooldownRemainingMs(): number {
    return cooldownRemainingMs(this.#breaker, this.#now(), this.#context.settings.breaker);
  }

  /**
   * What is left of the time that the origin asked for, as far as this process knows; undefined: nothing. The last look before a
   * request starts: the reader may have been asked since `check`.
   */
  held(): Closed | undefined {
    const leftMs = this.#holdEnds - this.#context.platform.clock.monotonic();
    return leftMs > 0 ? closed("retry_after", this.#now(), leftMs) : undefined;
  }

  /** `look`: at the account; what is kept of the origin is read meanwhile. */
  async check(look: AccountView | Promise<AccountView>): Promise<Closed | undefined> {
    const { settings, platform } = this.#context;
    const [view] = await Promise.all([look, this.#load()]);
    const now = this.#now();
    // A clock that was set back: what lies ahead begins now.
    this.#breaker = stepBreaker(this.#breaker, { type: "tick", now }, settings.breaker);
    if (platform.connectivity?.online() === false) return { reason: "offline", untilMs: null, delayMs: OFFLINE_PROBE_MS };
    const held = this.held();
    if (held !== undefined) return held;
    const breaker = breakerAllows(this.#breaker, now, settings.breaker);
    if (!breaker.allowed) return closed("breaker_open", now, breaker.retryInMs);
    const backoffMs = dueTime(view.global.dueAt, now, longestWaitMs(settings.backoff)) - now;
    return backoffMs > 0 ? closed("backoff", now, backoffMs) : undefined;
  }

  /** A request starts: behind an open breaker that has cooled down, it is the probe. */
  started(): void {
    if (this.#breaker.kind !== "closed") this.#step("probe_started");
  }

  /** At once, before anything else is read or asked: what the origin asks for holds from the moment that it is heard. `settled` writes it down. */
  heed({ wait }: Settlement): void {
    if (wait?.wholeOrigin === true) this.#isUnsaved = this.#hold(wait.delayMs) || this.#isUnsaved;
  }

  /**
   * Takes in what an answer said of the origin, durably. Carries no fence: what the origin asked for holds for every process,
   * also when the one that heard it has lost the lock.
   */
  async settled(account: AccountTag, settlement: Settlement): Promise<void> {
    const { wait } = settlement;
    const before = this.#state();
    if (settlement.breaker !== "none") this.#step(settlement.breaker);
    if (wait?.wholeOrigin === true) this.#hold(wait.delayMs);
    await this.#save(account, before);
  }

  async reset(account: AccountTag): Promise<void> {
    const before = this.#state();
    this.#step("reset");
    await this.#save(account, before);
  }

  /** false: an earlier wish lasts longer. */
  #hold(delayMs: number): boolean {
    const ends = this.#context.platform.clock.monotonic() + delayMs;
    if (ends <= this.#holdEnds) return false;
    this.#holdEnds = ends as MonotonicMs;
    this.#holdFrom = this.#now();
    this.#holdUntil = this.#holdFrom + delayMs;
    this.#knownHoldUntil = this.#holdUntil;
    return true;
  }

  async #save(account: AccountTag, before: OriginState): Promise<void> {
    const state = this.#state();
    this.#knownBreaker = state.breaker;
    if (state.breaker === before.breaker && state.holdUntil === before.holdUntil && !this.#isUnsaved) return;
    this.#isUnsaved = false;
    try {
      await this.#context.queue.change(account, undefined, (_view, change) => change.putOrigin(state));
    } catch (error) {
      // Kept in memory: the next answer tries again.
      this.#isUnsaved = true;
      throw error;
    }
  }

  #state(): OriginState {
    return {
      baseUrl: this.#context.settings.backend.baseUrl,
      breaker: serialiseBreaker(this.#breaker),
      holdUntil: this.#holdUntil,
      holdFrom: this.#holdFrom,
    };
  }

  async #load(): Promise<void> {
    const stored = await this.#context.queue.origin();
    if (stored === undefined || stored.baseUrl !== this.#context.settings.backend.baseUrl) return;
    this.#adoptHold(stored);
    // The probe of this process is under way: only its own answer decides.
    if (stored.breaker === this.#knownBreaker || this.#breaker.kind === "half_open") return;
    this.#knownBreaker = stored.breaker;
    this.#breaker = parseBreaker(stored.breaker, this.#context.settings.breaker);
  }

  /**
   * Another process heard it, or an earlier one: the wall clock is all there is to go by. An older hold does not replace one that
   * this process was asked for and could not save.
   */
  #adoptHold({ holdUntil, holdFrom }: OriginState): void {
    if (holdUntil === this.#knownHoldUntil) return;
    this.#knownHoldUntil = holdUntil;
    const leftMs = Math.min(holdRemainingMs({ until: holdUntil }, this.#now()), holdUntil - holdFrom);
    const ends = this.#context.platform.clock.monotonic() + leftMs;
    if (ends <= this.#holdEnds) return;
    this.#holdEnds = ends as MonotonicMs;
    this.#holdUntil = holdUntil;
    this.#holdFrom = holdFrom;
  }

  #step(type: "success" | "failure" | "probe_started" | "reset"): void {
    const before = this.#breaker.kind;
    this.#breaker = stepBreaker(this.#breaker, { type, now: this.#now() }, this.#context.settings.breaker);
    if (this.#breaker.kind !== before)
      this.#context.events.emit({ type: "breaker", state: this.#breaker.kind, cooldownMs: this.cooldownRemainingMs() });
  }

  #now(): EpochMs {
    return this.#context.platform.clock.now();
  }
}

function closed(reason: Closed["reason"], now: number, delayMs: number): Closed {
  return { reason, untilMs: now + delayMs, delayMs };
}
