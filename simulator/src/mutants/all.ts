import { changedAfterSeal, withoutSupersedes } from "./content.ts";
import { ackBeforeCommit, dropOnAck } from "./durability.ts";
import { annihilatesSent, foldsIntoSealed } from "./folding.ts";
import { noFence } from "./fence.ts";
import { newKeyPerTry } from "./keys.ts";
import { laneInTwoRequests } from "./lanes.ts";
import type { Mutant } from "./mutant.ts";
import { ignoresRetryAfter } from "./patience.ts";
import { appliesAgainOnReload } from "./reload.ts";
import { childDoesNotWait, splitsGroups } from "./together.ts";
import { cursorBySequence, noVersionGuard, retireBeforeEcho } from "./view.ts";

export const MUTANTS: readonly Mutant[] = [
  newKeyPerTry,
  changedAfterSeal,
  dropOnAck,
  noFence,
  ackBeforeCommit,
  ignoresRetryAfter,
  withoutSupersedes,
  appliesAgainOnReload,
  retireBeforeEcho,
  cursorBySequence,
  noVersionGuard,
  splitsGroups,
  childDoesNotWait,
  foldsIntoSealed,
  annihilatesSent,
  laneInTwoRequests,
];

export function mutantNamed(name: string): Mutant | undefined {
  return MUTANTS.find((mutant) => mutant.name === name);
}
