import { compareFolding, type FoldingResult } from "./folding.ts";
import type { Machinery } from "./machinery.ts";
import { mutantNamed } from "./mutants/all.ts";
import { simulate } from "./simulate.ts";
import { added, EMPTY_TALLY, type Tally, tallyOf } from "./tally.ts";

/** A piece of work for one thread. */
export type Task =
  | { readonly kind: "seeds"; readonly seeds: readonly number[]; readonly verifyEvery: number }
  | { readonly kind: "mutant"; readonly name: string; readonly firstSeed: number; readonly maxSeeds: number }
  | { readonly kind: "folding"; readonly seeds: readonly number[] };

export interface MutantResult {
  readonly name: string;
  readonly caught: boolean;
  /** How many were needed, or tried in vain. */
  readonly seeds: number;
  /** The seed that told, and what it told. */
  readonly seed: number | null;
  readonly invariant: string | null;
  readonly message: string | null;
}
export type TaskResult =
  | { readonly kind: "seeds"; readonly tally: Tally }
  | { readonly kind: "mutant"; readonly mutant: MutantResult }
  | { readonly kind: "folding"; readonly compared: readonly FoldingResult[] };

/** A sample must not always hit the same kind of seed, so it goes by a prime-ish stride of the seed's own number. */
function isVerified(seed: number, every: number): boolean {
  return every > 0 && seed % every === 0;
}

export async function runTask(task: Task, machinery: Machinery): Promise<TaskResult> {
  if (task.kind === "mutant") return { kind: "mutant", mutant: await hunt(task, machinery) };
  if (task.kind === "folding") {
    const compared: FoldingResult[] = [];
    for (const seed of task.seeds) compared.push(await compareFolding(seed, machinery));
    return { kind: "folding", compared };
  }
  let tally = EMPTY_TALLY;
  for (const seed of task.seeds) {
    const result = await simulate({ seed, machinery });
    const again = isVerified(seed, task.verifyEvery) ? await simulate({ seed, machinery }) : null;
    tally = added(tally, tallyOf(result, again));
  }
  return { kind: "seeds", tally };
}

async function hunt(task: Task & { kind: "mutant" }, machinery: Machinery): Promise<MutantResult> {
  const { name, firstSeed, maxSeeds } = task;
  const mutant = mutantNamed(name);
  if (mutant === undefined) throw new RangeError(`there is no mutant named ${name}`);
  for (let seeds = 1; seeds <= maxSeeds; seeds++) {
    const seed = firstSeed + seeds - 1;
    const [violation] = (await simulate({ seed, machinery, mutant })).violations;
    if (violation === undefined) continue;
    // A seed that the engine as it is does not survive either says nothing about the mutant.
    if ((await simulate({ seed, machinery })).violations.length === 0) {
      const { invariant, message } = violation;
      return { name, caught: true, seeds, seed, invariant, message };
    }
  }
  return { name, caught: false, seeds: maxSeeds, seed: null, invariant: null, message: null };
}
