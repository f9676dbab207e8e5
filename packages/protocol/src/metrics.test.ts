import { expect, test } from "vitest";
import { IDEMPOTENCY_INSTRUMENTS, SYNC_INSTRUMENTS } from "./dotted-metrics.ts";
import { ATTEMPT_RESULTS, attemptResult, FAMILY_METRICS } from "./family-metrics.ts";
import { MANDATED_METRICS } from "./mandated-metrics.ts";
import { MAX_SERIES, type MetricDefinition, prometheusName } from "./metric-definition.ts";
import { NEXT_STEPS } from "./outcome.ts";

const ALL = [...MANDATED_METRICS, ...SYNC_INSTRUMENTS, ...IDEMPOTENCY_INSTRUMENTS, ...FAMILY_METRICS];

test("T1 the mandated names, exactly, with their types and without labels", () => {
  expect(MANDATED_METRICS.map(({ name, type }) => `${type} ${name}`)).toEqual([
    "gauge pending_ops_gauge",
    "gauge active_processors_gauge",
    "counter enqueued_ops_total",
    "counter coalesced_ops_total",
    "counter processed_ops_total",
    "counter failed_ops_total",
    "counter backoff_events_total",
    "counter circuit_tripped_total",
    "counter retries_total",
    "counter conflicts_resolved_total",
    "counter auth_refresh_total",
    "counter pin_failures_total",
    "counter lock_takeover_total",
    "histogram avg_processing_time_ms",
    "gauge success_rate_percent",
    "gauge failure_rate_per_min",
    "gauge network_health_score",
  ]);
  expect(MANDATED_METRICS.some(({ labels }) => labels !== undefined)).toBe(false);
  const { edges } = MANDATED_METRICS.find(({ type }) => type === "histogram")!;
  expect(edges).toEqual([10, 50, 100, 250, 500, 1000, 2500, 5000, 7500, 10000, 30000, 60000]);
});

test("the dotted names, exactly", () => {
  expect(SYNC_INSTRUMENTS.map(({ name }) => name).sort()).toEqual(
    [
      "sync.pending_ops.count",
      "sync.pending_ops.age_p50",
      "sync.pending_ops.age_p99",
      "sync.processed.count",
      "sync.processed.success",
      "sync.processed.failed",
      "sync.process_time.avg",
      "sync.process_time.p99",
      "sync.retries.count",
      "sync.backoff.duration.avg",
      "sync.retry_after.count",
      "sync.errors.transient",
      "sync.errors.permanent",
      "sync.errors.ambiguous",
      "sync.errors.network",
      "sync.retries.exhausted",
      "sync.errors.server",
      "sync.errors.validation",
      "sync.errors.auth",
      "sync.errors.conflict",
      "sync.processor.active",
      "sync.lock.takeover.count",
      "sync.memory.usage",
    ].sort(),
  );
  expect(IDEMPOTENCY_INSTRUMENTS.map(({ name }) => name)).toEqual([
    "idempotency.cache_hit_rate",
    "idempotency.concurrent_requests.count",
    "idempotency.cache_size.entries",
    "idempotency.stale_keys.count",
  ]);
  expect(prometheusName("sync.backoff.duration.avg")).toBe("sync_backoff_duration_avg");
});

test("every name is a Prometheus name, stands once and has help", () => {
  const names = ALL.map(({ name }) => prometheusName(name));
  expect(new Set(names).size).toBe(names.length);
  for (const { name, help, type, edges } of ALL) {
    expect(prometheusName(name)).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(help.length).toBeGreaterThan(10);
    expect(edges !== undefined).toBe(type === "histogram");
    expect(edges ?? []).toEqual([...(edges ?? [])].sort((a, b) => a - b));
  }
});

test("the modern family keeps the conventions: prefix, base units, _total on counters only", () => {
  for (const { name, type } of FAMILY_METRICS) {
    expect(name).toMatch(/^guardian_sync_/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    expect(name).not.toMatch(/_(?:ms|milliseconds|kb|percent|gauge|counter|histogram)(?:_|$)/);
  }
});

test("labels are few, from closed sets, and never name a person or a thing", () => {
  for (const { labels = {} } of FAMILY_METRICS) {
    expect(Object.keys(labels).length).toBeLessThanOrEqual(2);
    for (const name of Object.keys(labels))
      expect(["state", "outcome", "operation_type", "result", "error_class", "action"]).toContain(name);
  }
  expect(ALL.reduce((sum, definition) => sum + seriesOf(definition), 0)).toBeLessThanOrEqual(MAX_SERIES);
});

test("every next step counts as one result of an attempt", () => {
  expect(new Set(NEXT_STEPS.map(attemptResult))).toEqual(new Set(ATTEMPT_RESULTS));
});

function seriesOf({ labels = {}, edges }: MetricDefinition): number {
  const children = Object.values(labels).reduce((product, values) => product * ("atMost" in values ? values.atMost : values.length), 1);
  return children * (edges === undefined ? 1 : edges.length + 3);
}
