/**
 * `npm run proof`: the real parts, in full counts. Prints a line for each scenario; with `--json` one document for the scorecard.
 * Exits with 1 when a promise did not hold.
 */
import { parseArgs } from "node:util";
import { type BadInputReport, badInput } from "./bad-input.ts";
import { cutProxy } from "./cut-proxy.ts";
import { lyingAnswers, restBehaviours, syncBehaviours } from "./http-behaviours.ts";
import { killClient } from "./kill-client.ts";
import { killRenderer } from "./kill-renderer.ts";
import { killServer } from "./kill-server.ts";
import { freezeHolder, killHolder, manyWriters, storm } from "./many-processes.ts";
import type { Report } from "./report.ts";

const USAGE = `npm run proof -- [--suite NAME]… [--quick] [--seed N] [--json]
                 [--kills N] [--operations N] [--cuts N] [--rounds N] [--processes N] [--each N] [--strikes N]
suites: kill-client, kill-server, kill-renderer, cut-proxy, many-processes, bad-input, http`;

const { values } = parseArgs({
  options: {
    suite: { type: "string", multiple: true, default: [] },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    kills: { type: "string" },
    operations: { type: "string" },
    cuts: { type: "string" },
    rounds: { type: "string" },
    processes: { type: "string" },
    each: { type: "string" },
    strikes: { type: "string" },
  },
});

function count(name: "kills" | "operations" | "cuts" | "rounds" | "processes" | "each" | "strikes", full: number, quick: number): number {
  const given = values[name];
  const value = given === undefined ? (values.quick ? quick : full) : Number(given);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name}: give a whole number from 1, got ${given}`);
  return value;
}

const seed = Number(values.seed);

function browserPath(): string {
  const { CHROMIUM_PATH } = process.env;
  if (CHROMIUM_PATH === undefined || CHROMIUM_PATH === "")
    throw new Error("no Chromium was found; install one, or set CHROMIUM_PATH to its program");
  return CHROMIUM_PATH;
}

function suites(): Readonly<Record<string, readonly (() => Promise<Report>)[]>> {
  const kills = count("kills", 50, 5);
  const cut = { operations: count("operations", 200, 40), cuts: count("cuts", 3, 3) };
  const rounds = count("rounds", 20, 3);
  return {
    "kill-client": [() => killClient({ kills, seed })],
    "kill-server": [() => killServer({ kills, seed })],
    "kill-renderer": [() => killRenderer({ kills, seed, executablePath: browserPath() })],
    "cut-proxy": [
      () => cutProxy({ ...cut, maxOperations: 1, clock: "real" }),
      () => cutProxy({ ...cut, maxOperations: 50, clock: "real" }),
      () => cutProxy({ ...cut, maxOperations: 50, clock: "virtual" }),
    ],
    "many-processes": [
      () => killHolder({ rounds, seed, oneWriter: false }),
      () => killHolder({ rounds, seed, oneWriter: true }),
      () => freezeHolder({ rounds: Math.max(4, Math.floor(rounds / 2)), seed }),
      () => manyWriters({ processes: count("processes", 8, 4), each: count("each", 500, 50), seed }),
      () => storm({ processes: 3, strikes: count("strikes", 40, 4), seed }),
    ],
    "bad-input": [badInput],
    http: [...syncBehaviours, ...lyingAnswers, ...restBehaviours].map(({ run }) => run),
  };
}

interface Line extends Report {
  readonly seconds: number;
}

async function timed(name: string, run: () => Promise<Report>): Promise<Line> {
  const start = performance.now();
  const seconds = (): number => Math.round((performance.now() - start) / 100) / 10;
  try {
    return { ...(await run()), seconds: seconds() };
  } catch (error) {
    return { scenario: name, figures: {}, faults: [error instanceof Error ? error.message : String(error)], seconds: seconds() };
  }
}

function print({ scenario, figures, faults, seconds }: Line): void {
  console.log(`${faults.length === 0 ? "ok   " : "FAULT"} ${scenario} (${seconds} s)`);
  const text = Object.entries(figures).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  if (text.length > 0) console.log(`      ${text.join(", ")}`);
  for (const fault of faults) console.log(`      ✗ ${fault}`);
}

function printRefusals({ refusals }: BadInputReport): void {
  for (const { what, code, message } of refusals) console.log(`      ${what}\n        ${code}: ${message}`);
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const all = suites();
  const unknown = values.suite.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined) {
    console.error(`There is no suite "${unknown}".\n${USAGE}`);
    return 1;
  }
  const lines: Line[] = [];
  for (const [name, runs] of Object.entries(all)) {
    if (values.suite.length > 0 && !values.suite.includes(name)) continue;
    for (const run of runs) {
      const line = await timed(name, run);
      lines.push(line);
      if (values.json) continue;
      print(line);
      if (values.suite.length > 0 && "refusals" in line) printRefusals(line as unknown as BadInputReport);
    }
  }
  const faults = lines.reduce((sum, line) => sum + line.faults.length, 0);
  if (values.json) {
    console.log(JSON.stringify({ at: new Date().toISOString(), node: process.version, seed, faults, scenarios: lines }, null, 2));
  } else {
    const seconds = Math.round(lines.reduce((sum, line) => sum + line.seconds, 0));
    console.log(`\n${lines.length} scenarios, ${faults} faults, ${seconds} s, seed ${seed}`);
  }
  return faults === 0 ? 0 : 1;
}

process.exitCode = await main();
