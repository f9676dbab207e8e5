import { expect, test } from "vitest";
import { machinery } from "./main.ts";
import { noFaults, type Violation } from "./model.ts";
import { isGood, jsonReport, logText, type RunReport, textReport, violationLines } from "./report.ts";
import { added, EMPTY_TALLY, tallyOf } from "./tally.ts";
import type { MutantResult } from "./tasks.ts";

const result = {
  seed: 4,
  hash: "abc",
  simulatedMs: 7_200_000,
  events: 10,
  operations: 3,
  requests: 5,
  takeovers: 1,
  folded: 2,
  pagesShown: 4,
  faults: { ...noFaults(), duplicate: 2 },
  violations: [],
  log: [],
};
const broken: Violation = { invariant: "INV3", seed: 5, atMs: 3_723_004, message: "operation x took effect after y" };
const caught: MutantResult = { name: "no fence", caught: true, seeds: 8, seed: 8, invariant: "INV6", message: "two senders" };
const report = (more: Partial<RunReport>): RunReport => ({
  tally: tallyOf(result, result),
  mutants: [caught],
  seconds: 2,
  firstSeed: 4,
  ...more,
});

test("tallies add up, and a repetition with another log is a violation", () => {
  const twice = added(tallyOf(result, null), tallyOf({ ...result, seed: 5, violations: [broken] }, { ...result, seed: 5, hash: "abd" }));
  expect(twice).toMatchObject({
    seeds: 2,
    operations: 6,
    verified: 1,
    faults: { duplicate: 4 },
    hashes: [
      [4, "abc"],
      [5, "abc"],
    ],
  });
  expect(twice.violations.map(({ invariant, seed }) => [invariant, seed])).toEqual([
    ["INV3", 5],
    ["determinism", 5],
  ]);
});

test("good is: no violation, and no mutant that got away", () => {
  expect(isGood(report({}))).toBe(true);
  expect(isGood(report({ mutants: [{ ...caught, caught: false }] }))).toBe(false);
  expect(isGood(report({ tally: tallyOf({ ...result, violations: [broken] }, null) }))).toBe(false);
});

test("the JSON has the promised members", () => {
  const json = JSON.parse(jsonReport(report({ tally: tallyOf({ ...result, violations: [broken] }, null) }), machinery)) as object;
  expect(json).toMatchObject({
    seeds: 1,
    simulated_hours: 2,
    operations: 3,
    faults: { duplicate: 2, answer_lost: 0 },
    violations: [{ invariant: "INV3", seed: 5, replay: "npm run simulate -- --seed 5" }],
    mutants: [{ name: "no fence", caught: true, seeds: 8 }],
    failure_rate_bound: null,
  });
  expect(JSON.parse(jsonReport(report({}), machinery))).toMatchObject({
    failure_rate_bound: 3,
    determinism: { seeds_run_twice: 1, different: 0 },
  });
});

test("the table says what ran, what was caught and how to replay what failed", () => {
  const text = textReport(report({ mutants: [caught, { ...caught, name: "other", caught: false, seeds: 200 }] }));
  expect(text).toMatch(/^seeds +1 \(from 4\)$/m);
  expect(text).toMatch(/^ {2}duplicate +2$/m);
  expect(text).toMatch(/no fence +caught by INV6 after 8 seeds/);
  expect(text).toMatch(/other +NOT CAUGHT in 200 seeds/);
  const many = Array.from({ length: 25 }, (_, i) => ({ ...broken, seed: i }));
  const failed = textReport(report({ tally: { ...EMPTY_TALLY, seeds: 25, violations: many } }));
  expect(failed).toMatch(/INV3 at 01:02:03\.004: operation x/);
  expect(failed).toMatch(/… and 5 more/);
  expect(violationLines(broken, "no fence")[1]).toBe('    replay: npm run simulate -- --seed 5 --mutant "no fence"');
});

test("the log lines up", () => {
  const lines = [
    { atMs: 0, actor: "server", text: "starts" },
    { atMs: 61_001.5, actor: "d1", text: "signs out" },
  ];
  expect(logText(lines)).toBe("00:00:00.000  server  starts\n00:01:01.001  d1      signs out");
});
