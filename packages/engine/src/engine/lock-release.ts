import { SyncError } from "@guardian-sync/protocol";
import { forceRelease } from "../core/lease.ts";
import type { LockRow } from "../ports/index.ts";
import { type DeskContext, nowOf } from "./context.ts";

/** A holder that beats every ten seconds meets us once, not twenty times in a row. */
const MAX_MEETINGS = 20;

/** Raises the fence: whoever holds the lock is refused from here on. Resolves with the row that was there, if any. */
export async function forceReleaseLock(context: DeskContext): Promise<LockRow | undefined> {
  const { store } = context.queue.opened;
  for (let meeting = 0; meeting < MAX_MEETINGS; meeting++) {
    const row = await store.readLock();
    if (row === undefined) return undefined;
    const next = forceRelease(row, nowOf(context));
    if (!(await store.writeLock({ fence: row.fence, beats: row.beats }, next))) continue;
    context.events.emit({ type: "lock", change: "forced", fence: next.fence });
    return row;
  }
  throw new SyncError("STORAGE_UNAVAILABLE", "The lock changed hands while it was being released. Look at it again, then retry.", {
    retryable: true,
  });
}
