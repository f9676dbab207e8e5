import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { type Arguments, parseArguments, USAGE } from "./args.ts";
import type { Machinery } from "./machinery.ts";
import { MUTANTS, mutantNamed } from "./mutants/all.ts";
import { isGood, jsonReport, logText, progressText, type RunReport, textReport, violationLines } from "./report.ts";
import { simulate } from "./simulate.ts";
import { added, EMPTY_TALLY, type Tally } from "./tally.ts";
import { type MutantResult, runTask, type Task, type TaskResult } from "./tasks.ts";

const SEEDS_PER_TASK = 20;
const VERIFY_ONE_IN = 20;
const MAX_SEEDS_PER_MUTANT = 200;
/** A thread costs a second to start: it pays from here on. */
const SEEDS_WORTH_A_THREAD = 60;

/** Tells a thread of this program from one that merely imports it. */
const THREAD = "simulator thread";

export const machinery: Machinery = {
  sha256Hex: (text) => createHash("sha256").update(text).digest("hex"),
  newDigest: () => {
    const hash = createHash("sha256");
    return { add: (text) => void hash.update(text), finish: () => hash.digest("hex") };
  },
  watchStrayErrors: (listener) => {
    process.removeAllListeners("unhandledRejection");
    if (listener !== null) process.on("unhandledRejection", listener);
  },
};

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseArguments(argv);
  if (parsed.kind === "help") {
    console.log(USAGE);
    return 0;
  }
  if (parsed.kind === "wrong") {
    console.error(`simulate: ${parsed.message}\n\n${USAGE}`);
    return 2;
  }
  const args = parsed.arguments;
  if (args.mutant !== null && mutantNamed(args.mutant) === undefined) {
    console.error(`simulate: there is no mutant ${JSON.stringify(args.mutant)}; there are: ${MUTANTS.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  if (args.folding) return await compareAll(args);
  if (args.isReplay && !args.json) await replay(args);
  if (args.mutant !== null) return 0;
  const report = await runAll(args);
  console.log(args.json ? jsonReport(report, machinery) : textReport(report));
  return isGood(report) ? 0 : 1;
}

/** Prints what happened in one seed, event by event. */
async function replay({ firstSeed, mutant }: Arguments): Promise<void> {
  const spoiled = mutant === null ? undefined : mutantNamed(mutant);
  const result = await simulate({ seed: firstSeed, machinery, keepLog: true, ...(spoiled === undefined ? {} : { mutant: spoiled }) });
  console.log(logText(result.log));
  console.log("");
  for (const violation of result.violations) console.log(violationLines(violation, mutant ?? undefined).join("\n"));
  console.log(result.violations.length === 0 ? `seed ${firstSeed}: all promises held\n` : "");
}

/** The same schedules with folding and without. */
async function compareAll(args: Arguments): Promise<number> {
  const { seeds, firstSeed } = args;
  const tasks: Task[] = [];
  for (let from = 0; from < seeds; from += SEEDS_PER_TASK)
    tasks.push({ kind: "folding", seeds: Array.from({ length: Math.min(SEEDS_PER_TASK, seeds - from) }, (_, i) => firstSeed + from + i) });
  let [done, folded, different] = [0, 0, 0];
  const take = (result: TaskResult): void => {
    for (const one of result.kind === "folding" ? result.compared : []) {
      done += 1;
      folded += one.folded;
      if (one.difference === null) continue;
      different += 1;
      console.log(`the server ends otherwise: npm run simulate -- --folding --seed ${one.seed}\n${one.difference}`);
    }
    showProgress(args, done, seeds, different);
  };
  const threads = Math.min(args.workers || availableParallelism(), tasks.length);
  if (threads <= 1) for (const task of tasks) take(await runTask(task, machinery));
  else await Promise.all(Array.from({ length: threads }, () => inThread(tasks, take)));
  clearProgress();
  console.log(`${done} schedules, ${folded} operations folded, ${different} ended otherwise than without folding`);
  return different === 0 ? 0 : 1;
}

async function runAll(args: Arguments): Promise<RunReport> {
  const startMs = performance.now();
  const tasks = tasksOf(args);
  let tally: Tally = EMPTY_TALLY;
  const found = new Map<string, MutantResult>();
  const total = args.simulates ? args.seeds : MUTANTS.length;
  const take = (result: TaskResult): void => {
    if (result.kind === "folding") return;
    if (result.kind === "mutant") found.set(result.mutant.name, result.mutant);
    else tally = added(tally, result.tally);
    showProgress(args, args.simulates ? tally.seeds : found.size, total, tally.violations.length);
  };
  const worthwhile = Math.min(availableParallelism(), Math.ceil(workOf(args) / SEEDS_WORTH_A_THREAD));
  const threads = Math.min(args.workers || worthwhile, tasks.length);
  if (threads <= 1) for (const task of tasks) take(await runTask(task, machinery));
  else await Promise.all(Array.from({ length: threads }, () => inThread(tasks, take)));
  clearProgress();
  const mutants = MUTANTS.flatMap(({ name }) => found.get(name) ?? []);
  return { tally, mutants, seconds: (performance.now() - startMs) / 1000, firstSeed: args.firstSeed };
}

/** Mutants first: an uncaught one takes longest. Taken from the front by whoever is free. */
function tasksOf({ simulates, mutants, seeds, firstSeed, verifyAll }: Arguments): Task[] {
  const tasks: Task[] = [];
  if (mutants) for (const { name } of MUTANTS) tasks.push({ kind: "mutant", name, firstSeed, maxSeeds: MAX_SEEDS_PER_MUTANT });
  if (!simulates) return tasks;
  const verifyEvery = verifyAll || seeds < VERIFY_ONE_IN ? 1 : VERIFY_ONE_IN;
  for (let from = 0; from < seeds; from += SEEDS_PER_TASK) {
    const length = Math.min(SEEDS_PER_TASK, seeds - from);
    tasks.push({ kind: "seeds", seeds: Array.from({ length }, (_, i) => firstSeed + from + i), verifyEvery });
  }
  return tasks;
}

function workOf({ simulates, mutants, seeds }: Arguments): number {
  return (simulates ? seeds : 0) + (mutants ? 10 * MUTANTS.length : 0);
}

function inThread(tasks: Task[], take: (result: TaskResult) => void): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: THREAD });
  return new Promise((resolve, reject) => {
    const next = (): void => {
      const task = tasks.shift();
      if (task !== undefined) worker.postMessage(task);
      else void worker.terminate().then(() => resolve());
    };
    worker.on("error", reject);
    worker.on("message", (result: TaskResult) => {
      take(result);
      next();
    });
    next();
  });
}

function showProgress(args: Arguments, done: number, total: number, violations: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${progressText(args, done, total, violations)}`);
}
function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}

if (workerData === THREAD)
  parentPort?.on("message", (task: Task) => void runTask(task, machinery).then((result) => parentPort?.postMessage(result)));
else if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
