import type { EpochMs } from "@guardian-sync/protocol";
import type { AccountTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { type EngineContext, nowOf } from "./context.ts";

/** What of an account has not reached the server, by why. */
export interface Waiting {
  /** Waits its turn, or for another one. */
  readonly pending: number;
  /** May be under way. */
  readonly sealed: number;
  /** Refused. */
  readonly failed: number;
  readonly parked: number;
  readonly conflict: number;
  readonly quarantined: number;
  /** Of what is pending or sealed; null: nothing is. */
  readonly oldestPendingAgeMs: number | null;
}

export async function waitingOf(context: EngineContext, account: AccountTag): Promise<Waiting> {
  await context.queue.appender.settle();
  const view = await context.queue.view(account);
  const { pending, sealed, failed, parked, conflict, quarantined } = view.row.counts;
  return { pending, sealed, failed, parked, conflict, quarantined, oldestPendingAgeMs: await oldestPendingAgeMs(view, nowOf(context)) };
}

/** Age of the oldest operation that still waits; null when none does. */
export async function oldestPendingAgeMs(view: AccountView, now: EpochMs): Promise<number | null> {
  if (view.row.counts.pending + view.row.counts.sealed === 0) return null;
  const [kept] = await view.inPhase(["ready", "blocked", "sealed"], 0 as Seq | 0, 1);
  // What was put in order ahead of its turn stands behind others.
  const [fresh] = kept !== undefined && kept.seq < view.global.head ? [] : await view.fresh(1);
  const first = kept === undefined || (fresh !== undefined && fresh.seq < kept.seq) ? fresh : kept;
  return first === undefined ? null : Math.max(0, now - first.content.createdAt);
}
