import { FAULTS, type FaultCounts, noFaults, type Violation } from "./model.ts";
import type { SeedResult } from "./simulate.ts";

/** What many seeds came to. Plain data: it travels between threads. */
export interface Tally {
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
  readonly requests: number;
  readonly faults: FaultCounts;
  readonly takeovers: number;
  readonly folded: number;
  readonly pagesShown: number;
  readonly violations: readonly Violation[];
  /** Seeds that ran a second time. */
  readonly verified: number;
  readonly hashes: readonly (readonly [seed: number, hash: string])[];
}

export const EMPTY_TALLY: Tally = {
  seeds: 0,
  simulatedMs: 0,
  events: 0,
  operations: 0,
  requests: 0,
  faults: noFaults(),
  takeovers: 0,
  folded: 0,
  pagesShown: 0,
  violations: [],
  verified: 0,
  hashes: [],
};

export function tallyOf(result: SeedResult, again: SeedResult | null): Tally {
  const { seed, hash } = result;
  const differs = again !== null && again.hash !== hash;
  const difference: Violation = { invariant: "determinism", seed, atMs: 0, message: "two runs of this seed gave different logs" };
  return {
    seeds: 1,
    simulatedMs: result.simulatedMs,
    events: result.events,
    operations: result.operations,
    requests: result.requests,
    faults: result.faults,
    takeovers: result.takeovers,
    folded: result.folded,
    pagesShown: result.pagesShown,
    violations: differs ? [...result.violations, difference] : result.violations,
    verified: again === null ? 0 : 1,
    hashes: [[seed, hash]],
  };
}

export function added(a: Tally, b: Tally): Tally {
  return {
    seeds: a.seeds + b.seeds,
    simulatedMs: a.simulatedMs + b.simulatedMs,
    events: a.events + b.events,
    operations: a.operations + b.operations,
    requests: a.requests + b.requests,
    faults: Object.fromEntries(FAULTS.map((fault) => [fault, a.faults[fault] + b.faults[fault]])) as FaultCounts,
    takeovers: a.takeovers + b.takeovers,
    folded: a.folded + b.folded,
    pagesShown: a.pagesShown + b.pagesShown,
    violations: [...a.violations, ...b.violations],
    verified: a.verified + b.verified,
    hashes: [...a.hashes, ...b.hashes],
  };
}
