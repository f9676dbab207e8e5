import type { Clock } from "../ports/index.ts";

/** Every wait has a deadline: rejects with `late()` when `work` has not settled within `ms`. The work itself is not stopped. */
export async function withDeadline<T>(clock: Clock, ms: number, work: () => Promise<T>, late: () => Error): Promise<T> {
  let cancel: () => void = () => {};
  try {
    return await Promise.race([
      work(),
      new Promise<never>((_, reject) => {
        cancel = clock.schedule(ms, () => reject(late()), { keepAlive: true });
      }),
    ]);
  } finally {
    cancel();
  }
}
