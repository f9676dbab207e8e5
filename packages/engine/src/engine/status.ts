import type { CapabilityLevel, EpochMs } from "@guardian-sync/protocol";
import { conserved, NO_COUNTS } from "../core/conservation.ts";
import type { LockRow, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { EngineContext } from "./context.ts";
import { nowOf } from "./context.ts";
import type { ProcessingKeeper } from "./processing-keeper.ts";

export interface EngineStatus {
  readonly state: "stopped" | "idle" | "waiting" | "paused" | "sending";
  /** Why nothing goes out now; absent while something does. */
  readonly reason?: string;
  /** Epoch ms of the next try, when it is known. */
  readonly nextAttemptAt?: number;
  /** Waiting, blocked included, sealed not. */
  readonly pending: number;
  readonly sealed: number;
  /** Failed and parked. */
  readonly failed: number;
  readonly archived: number;
  readonly conflict: number;
  readonly cancelled: number;
  readonly quarantined: number;
  readonly succeeded: number;
  readonly enqueued: number;
  /** Whether the conservation law holds on these counts. It always does. */
  readonly conserved: boolean;
  /** Age of the oldest operation that still waits; null when none does. */
  readonly oldestPendingAgeMs: number | null;
  /** What the backend lets us promise; null before it was first met. */
  readonly level: CapabilityLevel | null;
  readonly lock: { readonly owner: string; readonly fence: number; readonly heartbeatAt: number; readonly mine: boolean } | null;
  readonly breaker: { readonly state: "closed" | "open" | "half_open"; readonly cooldownRemainingMs: number };
  readonly connection: "online" | "offline";
  readonly account: { readonly space: string; readonly principal: string } | null;
  readonly paused: { readonly reason: string; readonly by: string; readonly at: number } | null;
  /** How far the server's clock is ahead of this one; null while nothing was measured. Order does not depend on it. */
  readonly clockOffsetMs: number | null;
  /** The browser may delete the queue when space runs short. Never true outside browsers. */
  readonly isEvictable: boolean;
}

export async function statusOf(context: EngineContext, view: AccountView | undefined, processing: ProcessingKeeper): Promise<EngineStatus> {
  const { queue, platform } = context;
  const lock = await queue.opened.store.readLock();
  const counts = view?.row.counts ?? NO_COUNTS;
  const standstill = processing.standstill;
  const pause = view?.detail.pause;
  const state = pause !== undefined ? "paused" : (standstill?.state ?? "sending");
  const reason = pause?.reason ?? standstill?.reason;
  return {
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(standstill?.untilMs == null || pause !== undefined ? {} : { nextAttemptAt: standstill.untilMs }),
    pending: counts.pending,
    sealed: counts.sealed,
    failed: counts.failed + counts.parked,
    archived: counts.archived,
    conflict: counts.conflict,
    cancelled: counts.cancelled,
    quarantined: counts.quarantined,
    succeeded: counts.succeeded,
    enqueued: counts.enqueued,
    conserved: conserved(counts).ok,
    oldestPendingAgeMs: view === undefined ? null : await oldestPendingAgeMs(view, nowOf(context)),
    level: processing.level,
    lock: lockOf(lock, processing.holdsLock),
    breaker: processing.breaker,
    connection: platform.connectivity?.online() === false ? "offline" : "online",
    account: view === undefined ? null : { space: view.detail.space, principal: view.detail.principal },
    paused: pause ?? null,
    clockOffsetMs: view?.detail.clockOffsetMs ?? null,
    isEvictable: (await queue.opened.isEvictable?.()) ?? false,
  };
}

/** Age of the oldest operation that still waits; null when none does. */
export async function oldestPendingAgeMs(view: AccountView, now: EpochMs): Promise<number | null> {
  if (view.row.counts.pending + view.row.counts.sealed === 0) return null;
  const [kept] = await view.inPhase(["ready", "blocked", "sealed"], 0 as Seq | 0, 1);
  // Under entity ordering later ones may have overtaken the first that nobody has taken.
  const [fresh] = kept !== undefined && kept.seq < view.global.head ? [] : (await view.fresh(1)).operations;
  const first = kept !== undefined && (fresh === undefined || kept.seq < fresh.seq) ? kept : fresh;
  return first === undefined ? null : Math.max(0, now - first.content.createdAt);
}

function lockOf(row: LockRow | undefined, mine: boolean): EngineStatus["lock"] {
  return row === undefined || row.released ? null : { owner: row.owner, fence: row.fence, heartbeatAt: row.heartbeatAt, mine };
}
