import type { LockRow, QueueStatus } from "guardian-sync/operator";
import { expect, test } from "vitest";
import { problemsOf } from "./health.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const counts = {
  enqueued: 0,
  pending: 0,
  sealed: 0,
  succeeded: 0,
  failed: 0,
  parked: 0,
  archived: 0,
  conflict: 0,
  cancelled: 0,
  quarantined: 0,
};
const status = (more: Partial<QueueStatus> = {}, some: Partial<QueueStatus["counts"]> = {}): QueueStatus => ({
  account: { space: "home", principal: "ada" },
  counts: { ...counts, ...some },
  conserved: true,
  oldestPendingAgeMs: null,
  paused: null,
  breaker: { state: "closed", cooldownRemainingMs: 0 },
  nextAttemptAt: null,
  ...more,
});
const lock = (ageMs: number, released = false): LockRow =>
  ({ owner: "pc:1", fence: 3, leaseId: "l", acquiredAt: 0, heartbeatAt: NOW - ageMs, beats: 1, holdsFastLock: true, released }) as LockRow;
const codes = (given: QueueStatus, row?: LockRow): readonly string[] =>
  problemsOf(given, row, NOW).map(({ severity, code }) => `${severity} ${code}`);

test("an empty queue, and one that is being worked on, have no problem", () => {
  expect(codes(status())).toEqual([]);
  expect(codes(status({ oldestPendingAgeMs: 5000 }, { pending: 5000 }), lock(3000))).toEqual([]);
});

test("a pause, a breaker, a silent holder and an old queue are alarms, one at a time", () => {
  const old = { oldestPendingAgeMs: 16 * MINUTE };
  expect(codes(status({ paused: { reason: "r", by: "eve", at: NOW - MINUTE } }))).toEqual(["alarm paused"]);
  expect(codes(status({ breaker: { state: "open", cooldownRemainingMs: 30_000 } }, { pending: 1 }), lock(100))).toEqual([
    "alarm breaker_open",
  ]);
  expect(codes(status({ breaker: { state: "open", cooldownRemainingMs: 30_000 } }))).toEqual([]);
  expect(codes(status(old, { pending: 1 }), lock(11 * MINUTE))).toEqual(["alarm lock_stuck"]);
  expect(codes(status(old, { pending: 1 }), lock(11 * MINUTE, true))).toEqual(["alarm no_progress"]);
  expect(codes(status(old, { sealed: 1 }))).toEqual(["alarm no_progress"]);
  expect(codes(status({ oldestPendingAgeMs: 61 * MINUTE }, { pending: 1001 }), lock(1000))).toEqual(["alarm no_progress", "alarm backlog"]);
});

test("lost counts and unreadable operations are alarms; what waits for a person is a notice", () => {
  expect(codes(status({ conserved: false }, { quarantined: 2 }))).toEqual(["alarm not_conserved", "alarm quarantined"]);
  expect(codes(status({}, { failed: 1, parked: 2, conflict: 1, archived: 9 }))).toEqual(["notice failed", "notice conflict"]);
  expect(problemsOf(status({}, { failed: 1 }), undefined, NOW)[0]?.message).toContain("1 operation failed");
});
