import type { HttpRequest } from "../ports/index.ts";

/** Longer delays overflow `setTimeout`, which then fires at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

export interface Deadline {
  readonly signal: AbortSignal;
  /** Rejects with the signal, and settles in no other way. */
  readonly over: Promise<never>;
  /** Who ended the exchange: its time, or somebody else. */
  ended(): "timeout" | "abort" | undefined;
  clear(): void;
}

/** Aborts after `timeoutMs`, or as soon as one of `signals` does. Until `clear` it holds a timer and listeners. */
export function startDeadline(timeoutMs: number, signals: readonly HttpRequest["signal"][]): Deadline {
  const controller = new AbortController();
  let reason: "timeout" | "abort" | undefined;
  const end = (why: "timeout" | "abort") => (): void => {
    reason ??= why;
    controller.abort();
  };
  const timer = setTimeout(end("timeout"), Math.min(timeoutMs, MAX_TIMER_MS));
  const onAbort = end("abort");
  for (const from of signals) {
    if (from?.aborted === true) onAbort();
    else from?.addEventListener("abort", onAbort, { once: true });
  }
  const { signal } = controller;
  const over = new Promise<never>((_resolve, reject) => {
    const onOver = (): void => reject(new Error("the exchange was ended"));
    if (signal.aborted) onOver();
    else signal.addEventListener("abort", onOver, { once: true });
  });
  // Not everybody waits for it.
  over.catch(() => {});
  return {
    signal,
    over,
    ended: () => reason,
    clear() {
      clearTimeout(timer);
      for (const from of signals) from?.removeEventListener("abort", onAbort);
    },
  };
}
