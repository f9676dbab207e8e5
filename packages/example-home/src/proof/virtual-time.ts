import type { SyncEngine } from "guardian-sync";
import type { VirtualClock } from "guardian-sync/testing";
import { pause } from "./report.ts";

/** Moves virtual time on whenever the engine waits for it, and lets real requests take the real time that they need. */
export class Driver {
  readonly #clock: VirtualClock;
  readonly #engine: () => SyncEngine | undefined;
  readonly #driving: Promise<void>;
  #mode: "leap" | "still" | "stopped" = "leap";

  /** `engine`: the one to drive at the moment, if any. */
  constructor(clock: VirtualClock, engine: () => SyncEngine | undefined) {
    this.#clock = clock;
    this.#engine = engine;
    this.#driving = this.#drive();
  }

  /** From now on time moves only by `advance`; what is due at this moment still runs. */
  hold(): void {
    this.#mode = "still";
  }
  /** Time leaps again to whatever the engine waits for. */
  leap(): void {
    this.#mode = "leap";
  }
  async close(): Promise<void> {
    this.#mode = "stopped";
    await this.#driving;
  }

  async #drive(): Promise<void> {
    while (this.#mode !== "stopped") {
      await this.#clock.advance(this.#mode === "leap" ? await this.#waitMs() : 0);
      await pause(0);
    }
  }

  async #waitMs(): Promise<number> {
    const engine = this.#engine();
    if (engine === undefined) return 0;
    const { state, nextAttemptAt } = await engine.status();
    return state === "waiting" ? Math.max(1, (nextAttemptAt ?? this.#clock.now() + 1000) - this.#clock.now()) : 0;
  }
}
