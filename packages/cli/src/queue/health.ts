import type { LockRow, QueueStatus } from "guardian-sync/operator";
import { formatDuration } from "../output/duration.ts";

/** Something about a queue that a person should know. */
export interface Problem {
  readonly code:
    | "not_conserved"
    | "paused"
    | "breaker_open"
    | "no_progress"
    | "lock_stuck"
    | "backlog"
    | "quarantined"
    | "failed"
    | "conflict";
  /** `alarm`: the queue is unhealthy, exit code 3. `notice`: it works; somebody has to decide something. */
  readonly severity: "alarm" | "notice";
  readonly message: string;
}

const MINUTE_MS = 60_000;
/** A holder beats every 10 s, and 2 min of silence make others take over by themselves: after 10 min something prevents that. */
const LOCK_STUCK_MS = 10 * MINUTE_MS;
const NO_PROGRESS_MS = 15 * MINUTE_MS;
const BACKLOG = 1000;
const BACKLOG_MS = 60 * MINUTE_MS;

/** What is wrong with one account's queue, the worst first. */
export function problemsOf(status: QueueStatus, lock: LockRow | undefined, now: number): readonly Problem[] {
  const { counts, paused, breaker, oldestPendingAgeMs } = status;
  const waiting = counts.pending + counts.sealed;
  const age = oldestPendingAgeMs ?? 0;
  const silentMs = lock === undefined || lock.released ? null : now - lock.heartbeatAt;
  const problems: Problem[] = [];
  const add = (severity: Problem["severity"], code: Problem["code"], message: string): void => {
    problems.push({ code, severity, message });
  };
  if (!status.conserved)
    add("alarm", "not_conserved", "The counts do not add up. Run `guardian index verify`, then `guardian index rebuild`.");
  if (counts.quarantined > 0)
    add("alarm", "quarantined", `${operations(counts.quarantined)} cannot be read. Keep the file, and look for its key.`);
  if (paused !== null) {
    const since = formatDuration(now - paused.at);
    add("alarm", "paused", `Paused by ${paused.by} for ${since}: ${paused.reason}. When that is settled: \`guardian resume\`.`);
  } else if (waiting > 0) {
    if (silentMs !== null && silentMs > LOCK_STUCK_MS) {
      const silence = formatDuration(silentMs);
      add("alarm", "lock_stuck", `${lock?.owner} holds the lock and was silent for ${silence}. \`guardian lock release\` frees it.`);
    } else if (breaker.state !== "closed") {
      const rest = formatDuration(breaker.cooldownRemainingMs);
      add("alarm", "breaker_open", `The circuit breaker is ${breaker.state.replace("_", "-")}; the next try is in ${rest} at the latest.`);
    } else if (age > NO_PROGRESS_MS) {
      const who = silentMs === null ? "No app processes this queue" : "It is processed";
      add(
        "alarm",
        "no_progress",
        `${who}, and the oldest of ${waiting} has waited for ${formatDuration(age)}. Is the app running, and online?`,
      );
    }
    if (waiting > BACKLOG && age > BACKLOG_MS)
      add("alarm", "backlog", `${operations(waiting)} wait, the oldest for ${formatDuration(age)}.`);
  }
  const failed = counts.failed + counts.parked;
  if (failed > 0) add("notice", "failed", `${operations(failed)} failed and wait for somebody: \`guardian failed list\`.`);
  if (counts.conflict > 0) add("notice", "conflict", `${operations(counts.conflict)} in conflict wait for the app's user.`);
  return problems;
}

function operations(count: number): string {
  return count === 1 ? "1 operation" : `${count} operations`;
}
