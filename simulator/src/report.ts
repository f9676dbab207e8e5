import type { Arguments } from "./args.ts";
import type { JournalLine } from "./journal.ts";
import type { Machinery } from "./machinery.ts";
import { FAULTS, type Violation } from "./model.ts";
import type { Tally } from "./tally.ts";
import type { MutantResult } from "./tasks.ts";

export interface RunReport {
  readonly tally: Tally;
  readonly mutants: readonly MutantResult[];
  readonly seconds: number;
  readonly firstSeed: number;
}

export function isGood({ tally, mutants }: RunReport): boolean {
  return tally.violations.length === 0 && mutants.every(({ caught }) => caught);
}

export function replayCommand(seed: number, mutant?: string): string {
  return `npm run simulate -- --seed ${seed}${mutant === undefined ? "" : ` --mutant ${JSON.stringify(mutant)}`}`;
}

/** With no failure in N runs the true rate is below 3/N, at 95 % confidence (rule of three). */
function boundText(tally: Tally): string {
  return tally.violations.length === 0 && tally.seeds > 0
    ? `< ${(3 / tally.seeds).toPrecision(2)} of seeds at 95 %`
    : "none: there were violations";
}

export function jsonReport(report: RunReport, machinery: Machinery): string {
  const { tally, mutants, seconds, firstSeed } = report;
  const ordered = tally.hashes.toSorted(([a], [b]) => a - b).map(([seed, hash]) => `${seed} ${hash}`);
  return JSON.stringify(
    {
      seeds: tally.seeds,
      first_seed: firstSeed,
      simulated_hours: round(tally.simulatedMs / 3_600_000, 2),
      operations: tally.operations,
      requests: tally.requests,
      events: tally.events,
      takeovers: tally.takeovers,
      folded: tally.folded,
      pages_shown: tally.pagesShown,
      faults: tally.faults,
      violations: sorted(tally.violations).map(({ invariant, seed, atMs, message }) => ({
        invariant,
        seed,
        at_ms: Math.round(atMs),
        message,
        replay: replayCommand(seed),
      })),
      mutants: mutants.map(({ name, caught, seeds, seed, invariant }) => ({ name, caught, seeds, seed, invariant })),
      determinism: {
        seeds_run_twice: tally.verified,
        different: tally.violations.filter(({ invariant }) => invariant === "determinism").length,
        log_hash: machinery.sha256Hex(ordered.join("\n")),
      },
      failure_rate_bound: tally.violations.length === 0 && tally.seeds > 0 ? round(3 / tally.seeds, 8) : null,
      seconds: round(seconds, 1),
      seeds_per_second: round(tally.seeds / Math.max(seconds, 0.001), 1),
    },
    null,
    2,
  );
}

export function textReport(report: RunReport): string {
  const { tally, mutants, seconds } = report;
  const lines: string[] = [];
  if (tally.seeds > 0) {
    lines.push(
      ...table([
        ["seeds", `${count(tally.seeds)} (from ${report.firstSeed})`],
        ["simulated hours", count(round(tally.simulatedMs / 3_600_000, 1))],
        ["operations", count(tally.operations)],
        ["requests", count(tally.requests)],
        ["lock takeovers", count(tally.takeovers)],
        ["operations folded", count(tally.folded)],
        ["lists shown by pages", count(tally.pagesShown)],
        ["world events", count(tally.events)],
        ["run twice, same log", `${count(tally.verified)} seeds`],
        ["violations", String(tally.violations.length)],
        ["bound", boundText(tally)],
        ["time", `${round(seconds, 1)} s, ${round(tally.seeds / Math.max(seconds, 0.001), 0)} seeds/s with everything`],
      ]),
      "",
      "faults injected",
      ...table(FAULTS.map((fault) => [`  ${fault}`, count(tally.faults[fault])])),
    );
  }
  if (mutants.length > 0) {
    lines.push("", "mutants, deliberately wrong: each must be caught");
    lines.push(
      ...table(
        mutants.map(({ name, caught, seeds, invariant }) => [
          `  ${name}`,
          caught ? `caught by ${invariant} after ${seeds} ${seeds === 1 ? "seed" : "seeds"}` : `NOT CAUGHT in ${seeds} seeds`,
        ]),
      ),
    );
  }
  if (tally.violations.length > 0) {
    lines.push("", "violations");
    for (const violation of sorted(tally.violations).slice(0, 20)) lines.push(...violationLines(violation));
    if (tally.violations.length > 20) lines.push(`  … and ${tally.violations.length - 20} more`);
  }
  return lines.join("\n");
}

export function violationLines({ invariant, seed, atMs, message }: Violation, mutant?: string): readonly string[] {
  return [`  ${invariant} at ${timeText(atMs)}: ${message}`, `    replay: ${replayCommand(seed, mutant)}`];
}

export function logText(lines: readonly JournalLine[]): string {
  const width = lines.reduce((widest, { actor }) => Math.max(widest, actor.length), 0);
  return lines.map(({ atMs, actor, text }) => `${timeText(atMs)}  ${actor.padEnd(width)}  ${text}`).join("\n");
}

export function progressText(args: Arguments, done: number, total: number, violations: number): string {
  const share = total === 0 ? 100 : Math.floor((100 * done) / total);
  return `${args.simulates ? "seeds" : "mutants"} ${done}/${total} (${share} %)${violations === 0 ? "" : `, ${violations} violations`}`;
}

function sorted(violations: readonly Violation[]): readonly Violation[] {
  return violations.toSorted((a, b) => a.seed - b.seed || a.atMs - b.atMs);
}

/** Hours, minutes, seconds and milliseconds since the world began. */
function timeText(atMs: number): string {
  const ms = Math.floor(atMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${two(h)}:${two(m)}:${two(s)}.${String(ms % 1000).padStart(3, "0")}`;
}

function table(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}
function count(value: number): string {
  return value.toLocaleString("en-US");
}
function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
