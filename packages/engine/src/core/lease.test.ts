import type { EpochMs } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Fence, LockRow, MonotonicMs } from "../ports/index.ts";
import {
  beat,
  decideLock,
  forceRelease,
  giveBack,
  holderDuty,
  LEASE_DEFAULTS,
  type LockDecision,
  type LockInput,
  type Observation,
} from "./lease.ts";

const mono = (ms: number): MonotonicMs => ms as MonotonicMs;
const wall = (ms: number): EpochMs => ms as EpochMs;
const fence = (value: number): Fence => value as Fence;
const row: LockRow = {
  owner: "a",
  fence: fence(3),
  leaseId: "lease-a",
  acquiredAt: 1,
  heartbeatAt: 1,
  beats: 5,
  holdsFastLock: false,
  released: false,
};
const input = (more: Partial<LockInput> = {}): LockInput => ({
  row,
  observed: undefined,
  now: mono(1000),
  wallNow: wall(99),
  self: { owner: "b", leaseId: "lease-b" },
  holding: undefined,
  gotFastLock: false,
  options: LEASE_DEFAULTS,
  ...more,
});
const acquired = (decision: LockDecision): Extract<LockDecision, { kind: "acquire" }> => {
  if (decision.kind !== "acquire") throw new Error(decision.kind);
  return decision;
};

describe("the lock", () => {
  test("L1 without a row, or given back, it is free", () => {
    expect(decideLock(input({ row: undefined, gotFastLock: true }))).toEqual({
      kind: "acquire",
      why: "free",
      expected: null,
      next: { owner: "b", fence: 1, leaseId: "lease-b", acquiredAt: 99, heartbeatAt: 99, beats: 0, holdsFastLock: true, released: false },
      isTakeover: false,
    });
    expect(decideLock(input({ row: giveBack(row) }))).toMatchObject({
      why: "released",
      isTakeover: false,
      expected: { fence: 3, beats: 6 },
      next: { fence: 4 },
    });
  });
  test("L1 somebody else's lock is watched for 2 minutes of one's own monotonic clock", () => {
    const first = decideLock(input());
    expect(first).toEqual({ kind: "wait", observed: { fence: 3, beats: 5, since: 1000 }, recheckInMs: 10_000 });
    const observed = first.kind === "wait" ? first.observed : undefined;
    expect(decideLock(input({ observed, now: mono(120_999) }))).toMatchObject({ kind: "wait", recheckInMs: 1 });
    expect(decideLock(input({ observed, now: mono(121_000) }))).toMatchObject({
      kind: "acquire",
      why: "stale",
      isTakeover: true,
      next: { fence: 4 },
    });
  });
  test("L1 each heartbeat, and each new fence, starts the watch anew", () => {
    const observed: Observation = { fence: fence(3), beats: 5, since: mono(0) };
    expect(decideLock(input({ observed, row: { ...row, beats: 6 }, now: mono(200_000) }))).toMatchObject({
      kind: "wait",
      observed: { since: 200_000 },
    });
    expect(decideLock(input({ observed, row: { ...row, fence: fence(4) }, now: mono(200_000) }))).toMatchObject({ kind: "wait" });
  });
  test("L1 a wall clock that jumps by hours steals nothing", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer({ min: 0, max: 119_999 }), (wallNow, heartbeatAt, waited) => {
        const observed: Observation = { fence: fence(3), beats: 5, since: mono(1000) };
        const decision = decideLock(input({ observed, row: { ...row, heartbeatAt }, now: mono(1000 + waited), wallNow: wall(wallNow) }));
        expect(decision.kind).toBe("wait");
      }),
    );
  });
  test("L1 the fast lock proves the owner dead only if the owner held it", () => {
    expect(decideLock(input({ gotFastLock: true })).kind).toBe("wait");
    const dead = acquired(decideLock(input({ gotFastLock: true, row: { ...row, holdsFastLock: true } })));
    expect(dead).toMatchObject({ why: "owner_dead", isTakeover: true, next: { fence: 4, holdsFastLock: true } });
  });
  test("L1 every acquisition raises the fence and expects the row it saw", () => {
    const cases: Partial<LockInput>[] = [
      { row: giveBack(row) },
      { row: { ...row, holdsFastLock: true }, gotFastLock: true },
      { observed: { fence: fence(3), beats: 5, since: mono(0) }, now: mono(500_000) },
    ];
    for (const one of cases) {
      const before = one.row ?? row;
      const { next, expected } = acquired(decideLock(input(one)));
      expect(next.fence).toBe(before.fence + 1);
      expect(expected).toEqual({ fence: before.fence, beats: before.beats });
      expect(next.released).toBe(false);
    }
  });

  const holding = { fence: fence(3), leaseId: "lease-a" };
  test("L2 a holder finds that it holds", () => {
    expect(decideLock(input({ holding }))).toEqual({ kind: "held" });
  });
  test.each([
    ["a newer fence", { ...row, fence: fence(4) }],
    ["another lease with the same fence (a copied file)", { ...row, leaseId: "lease-x" }],
    ["a forced release", { ...row, released: true }],
    ["no row at all", undefined],
  ])("L2 a holder that finds %s has lost", (_what, found) => {
    expect(decideLock(input({ holding, row: found, gotFastLock: true }))).toEqual({ kind: "lost" });
  });

  test("L3 a forced release raises the fence, so that whoever held it is refused", () => {
    const freed = forceRelease(row, wall(7));
    expect(freed).toMatchObject({ fence: 4, released: true, holdsFastLock: false });
    expect(decideLock(input({ holding, row: freed })).kind).toBe("lost");
    expect(acquired(decideLock(input({ row: freed }))).next.fence).toBe(5);
  });
  test("L1 a heartbeat changes the row, and only its heart", () => {
    expect(beat(row, wall(50), true)).toEqual({ ...row, beats: 6, heartbeatAt: 50, holdsFastLock: true });
  });
  test("L1 L2 a holder beats every 10 s, and starts nothing after a minute without a renewal", () => {
    expect(holderDuty(mono(0), mono(9999), LEASE_DEFAULTS)).toEqual({ beatNow: false, nextBeatInMs: 1, mayStartSends: true });
    expect(holderDuty(mono(0), mono(10_000), LEASE_DEFAULTS)).toEqual({ beatNow: true, nextBeatInMs: 0, mayStartSends: true });
    expect(holderDuty(mono(0), mono(59_999), LEASE_DEFAULTS).mayStartSends).toBe(true);
    expect(holderDuty(mono(0), mono(60_000), LEASE_DEFAULTS).mayStartSends).toBe(false);
  });
});
