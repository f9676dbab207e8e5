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
import { holdOrigin, holdRemainingMs } from "../core/rate-limit.ts";
import type { Settlement } from "../core/settlement.ts";
import type { AccountDetail } from "../format/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { EngineContext } from "./context.ts";

export interface Closed {
  readonly reason: "offline" | "retry_after" | "breaker_open" | "backoff";
  readonly untilMs: number | null;
  readonly delayMs: number;
}
/** What of the gate is kept with the account: it outlives the process. */
export interface GateState {
  readonly breaker: string;
  readonly holdUntil: number;
}

const OFFLINE_PROBE_MS = 30_000;

/** Whether a request may start now: connectivity, the origin's own wishes, the breaker, the lane's backoff. */
export class Gate {
  readonly #context: EngineContext;
  #breaker: BreakerState = CLOSED_BREAKER;
  #holdUntil = 0;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  get breaker(): BreakerState {
    return this.#breaker;
  }

  cooldownRemainingMs(): number {
    return cooldownRemainingMs(this.#breaker, this.#now(), this.#context.settings.breaker);
  }

  check(view: AccountView): Closed | undefined {
    const { settings, platform } = this.#context;
    this.#load(view.detail);
    const now = this.#now();
    if (platform.connectivity?.online() === false) return { reason: "offline", untilMs: null, delayMs: OFFLINE_PROBE_MS };
    const holdMs = holdRemainingMs({ until: this.#holdUntil }, now);
    if (holdMs > 0) return closed("retry_after", now, holdMs);
    const breaker = breakerAllows(this.#breaker, now, settings.breaker);
    if (!breaker.allowed) return closed("breaker_open", now, breaker.retryInMs);
    // A clock that was set back must not stretch a delay of seconds into hours.
    const backoffMs = Math.min(view.global.dueAt - now, settings.backoff.maxDelayMs);
    return backoffMs > 0 ? closed("backoff", now, backoffMs) : undefined;
  }

  /** A request starts: behind an open breaker that has cooled down, it is the probe. */
  started(): void {
    if (this.#breaker.kind !== "closed") this.#step("probe_started");
  }

  /** Takes in what an answer said; returns what is to be kept. */
  settled(settlement: Settlement): GateState {
    if (settlement.breaker !== "none") this.#step(settlement.breaker);
    const { wait } = settlement;
    if (wait?.wholeOrigin === true) this.#holdUntil = holdOrigin({ until: this.#holdUntil }, this.#now(), wait.delayMs).until;
    return { breaker: serialiseBreaker(this.#breaker), holdUntil: this.#holdUntil };
  }

  reset(): GateState {
    this.#step("reset");
    return { breaker: serialiseBreaker(this.#breaker), holdUntil: this.#holdUntil };
  }

  #load(detail: AccountDetail): void {
    if (this.#breaker.kind === "half_open") return;
    this.#breaker = parseBreaker(detail.breaker, this.#context.settings.breaker);
    this.#holdUntil = detail.holdUntil ?? 0;
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
