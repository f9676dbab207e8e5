import type { EpochMs } from "@guardian-sync/protocol";
import type { Clock, MonotonicMs } from "../ports/index.ts";
import { MAX_TIMER_MS } from "./deadline.ts";

/** What runtimes have under different names. */
export interface Turns {
  /** Runs `task` in a later turn of the event loop, after timers and sockets have had theirs. */
  readonly nextTurn: (task: () => void) => void;
  /** Lets a process end although this timer waits. */
  readonly letGo?: (timer: ReturnType<typeof setTimeout>) => void;
}

/** Callers that wake together may be a few awaits apart. */
const HOPS = 8;

function afterMicrotasks(hops: number, task: () => void): void {
  queueMicrotask(hops === 0 ? task : () => afterMicrotasks(hops - 1, task));
}

/** How long promises may go on before timers and sockets get their turn. */
const MAX_STREAK_MS = 5;

/**
 * After whatever is ready: at the end of the microtasks, where all callers of this turn have had their say, and without a turn of
 * the event loop, which costs a single caller as much as a tenth of its fsync. A streak of such turns ends after 5 ms: a loop that
 * awaits one write after the other must not keep timers and sockets waiting.
 */
function makeDefer(nextTurn: Turns["nextTurn"]): Clock["defer"] {
  let streakSince: number | undefined;
  return (task) => {
    if (streakSince === undefined) {
      streakSince = performance.now();
      nextTurn(() => {
        streakSince = undefined;
      });
    }
    if (performance.now() - streakSince < MAX_STREAK_MS) afterMicrotasks(HOPS, task);
    else nextTurn(task);
  };
}

/** The clock of this process or page: the runtime's own, with timers of any length. */
export function runtimeClock({ nextTurn, letGo }: Turns): Clock {
  const monotonic = (): MonotonicMs => performance.now() as MonotonicMs;
  return {
    now: () => Date.now() as EpochMs,
    monotonic,
    schedule(delayMs, task, { keepAlive = false } = {}) {
      const dueAt = monotonic() + (delayMs > 0 ? delayMs : 0);
      let timer: ReturnType<typeof setTimeout>;
      const arm = (): void => {
        // A timer may fire a fraction of a millisecond early: round up.
        const leftMs = Math.ceil(dueAt - monotonic());
        timer = setTimeout(leftMs > MAX_TIMER_MS ? arm : task, Math.min(leftMs, MAX_TIMER_MS));
        if (!keepAlive) letGo?.(timer);
      };
      arm();
      return () => clearTimeout(timer);
    },
    defer: makeDefer(nextTurn),
  };
}
