export interface Arguments {
  readonly seeds: number;
  readonly firstSeed: number;
  /** One seed that a person wants to look at: its events are printed. */
  readonly isReplay: boolean;
  readonly json: boolean;
  readonly verifyAll: boolean;
  readonly simulates: boolean;
  readonly mutants: boolean;
  /** Replays under this mutant instead of the engine as it is. */
  readonly mutant: string | null;
  /** Compares what the server holds with folding and without, instead. */
  readonly folding: boolean;
  /** 0: as many as help. */
  readonly workers: number;
}
export type ParsedArguments =
  | { readonly kind: "run"; readonly arguments: Arguments }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly message: string };

export const DEFAULT_SEEDS = 200;
const MAX_SEEDS = 10_000_000;
const MAX_SEED = 2 ** 47;

export const USAGE: string = `npm run simulate -- [options]

Runs the production engine and the production server in one deterministic world and looks for broken promises.

  --seeds N        how many seeds (default ${DEFAULT_SEEDS}; 1 with --seed)
  --seed S         the first seed (default 1); alone, that seed is replayed and its events are printed
  --verify-all     run every seed twice and compare (default: 1 in 20)
  --mutants-only   only the deliberately wrong variants
  --no-mutants     only the engine as it is
  --mutant NAME    replay --seed S under this mutant
  --folding        each seed is a schedule that runs with folding and without: the server must end with the same
  --workers N      threads (default: one a core, as far as it helps)
  --json           one JSON object on standard output, nothing else

Exit code 0: all promises held and every mutant was caught; 1: not so; 2: the arguments were wrong.`;

export function parseArguments(argv: readonly string[]): ParsedArguments {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  for (let i = 0; i < argv.length; i++) {
    const [name, inline] = splitOnce(argv[i] as string);
    if (name === "--help" || name === "-h") return { kind: "help" };
    if (FLAGS.has(name)) {
      if (inline !== undefined) return wrong(`${name} takes no value`);
      flags.add(name);
    } else if (VALUES.has(name)) {
      const value = inline ?? argv[++i];
      if (value === undefined || value === "" || (inline === undefined && value.startsWith("--"))) return wrong(`${name} needs a value`);
      if (values.has(name)) return wrong(`${name} is given twice`);
      values.set(name, value);
    } else return wrong(`unknown argument ${JSON.stringify(argv[i])}`);
  }
  if (flags.has("--mutants-only") && flags.has("--no-mutants")) return wrong("--mutants-only and --no-mutants exclude each other");
  if (flags.has("--folding") && (flags.size > 1 || values.has("--mutant")))
    return wrong("--folding goes with --seed, --seeds and --workers only");
  const firstSeed = wholeNumber(values, "--seed", 0, MAX_SEED) ?? 1;
  const seeds = wholeNumber(values, "--seeds", 1, MAX_SEEDS) ?? (values.has("--seed") ? 1 : DEFAULT_SEEDS);
  const workers = wholeNumber(values, "--workers", 1, 64) ?? 0;
  for (const result of [firstSeed, seeds, workers]) if (typeof result === "string") return wrong(result);
  const mutant = values.get("--mutant") ?? null;
  if (mutant !== null && !(values.has("--seed") && seeds === 1)) return wrong("--mutant needs one --seed to replay");
  return {
    kind: "run",
    arguments: {
      seeds: seeds as number,
      firstSeed: firstSeed as number,
      workers: workers as number,
      isReplay: values.has("--seed") && seeds === 1,
      folding: flags.has("--folding"),
      json: flags.has("--json"),
      verifyAll: flags.has("--verify-all"),
      simulates: !flags.has("--mutants-only"),
      mutants: !flags.has("--no-mutants") && mutant === null,
      mutant,
    },
  };
}

const FLAGS: ReadonlySet<string> = new Set(["--json", "--verify-all", "--mutants-only", "--no-mutants", "--folding"]);
const VALUES: ReadonlySet<string> = new Set(["--seeds", "--seed", "--mutant", "--workers"]);

function splitOnce(argument: string): readonly [string, string?] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument] : [argument.slice(0, at), argument.slice(at + 1)];
}

/** A string is what is wrong with it. */
function wholeNumber(values: ReadonlyMap<string, string>, name: string, min: number, max: number): number | string | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    return `${name} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`;
  return value;
}

function wrong(message: string): ParsedArguments {
  return { kind: "wrong", message };
}
