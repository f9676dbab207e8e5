import type { Clock } from "../ports/index.ts";
import { runtimeClock } from "./clock.ts";

/** The clock of this process. */
export function systemClock(): Clock {
  return runtimeClock({ nextTurn: (task) => void setImmediate(task), letGo: (timer) => timer.unref() });
}
