import type { Clock } from "../ports/index.ts";
import { runtimeClock } from "./clock.ts";

/** The clock of this page. Background tabs are woken late, by a second to a minute: deadlines there are that much longer. */
export function browserClock(): Clock {
  return runtimeClock({ nextTurn });
}

/** A message is a turn of its own and, unlike a timer, neither clamped to 4 ms nor throttled in the background. */
function nextTurn(task: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    task();
  };
  port2.postMessage(null);
}
