import { prometheusName } from "@guardian-sync/protocol";
import { HistogramCell } from "./cells.ts";
import type { MetricsRegistry } from "./registry.ts";

/** `null`: no data. A metric with labels is an object, its keys like `state=pending` or `outcome=applied,operation_type=CREATE`. */
export type MetricJson = number | null | { readonly [labels: string]: number | null };
export interface HistogramJson {
  readonly count: number;
  readonly sum: number;
  /** Cumulative, by upper edge; the last is `+Inf`. */
  readonly buckets: { readonly [le: string]: number };
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}
export interface MetricsJson {
  readonly gauges: { readonly [name: string]: MetricJson };
  readonly counters: { readonly [name: string]: MetricJson };
  readonly histograms: { readonly [name: string]: HistogramJson };
  readonly health: { readonly [name: string]: MetricJson };
}

/** The registry for `/metrics.json`. Plain data: `JSON.stringify` loses nothing. */
export function renderJson(registry: MetricsRegistry): MetricsJson {
  const gauges: Record<string, MetricJson> = {};
  const counters: Record<string, MetricJson> = {};
  const histograms: Record<string, HistogramJson> = {};
  const health: Record<string, MetricJson> = {};
  for (const { definition, series } of registry.families()) {
    const name = prometheusName(definition.name);
    const labelNames = Object.keys(definition.labels ?? {});
    const byLabels: Record<string, number | null> = {};
    for (const { labels, cell } of series) {
      const key = labels.map((value, i) => `${labelNames[i]}=${value}`).join(",");
      if (cell instanceof HistogramCell) histograms[key === "" ? name : `${name}{${key}}`] = histogram(cell);
      else byLabels[key] = orNull(cell.value);
    }
    if (definition.type === "histogram") continue;
    const group = definition.type === "counter" ? counters : definition.health === true ? health : gauges;
    group[name] = labelNames.length === 0 ? (byLabels[""] ?? null) : byLabels;
  }
  return { gauges, counters, histograms, health };
}

function histogram(cell: HistogramCell): HistogramJson {
  const buckets: Record<string, number> = {};
  let cumulative = 0;
  for (const [i, count] of cell.counts.entries()) {
    cumulative += count;
    buckets[String(cell.edges[i] ?? "+Inf")] = cumulative;
  }
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => orNull(cell.quantile(q))) as [number | null, number | null, number | null];
  return { count: cell.count, sum: cell.sum, buckets, p50, p95, p99 };
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
