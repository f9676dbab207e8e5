import type { EpochMs } from "@guardian-sync/protocol";
import type { Clock, MonotonicMs } from "../ports/index.ts";

/** Longer delays overflow `setTimeout`, which then fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The clock of this process. */
export function systemClock(): Clock {
  const monotonic = (): MonotonicMs => performance.now() as MonotonicMs;
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
    defer(task) {
      setImmediate(task);
    },
  };
}
