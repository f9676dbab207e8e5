/** `guardian-sync/metrics`: what an engine has measured, as text, JSON or a summary for people. */
import { type Metrics, MetricsRegistry, renderJson, renderPrometheus, renderSummary } from "@guardian-sync/telemetry";

/** Whatever has metrics: an engine, or anything that carries a registry. */
export interface Measured {
  readonly metrics: Metrics;
}

/** Prometheus text format 0.0.4. */
export function prometheus(sync: Measured): string {
  return renderPrometheus(registryOf(sync));
}

/** `{gauges, counters, histograms, health}`. */
export function json(sync: Measured): ReturnType<typeof renderJson> {
  return renderJson(registryOf(sync));
}

export function summary(sync: Measured): string {
  return renderSummary(registryOf(sync));
}

function registryOf({ metrics }: Measured): MetricsRegistry {
  if (metrics instanceof MetricsRegistry) return metrics;
  throw new TypeError("this engine measures into another system (option telemetry.metrics); ask that one, or give it a MetricsRegistry");
}
