import { ERROR_CLASS_LABELS } from "./error-class.ts";
import { MAX_OPERATION_TYPE_LABELS, type MetricDefinition } from "./metric-definition.ts";
import type { NextStep } from "./outcome.ts";

/** Where an operation can stand while its row exists. */
export const OPERATION_STATES = [
  "pending",
  "blocked",
  "sealed",
  "acked",
  "failed",
  "parked",
  "conflict",
  "quarantined",
  "archived",
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** How an operation can end for whoever awaits it. */
export const SETTLED_OUTCOMES = ["applied", "rejected", "failed", "conflict", "cancelled", "expired", "superseded"] as const;
export type SettledOutcome = (typeof SETTLED_OUTCOMES)[number];

/** What one try came to, in the coarse terms of a dashboard. */
export const ATTEMPT_RESULTS = ["success", "retry", "wait", "failure", "conflict", "auth", "pause", "cancelled"] as const;
export type AttemptResult = (typeof ATTEMPT_RESULTS)[number];

export const BREAKER_STATES = ["closed", "open", "half_open"] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** What an operator can do through console or command line. */
export const ADMIN_ACTIONS = [
  "pause",
  "resume",
  "retry",
  "retry_all",
  "clear_failed",
  "archive",
  "restore_failed",
  "discard",
  "resolve_conflict",
  "release_lock",
  "rebuild_index",
  "compact",
  "export",
  "backup",
  "restore_backup",
] as const;
export type AdminAction = (typeof ADMIN_ACTIONS)[number];

const RESULT_OF: Readonly<Record<NextStep, AttemptResult>> = {
  succeed: "success",
  confirm: "wait",
  ignore: "wait",
  follow: "retry",
  retry: "retry",
  wait: "wait",
  fail: "failure",
  cancel: "cancelled",
  reconcile: "conflict",
  gone: "conflict",
  authenticate: "auth",
  pause: "pause",
  concurrent: "wait",
  rewind: "retry",
  lock_lost: "pause",
  split: "retry",
  mismatch: "failure",
  unseal: "retry",
  correct_clock: "retry",
  rate_limit: "wait",
  tls: "pause",
};
/** The value of the label `result` for a row of the outcome table. */
export function attemptResult(next: NextStep): AttemptResult {
  return RESULT_OF[next];
}

const PROCESSING_EDGES_S: readonly number[] = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 30, 60];
/** An operation can wait for days. */
const WAITING_EDGES_S: readonly number[] = [0.1, 0.5, 1, 5, 15, 60, 300, 1800, 3600, 21_600, 86_400, 604_800];

const gauge = (name: string, help: string, unit: string): MetricDefinition => ({ name, type: "gauge", help, unit });

/** The modern family: base units, labels from closed sets. `promtool check metrics` has nothing to say about it. */
export const FAMILY_METRICS: readonly MetricDefinition[] = [
  {
    ...gauge("guardian_sync_operations", "Operations in the store by state.", "{operation}"),
    labels: { state: OPERATION_STATES },
  },
  {
    name: "guardian_sync_settled_operations_total",
    type: "counter",
    help: "Operations that ended, by outcome and operation type.",
    labels: { outcome: SETTLED_OUTCOMES, operation_type: { atMost: MAX_OPERATION_TYPE_LABELS } },
  },
  {
    name: "guardian_sync_attempts_total",
    type: "counter",
    help: "Tries by what they came to.",
    labels: { result: ATTEMPT_RESULTS },
  },
  {
    name: "guardian_sync_attempt_errors_total",
    type: "counter",
    help: "Tries that did not succeed, by class of error.",
    labels: { error_class: ERROR_CLASS_LABELS },
  },
  {
    name: "guardian_sync_processing_seconds",
    type: "histogram",
    help: "From the first byte sent to the recorded outcome.",
    unit: "s",
    edges: PROCESSING_EDGES_S,
  },
  {
    name: "guardian_sync_queue_wait_seconds",
    type: "histogram",
    help: "From the call to the first byte sent.",
    unit: "s",
    edges: WAITING_EDGES_S,
  },
  {
    name: "guardian_sync_end_to_end_seconds",
    type: "histogram",
    help: "From the call to the recorded outcome.",
    unit: "s",
    edges: WAITING_EDGES_S,
  },
  gauge(
    "guardian_sync_oldest_pending_timestamp_seconds",
    "When the oldest waiting operation was enqueued, Unix time; 0 when none waits.",
    "s",
  ),
  gauge("guardian_sync_lock_heartbeat_timestamp_seconds", "Last heartbeat of the processing lock, Unix time; 0 when nobody holds it.", "s"),
  {
    ...gauge("guardian_sync_breaker_state", "1 for the state that the circuit breaker is in.", "1"),
    labels: { state: BREAKER_STATES },
  },
  gauge("guardian_sync_store_bytes", "Bytes that the store takes on disk.", "By"),
  {
    ...gauge("guardian_sync_store_quota_bytes", "Bytes that the store may take; NaN where the platform does not tell.", "By"),
    startsEmpty: true,
  },
  gauge("guardian_sync_index_drift", "Entries by which the pending index differed from the rows when last verified.", "{entry}"),
  {
    name: "guardian_sync_watchdog_wakeups_total",
    type: "counter",
    help: "Times work was pending with nothing scheduled, and the watchdog healed it.",
  },
  {
    name: "guardian_sync_admin_actions_total",
    type: "counter",
    help: "Actions of operators.",
    labels: { action: ADMIN_ACTIONS },
  },
];
