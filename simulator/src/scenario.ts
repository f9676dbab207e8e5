import type { Ordering } from "@guardian-sync/protocol";
import type { SeededRandom } from "guardian-sync/testing";
import type { Account } from "./model.ts";

const MINUTE_MS = 60_000;

/** What one seed is made of: how large the world is, and how badly it behaves. Rates are expected numbers in the whole run. */
export interface Scenario {
  readonly accounts: readonly Account[];
  /** Processes of each device: they share its disk. */
  readonly devices: readonly number[];
  /** How long things go wrong. Afterwards everything heals. */
  readonly troubleMs: number;
  readonly actions: number;
  readonly maxBatch: number;
  /** Of which a process picks one when it starts. */
  readonly orderings: readonly Ordering[];
  readonly concurrency: number;
  /** Apps that wait for verdicts look at their file twice a second. */
  readonly awaitsVerdicts: boolean;
  readonly coalesce: boolean;
  readonly strictClock: boolean;
  /** What the server takes in one request, and from one person in a minute. */
  readonly maxOperations: number;
  readonly maxBodyBytes: number;
  readonly requestsPerMinute: number;
  readonly busyHandlers: number;
  readonly weatherChanges: number;
  readonly clientCrashes: number;
  readonly freezes: number;
  readonly restarts: number;
  readonly forcedLocks: number;
  readonly signInChanges: number;
  readonly expiredTokens: number;
  readonly fullDisks: number;
  readonly clockJumps: number;
  readonly serverCrashes: number;
  readonly serverRestarts: number;
  /** Documents or changes in one page, at most. */
  readonly pageItems: number;
  /** Share of the lives of a process in which somebody looks at the view from the beginning, and taps that concern it. */
  readonly lookers: number;
  readonly glances: number;
  /** Edits of boards, for each device. */
  readonly tags: number;
  /** Of the app, on a device: its processes start with another version of a definition. */
  readonly updates: number;
}

const ALICE: Account = { space: "house", principal: "alice" };
const BOB: Account = { space: "house", principal: "bob" };

/** Some apps change their mind. */
const LANED: readonly (readonly Ordering[])[] = [["entity"], ["entity"], ["entity", "global"]];

export function scenarioOf(random: SeededRandom): Scenario {
  const troubleMs = random.pick([1, 4, 4, 15, 15, 45]) * MINUTE_MS;
  const isSeveral = random.chance(0.5);
  const lanes = random.fork("lanes");
  const scenario: Scenario = {
    accounts: random.chance(0.35) ? [ALICE, BOB] : [ALICE],
    devices: Array.from({ length: random.pick([1, 1, 2, 3]) }, () => (isSeveral && random.chance(0.7) ? 2 : 1)),
    troubleMs,
    actions: random.integer(8, 36),
    maxBatch: random.pick([1, 3, 8, 50]),
    orderings: lanes.chance(1 / 3) ? lanes.pick(LANED) : ["global"],
    concurrency: lanes.integer(1, 4),
    awaitsVerdicts: random.chance(0.3),
    coalesce: random.chance(0.9),
    strictClock: random.chance(0.3),
    maxOperations: random.pick([500, 500, 500, 5]),
    maxBodyBytes: random.pick([1_048_576, 1_048_576, 300_000]),
    requestsPerMinute: random.pick([6000, 6000, 6000, 15]),
    busyHandlers: random.pick([0, 0.1, 0.4]),
    weatherChanges: random.integer(2, 10),
    clientCrashes: random.pick([0, 1, 3, 8]),
    freezes: random.pick([0, 0, 1, 2]),
    restarts: random.pick([0, 0, 1]),
    forcedLocks: random.pick([0, 0, 0, 1]),
    signInChanges: random.pick([0, 1, 2]),
    expiredTokens: random.pick([0, 0, 1, 2]),
    fullDisks: random.pick([0, 0, 0, 1]),
    clockJumps: random.pick([0, 0, 1, 2]),
    serverCrashes: random.pick([0, 1, 2, 4]),
    serverRestarts: random.pick([0, 0, 1]),
    pageItems: random.pick([1000, 1000, 20, 3]),
    lookers: random.pick([0, 0, 0.5, 1]),
    glances: random.pick([0, 2, 6]),
    tags: random.pick([0, 4, 12]),
    updates: random.pick([0, 0, 1, 3]),
  };
  // Who may ask fifteen times a minute gets whole pages: the rest would be a matter of hours.
  return scenario.requestsPerMinute < 100 ? { ...scenario, pageItems: 1000 } : scenario;
}
