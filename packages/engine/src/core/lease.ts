import type { EpochMs } from "@guardian-sync/protocol";
import type { Fence, LockRow, MonotonicMs } from "../ports/index.ts";

/** The processing lock. Staleness is observed on one's own monotonic clock: wall clocks may jump, and steal nothing. */
export interface LeaseOptions {
  readonly heartbeatMs: number;
  readonly staleMs: number;
}
export const LEASE_DEFAULTS: LeaseOptions = { heartbeatMs: 10_000, staleMs: 120_000 };

/** The same (fence, beats) of somebody else's row, seen since this moment. */
export interface Observation {
  readonly fence: Fence;
  readonly beats: number;
  readonly since: MonotonicMs;
}

export interface LockInput {
  /** As just read; `undefined`: there is none. */
  readonly row: LockRow | undefined;
  /** What the last look saw. */
  readonly observed: Observation | undefined;
  readonly now: MonotonicMs;
  /** For display. */
  readonly wallNow: EpochMs;
  /** `leaseId`: of the lease held, or a fresh UUID to acquire with. */
  readonly self: { readonly owner: string; readonly leaseId: string };
  /** The lease that this process believes to hold. */
  readonly holding: { readonly fence: Fence; readonly leaseId: string } | undefined;
  /** Whether this process has the fast lock now. */
  readonly gotFastLock: boolean;
  readonly options: LeaseOptions;
}

export type LockDecision =
  | {
      readonly kind: "acquire";
      readonly why: "free" | "released" | "owner_dead" | "stale";
      /** For `writeLock`: somebody else may be faster. */
      readonly expected: { readonly fence: Fence; readonly beats: number } | null;
      readonly next: LockRow;
      /** Counted in `lock_takeover_total`: it was held, and not given back. */
      readonly isTakeover: boolean;
    }
  | { readonly kind: "wait"; readonly observed: Observation; readonly recheckInMs: number }
  | { readonly kind: "held" }
  /** Another holds it: stop before the next send. */
  | { readonly kind: "lost" };

export function decideLock(input: LockInput): LockDecision {
  const { row, observed, now, holding, gotFastLock, options } = input;
  if (holding !== undefined) return isOwn(row, holding) ? { kind: "held" } : { kind: "lost" };
  if (row === undefined) return acquire(input, "free");
  if (row.released) return acquire(input, "released");
  // Its owner held the fast lock, and now we do: the owner is dead.
  if (gotFastLock && row.holdsFastLock) return acquire(input, "owner_dead");
  const unchanged = observed !== undefined && observed.fence === row.fence && observed.beats === row.beats;
  const seen: Observation = unchanged ? observed : { fence: row.fence, beats: row.beats, since: now };
  const leftMs = options.staleMs - (now - seen.since);
  if (leftMs <= 0) return acquire(input, "stale");
  return { kind: "wait", observed: seen, recheckInMs: Math.min(leftMs, options.heartbeatMs) };
}

export function isOwn(row: LockRow | undefined, holding: { readonly fence: Fence; readonly leaseId: string }): boolean {
  return row !== undefined && row.fence === holding.fence && row.leaseId === holding.leaseId && !row.released;
}

function acquire({ row, self, wallNow, gotFastLock }: LockInput, why: "free" | "released" | "owner_dead" | "stale"): LockDecision {
  return {
    kind: "acquire",
    why,
    expected: row === undefined ? null : { fence: row.fence, beats: row.beats },
    next: {
      owner: self.owner,
      fence: ((row?.fence ?? 0) + 1) as Fence,
      leaseId: self.leaseId,
      acquiredAt: wallNow,
      heartbeatAt: wallNow,
      beats: 0,
      holdsFastLock: gotFastLock,
      released: false,
    },
    isTakeover: why === "owner_dead" || why === "stale",
  };
}

/** The row that the next heartbeat writes. */
export function beat(row: LockRow, wallNow: EpochMs, holdsFastLock: boolean): LockRow {
  return { ...row, heartbeatAt: wallNow, beats: row.beats + 1, holdsFastLock };
}

/** The row that gives the lock back; the fence stays for whoever is next. */
export function giveBack(row: LockRow): LockRow {
  return { ...row, beats: row.beats + 1, holdsFastLock: false, released: true };
}

/** The row that an operator's force release writes: whoever holds it is refused from here on. */
export function forceRelease(row: LockRow, wallNow: EpochMs): LockRow {
  return { ...row, fence: (row.fence + 1) as Fence, heartbeatAt: wallNow, beats: 0, holdsFastLock: false, released: true };
}

/** What a holder does, by the monotonic time of its last successful heartbeat. */
export interface HolderDuty {
  readonly beatNow: boolean;
  readonly nextBeatInMs: number;
  /** No renewal for half the stale time: start no sends, others may soon take over. */
  readonly mayStartSends: boolean;
}

export function holderDuty(renewedAt: MonotonicMs, now: MonotonicMs, { heartbeatMs, staleMs }: LeaseOptions): HolderDuty {
  const age = now - renewedAt;
  return { beatNow: age >= heartbeatMs, nextBeatInMs: Math.max(0, heartbeatMs - age), mayStartSends: age < staleMs / 2 };
}
