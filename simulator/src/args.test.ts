import { describe, expect, test } from "vitest";
import { type Arguments, DEFAULT_SEEDS, parseArguments } from "./args.ts";

function run(...argv: readonly string[]): Arguments {
  const parsed = parseArguments(argv);
  if (parsed.kind !== "run") throw new Error(`not a run: ${JSON.stringify(parsed)}`);
  return parsed.arguments;
}

describe("arguments of the simulator", () => {
  test("nothing said: some seeds from 1 on, and the mutants", () => {
    expect(run()).toEqual({
      seeds: DEFAULT_SEEDS,
      firstSeed: 1,
      isReplay: false,
      folding: false,
      json: false,
      verifyAll: false,
      simulates: true,
      mutants: true,
      mutant: null,
      workers: 0,
    });
  });

  test("values stand behind a space or an equals sign", () => {
    expect(run("--seeds", "50", "--seed=7", "--json", "--verify-all", "--workers", "2")).toMatchObject({
      seeds: 50,
      firstSeed: 7,
      isReplay: false,
      json: true,
      verifyAll: true,
      workers: 2,
    });
  });

  test("one seed alone is a replay", () => {
    expect(run("--seed", "0")).toMatchObject({ seeds: 1, firstSeed: 0, isReplay: true });
    expect(run("--seed", "9", "--mutant", "no fence")).toMatchObject({ mutant: "no fence", mutants: false, isReplay: true });
  });

  test("mutants only, or none", () => {
    expect(run("--mutants-only")).toMatchObject({ simulates: false, mutants: true });
    expect(run("--no-mutants")).toMatchObject({ simulates: true, mutants: false });
  });

  test.each([["--help"], ["-h"]])("%s asks for help", (flag) => {
    expect(parseArguments(["--seeds", "3", flag])).toEqual({ kind: "help" });
  });

  test.each<[readonly string[], RegExp]>([
    [["--seeds", "0"], /--seeds must be a whole number from 1 to/],
    [["--seeds", "-5"], /--seeds must be a whole number/],
    [["--seeds", "1.5"], /--seeds must be a whole number/],
    [["--seeds", "many"], /got "many"/],
    [["--seeds", "99999999999999999999"], /--seeds must be a whole number/],
    [["--seeds"], /--seeds needs a value/],
    [["--seeds", "--json"], /--seeds needs a value/],
    [["--seed="], /--seed needs a value/],
    [["--seed", "1", "--seed", "2"], /--seed is given twice/],
    [["--json=yes"], /--json takes no value/],
    [["--sedes", "5"], /unknown argument "--sedes"/],
    [["5000"], /unknown argument "5000"/],
    [["--mutants-only", "--no-mutants"], /exclude each other/],
    [["--mutant", "no fence"], /--mutant needs one --seed/],
    [["--workers", "0"], /--workers must be/],
  ])("%j is refused and says why", (argv, message) => {
    const parsed = parseArguments(argv);
    expect(parsed).toMatchObject({ kind: "wrong", message: expect.stringMatching(message) });
  });
});
