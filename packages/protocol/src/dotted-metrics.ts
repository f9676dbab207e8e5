import type { MetricDefinition } from "./metric-definition.ts";

const counter = (name: string, help: string, unit = "{operation}"): MetricDefinition => ({ name, type: "counter", help, unit });
const gauge = (name: string, unit: string, help: string): MetricDefinition => ({ name, type: "gauge", help, unit });

const emptyGauge = (name: string, unit: string, help: string): MetricDefinition => ({ ...gauge(name, unit, help), startsEmpty: true });

/** OpenTelemetry instruments of the client, without labels. In Prometheus text with underscores. */
export const SYNC_INSTRUMENTS: readonly MetricDefinition[] = [
  gauge("sync.pending_ops.count", "{operation}", "Operations waiting in the queue."),
  gauge("sync.pending_ops.age_p50", "ms", "Median age of the waiting operations, in milliseconds."),
  gauge("sync.pending_ops.age_p99", "ms", "99th percentile of the age of the waiting operations, in milliseconds."),
  counter("sync.processed.count", "Operations that ended, well or badly."),
  counter("sync.processed.success", "Operations that succeeded."),
  counter("sync.processed.failed", "Operations moved to failed."),
  emptyGauge("sync.process_time.avg", "ms", "Mean processing time of recent operations, in milliseconds."),
  emptyGauge("sync.process_time.p99", "ms", "99th percentile of the processing time of recent operations, in milliseconds."),
  counter("sync.retries.count", "Tries after the first."),
  counter("sync.retries.exhausted", "Operations that used up their tries."),
  emptyGauge("sync.backoff.duration.avg", "ms", "Mean delay before another try, in milliseconds."),
  counter("sync.retry_after.count", "Delays that a server asked for by Retry-After.", "{delay}"),
  counter("sync.errors.transient", "Errors that may pass by themselves.", "{error}"),
  counter("sync.errors.permanent", "Errors that will not pass.", "{error}"),
  counter("sync.errors.ambiguous", "Answers that needed the reconciler.", "{error}"),
  counter("sync.errors.network", "Requests without a readable answer.", "{error}"),
  counter("sync.errors.server", "Answers with a status of 500 or above.", "{error}"),
  counter("sync.errors.validation", "Operations refused as invalid.", "{error}"),
  counter("sync.errors.auth", "Answers that asked for another token or permission.", "{error}"),
  counter("sync.errors.conflict", "Answers 409, 412 and 428.", "{error}"),
  gauge("sync.processor.active", "{processor}", "1 while this process holds the processing lock."),
  counter("sync.lock.takeover.count", "Times the processing lock was taken from a stale holder or released by force.", "{takeover}"),
  emptyGauge("sync.memory.usage", "By", "Heap in use, in bytes; NaN where the platform does not tell."),
];

/** Of the server, about its ledger of keys. */
export const IDEMPOTENCY_INSTRUMENTS: readonly MetricDefinition[] = [
  emptyGauge("idempotency.cache_hit_rate", "1", "Share of keyed writes answered from the ledger, 0 to 1; NaN while there were none."),
  counter("idempotency.concurrent_requests.count", "Requests that met their own key still being executed.", "{request}"),
  gauge("idempotency.cache_size.entries", "{entry}", "Rows in the ledger."),
  gauge("idempotency.stale_keys.count", "{entry}", "Rows in the ledger that are past its window and wait to be swept."),
];
