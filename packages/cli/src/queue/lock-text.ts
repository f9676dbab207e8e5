import type { LockRow } from "guardian-sync/operator";
import { formatDuration } from "../output/duration.ts";
import { visible } from "../output/visible.ts";

/** For machines: snake_case, times in ISO 8601. */
export function lockJson(lock: LockRow | undefined, now: number): object {
  if (lock === undefined) return { held: false };
  return {
    held: !lock.released,
    owner: lock.owner,
    fence: lock.fence,
    lease_id: lock.leaseId,
    acquired_at: new Date(lock.acquiredAt).toISOString(),
    heartbeat_at: new Date(lock.heartbeatAt).toISOString(),
    heartbeat_age_ms: Math.max(0, now - lock.heartbeatAt),
    holds_fast_lock: lock.holdsFastLock,
  };
}

/** One line for people. */
export function lockLine(lock: LockRow | undefined, now: number): string {
  if (lock === undefined) return "free; nobody ever held it";
  if (lock.released) return `free; last held by ${visible(lock.owner)}, fence ${lock.fence}`;
  return `held by ${visible(lock.owner)}, fence ${lock.fence}, last heartbeat ${formatDuration(now - lock.heartbeatAt)} ago`;
}
