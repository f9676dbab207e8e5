import type { EpochMs } from "@guardian-sync/protocol";
import type { Clock, MonotonicMs } from "../ports/index.ts";

/** Longer delays overflow `setTimeout`, which then fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

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
function makeDefer(): Clock["defer"] {
  let streakSince: number | undefined;
  return (task) => {
    if (streakSince === undefined) {
      streakSince = performance.now();
      setImmediate(() => {
        streakSince = undefined;
      });
    }
    if (performance.now() - streakSince < MAX_STREAK_MS) afterMicrotasks(HOPS, task);
    else setImmediate(task);
  };
}

/** The clock of this process. */
export function systemClock(): Clock {
  const monotonic = (): MonotonicMs => performance.now() as MonotonicMs;
  const defer = makeDefer();
  return {
    now: () => Date.now() as EpochMs,
    monotonic,
    schedule(delayMs, task, { keepAlive = false } = {}) {
      const dueAt = monotonic() + (delayMs > 0 ? delayMs : 0);
      let timer: NodeJS.Timeout;
      const arm = (): void => {
        // A timer may fire a fraction of a millisecond early: round up.
        const leftMs = Math.ceil(dueAt - monotonic());
        timer = setTimeout(leftMs > MAX_TIMER_MS ? arm : task, Math.min(leftMs, MAX_TIMER_MS));
        if (!keepAlive) timer.unref();
      };
      arm();
      return () => clearTimeout(timer);
    },
    defer,
  };
}
