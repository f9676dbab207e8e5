import type { MetricDefinition } from "./metric-definition.ts";

/**
 * Upper bounds in ms. The first specification ended at 1000; an alert on p95 > 5000 can never fire on buckets that end
 * there, so they go on.
 */
export const PROCESSING_TIME_EDGES_MS: readonly number[] = [10, 50, 100, 250, 500, 1000, 2500, 5000, 7500, 10_000, 30_000, 60_000];

const counter = (name: string, help: string): MetricDefinition => ({ name, type: "counter", help });
const gauge = (name: string, help: string): MetricDefinition => ({ name, type: "gauge", help });

/** The names that dashboards and rules out in the world rely on. They carry no labels and never change. */
export const MANDATED_METRICS: readonly MetricDefinition[] = [
  gauge("pending_ops_gauge", "Operations waiting in the queue."),
  gauge("active_processors_gauge", "Processors that hold the lock: 0 or 1 for each queue."),
  counter("enqueued_ops_total", "Operations accepted into the queue."),
  counter("coalesced_ops_total", "Operations folded into another before they were sent."),
  counter("processed_ops_total", "Operations that succeeded."),
  counter("failed_ops_total", "Operations moved to failed."),
  counter("backoff_events_total", "Delays applied before another try."),
  counter("circuit_tripped_total", "Times the circuit breaker opened."),
  counter("retries_total", "Tries after the first."),
  counter("conflicts_resolved_total", "Answers 409 and 412 that were resolved."),
  counter("auth_refresh_total", "Token refreshes."),
  counter("pin_failures_total", "Connections refused because no certificate pin matched."),
  counter("lock_takeover_total", "Times the processing lock was taken from a stale holder or released by force."),
  {
    name: "avg_processing_time_ms",
    type: "histogram",
    help: "Time from the first byte sent to the recorded outcome, in milliseconds.",
    unit: "ms",
    edges: PROCESSING_TIME_EDGES_MS,
  },
  {
    ...gauge("success_rate_percent", "Succeeded among recently finished operations; NaN while none finished."),
    unit: "%",
    health: true,
    startsEmpty: true,
  },
  { ...gauge("failure_rate_per_min", "Operations that failed in the last minute."), health: true },
  {
    ...gauge("network_health_score", "How well requests get through, 0 to 100; NaN while none was made."),
    health: true,
    startsEmpty: true,
  },
];
