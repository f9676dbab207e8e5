import type { Timeline } from "./virtual-clock.ts";

/** Where in a port call the process dies: before its effect, or after it, before the caller hears of it. */
export type CrashSide = "before" | "after";

/**
 * The door between the world and one generation of a process. Everything that reaches the process comes through it as an event of
 * the timeline: answers of its store and network, timers, what its user does. A dead process hears nothing any more; a frozen one
 * hears everything at once when it thaws.
 */
export class ProcessGate {
  readonly #timeline: Timeline;
  readonly #onCrash: (point: string, side: CrashSide) => void;
  readonly #timers = new Set<() => void>();
  readonly #atDeath: (() => void)[] = [];
  #state: "running" | "frozen" | "dead" = "running";
  #held: (() => void)[] = [];
  #waiting = 0;
  #crash: { countdown: number; readonly side: CrashSide; readonly at: string } | null = null;

  constructor(timeline: Timeline, onCrash: (point: string, side: CrashSide) => void) {
    this.#timeline = timeline;
    this.#onCrash = onCrash;
  }

  /** Events that have not come yet: timers above all. */
  get waiting(): number {
    return this.#waiting;
  }
  get isDead(): boolean {
    return this.#state === "dead";
  }
  get isFrozen(): boolean {
    return this.#state === "frozen";
  }

  /** The process dies at the `countdown`-th event from now whose point begins with `at`. */
  armCrash(countdown: number, side: CrashSide, at = ""): void {
    this.#crash = { countdown, side, at };
  }
  disarm(): void {
    this.#crash = null;
  }
  kill(): void {
    this.#state = "dead";
    this.#held = [];
    for (const cancel of Array.from(this.#timers)) cancel();
    for (const task of this.#atDeath.splice(0)) task();
  }
  /** What its operating system does for it once it is dead. */
  atDeath(task: () => void): void {
    this.#atDeath.push(task);
  }
  freeze(): void {
    if (this.#state === "running") this.#state = "frozen";
  }
  /** What was held comes now, each in a turn of its own, in order. */
  thaw(): void {
    if (this.#state !== "frozen") return;
    this.#state = "running";
    for (const enter of this.#held.splice(0)) this.#timeline.after(0, enter);
  }

  /** Calls `task` in `delayMs`, if the process lives then. Returns the cancellation. */
  event(point: string, delayMs: number, task: () => void): () => void {
    let isWaiting = true;
    this.#waiting += 1;
    const end = (): void => {
      if (isWaiting) this.#waiting -= 1;
      isWaiting = false;
      this.#timers.delete(cancel);
    };
    const enter = (): void => {
      if (!isWaiting || this.#state === "dead") return;
      if (this.#state === "frozen") {
        this.#held.push(enter);
        return;
      }
      end();
      const side = this.#countDown(point);
      if (side === null) task();
      else this.#die(point, side);
    };
    const leaveTimeline = this.#timeline.after(delayMs, enter);
    const cancel = (): void => {
      end();
      leaveTimeline();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  /** A call out of the process: `effect` happens in `delayMs`; its result comes back `backMs` later, or in the same moment for 0. */
  call<T>(point: string, delayMs: number, backMs: number, effect: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        if (this.#state === "dead") return;
        if (this.#state === "frozen") {
          this.#held.push(enter);
          return;
        }
        const side = this.#countDown(point);
        if (side === "before") {
          this.#die(point, side);
          return;
        }
        const back = (tell: () => void): void => {
          if (side === "after") this.#die(point, side);
          else if (backMs === 0) tell();
          else this.event(`${point} answer`, backMs, tell);
        };
        effect().then(
          (value) => back(() => resolve(value)),
          (error: unknown) => back(() => reject(error)),
        );
      };
      this.#timeline.after(delayMs, enter);
    });
  }

  /** Counts one event: whether it is the armed one. */
  #countDown(point: string): CrashSide | null {
    const crash = this.#crash;
    if (crash === null || !point.startsWith(crash.at) || --crash.countdown > 0) return null;
    this.#crash = null;
    return crash.side;
  }

  #die(point: string, side: CrashSide): void {
    this.kill();
    this.#onCrash(point, side);
  }
}
