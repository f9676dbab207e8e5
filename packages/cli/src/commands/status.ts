import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { conservationAccount, type LockRow, type OperatorAction, type QueueStatus } from "guardian-sync/operator";
import { EXIT, type ExitCode } from "../exit.ts";
import { formatBytes, formatDuration } from "../output/duration.ts";
import type { Terminal } from "../output/terminal.ts";
import { visible } from "../output/visible.ts";
import { write, writeJson } from "../output/write.ts";
import { lockJson, lockLine } from "../queue/lock-text.ts";
import { accountName, type OpenFile, withQueue } from "../queue/open-file.ts";
import { type Problem, problemsOf } from "../queue/health.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface StatusOptions extends QueueOptions {
  readonly watch?: boolean;
}
interface Snapshot {
  readonly path: string;
  readonly sizeBytes: number;
  readonly now: number;
  readonly lock: LockRow | undefined;
  readonly accounts: readonly { readonly status: QueueStatus; readonly problems: readonly Problem[] }[];
  readonly actions: readonly OperatorAction[];
}

const WATCH_EVERY_MS = 2000;
const ACTIONS_SHOWN = 5;

export function statusCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("status", "queue, lock, breaker and pause of each account; exit code 3 when something is wrong")
    .option("--watch", "again every 2 seconds, until Ctrl-C")
    .addHelpText(
      "after",
      `
Examples:
  guardian status --db app.db
  guardian status --db app.db --json | jq '.accounts[].pending'
  guardian status --db app.db --watch`,
    )
    .action(async (options: StatusOptions) => {
      end(
        await withQueue(terminal, options, (file) =>
          options.watch === true ? watch(terminal, file, options) : show(terminal, file, options),
        ),
      );
    });
}

async function show(terminal: Terminal, file: OpenFile, { json }: StatusOptions): Promise<ExitCode> {
  const snapshot = await snapshotOf(file);
  if (json === true) await writeJson(terminal.out, statusJson(snapshot));
  else await write(terminal.out, statusText(terminal, snapshot));
  return isHealthy(snapshot) ? EXIT.ok : EXIT.unhealthy;
}

/** A person looks on: the screen is drawn anew. In a pipe each look is one line of JSON, or one block of text. */
async function watch(terminal: Terminal, file: OpenFile, { json }: StatusOptions): Promise<ExitCode> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    while (!stop.signal.aborted && !terminal.out.destroyed) {
      const snapshot = await snapshotOf(file);
      if (json === true) await write(terminal.out, `${JSON.stringify(statusJson(snapshot))}\n`);
      else await write(terminal.out, `${terminal.isTty ? "\u001b[H\u001b[2J" : ""}${statusText(terminal, snapshot)}\n`);
      await sleep(WATCH_EVERY_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
  return EXIT.ok;
}

async function snapshotOf({ path, queue, accounts }: OpenFile): Promise<Snapshot> {
  const lock = await queue.lock();
  const statuses = await Promise.all(accounts.map((account) => queue.status(account)));
  const now = Date.now();
  return {
    path,
    sizeBytes: await queue.sizeBytes(),
    now,
    lock,
    accounts: statuses.map((status) => ({ status, problems: problemsOf(status, lock, now) })),
    actions: await queue.actions(),
  };
}

function isHealthy({ accounts }: Snapshot): boolean {
  return accounts.every(({ problems }) => problems.every(({ severity }) => severity !== "alarm"));
}

function statusJson(snapshot: Snapshot): object {
  const { path, sizeBytes, lock, now, accounts, actions } = snapshot;
  return {
    file: path,
    size_bytes: sizeBytes,
    healthy: isHealthy(snapshot),
    lock: lockJson(lock, now),
    accounts: accounts.map(({ status, problems }) => ({
      space: status.account.space,
      principal: status.account.principal,
      ...status.counts,
      conserved: status.conserved,
      oldest_pending_age_ms: status.oldestPendingAgeMs,
      next_attempt_at: isoOrNull(status.nextAttemptAt),
      paused: status.paused === null ? null : { ...status.paused, at: new Date(status.paused.at).toISOString() },
      breaker: { state: status.breaker.state, cooldown_remaining_ms: status.breaker.cooldownRemainingMs },
      problems,
    })),
    operator_actions: actions.map((action) => ({ ...action, at: new Date(action.at).toISOString() })),
  };
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function statusText(terminal: Terminal, { path, sizeBytes, lock, now, accounts, actions }: Snapshot): string {
  const lines = [`queue    ${visible(path)} (${formatBytes(sizeBytes)})`, `lock     ${lockLine(lock, now)}`];
  if (accounts.length === 0) lines.push("", "No account has signed in here yet.");
  for (const { status, problems } of accounts) {
    lines.push("", terminal.paint("bold", `account  ${visible(accountName(status.account))}`), `state    ${stateLine(status, now)}`);
    if (status.breaker.state !== "closed")
      lines.push(`breaker  ${status.breaker.state}, ${formatDuration(status.breaker.cooldownRemainingMs)} left`);
    lines.push(...conservationAccount(status.counts).map((line) => `  ${line}`));
    for (const { severity, message } of problems)
      lines.push(terminal.paint(severity === "alarm" ? "red" : "yellow", `${severity === "alarm" ? "!" : "-"} ${visible(message)}`));
  }
  if (actions.length > 0) lines.push("", "what operators did last");
  for (const { at, action, by, reason } of actions.slice(-ACTIONS_SHOWN)) {
    lines.push(visible(`  ${new Date(at).toISOString()}  ${action} by ${by}${reason === undefined ? "" : `: ${reason}`}`));
  }
  return `${lines.join("\n")}\n`;
}

function stateLine({ paused, counts, oldestPendingAgeMs, nextAttemptAt }: QueueStatus, now: number): string {
  if (paused !== null) return visible(`paused by ${paused.by} ${formatDuration(now - paused.at)} ago: ${paused.reason}`);
  if (counts.pending + counts.sealed === 0) return "empty";
  const oldest = oldestPendingAgeMs === null ? "" : `, the oldest for ${formatDuration(oldestPendingAgeMs)}`;
  const next = nextAttemptAt === null ? "" : `, next attempt in ${formatDuration(nextAttemptAt - now)}`;
  return `${counts.pending + counts.sealed} waiting${oldest}${next}`;
}
