import type { Clock } from "../ports/index.ts";
import { runtimeClock } from "./clock.ts";

/** The clock of this page. Background tabs are woken late, by a second to a minute: deadlines there are that much longer. */
export function browserClock(): Clock {
  const nextTurn = messageTurns();
  const clock = runtimeClock({ nextTurn });
  return {
    ...clock,
    schedule(delayMs, task, options) {
      if (delayMs > 0) return clock.schedule(delayMs, task, options);
      let isCancelled = false;
      nextTurn(() => {
        if (!isCancelled) task();
      });
      return () => {
        isCancelled = true;
      };
    },
  };
}

/** Node has ports, too, and there one that is listened to keeps the process alive. */
interface Port extends MessagePort {
  unref?(): void;
}

/**
 * A message is a turn of its own and, unlike a timer, neither clamped to 4 ms nor throttled in the background. One channel serves all:
 * making one costs more than all else that a stored operation needs of this thread but its transaction.
 */
function messageTurns(): (task: () => void) => void {
  const tasks: (() => void)[] = [];
  let out: MessagePort | undefined;
  return (task) => {
    if (out === undefined) {
      const { port1, port2 }: { readonly port1: Port; readonly port2: MessagePort } = new MessageChannel();
      port1.onmessage = () => tasks.shift()?.();
      port1.unref?.();
      out = port2;
    }
    tasks.push(task);
    out.postMessage(null);
  };
}
