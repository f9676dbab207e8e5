import { type MetricDefinition, prometheusName } from "@guardian-sync/protocol";
import { HistogramCell } from "./cells.ts";
import type { MetricsRegistry, Series } from "./registry.ts";

/** For the answer of `/metrics`. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The registry in the Prometheus text format, version 0.0.4. */
export function renderPrometheus(registry: MetricsRegistry): string {
  let text = "";
  for (const { definition, series } of registry.families()) {
    const name = prometheusName(definition.name);
    text += `# HELP ${name} ${definition.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${definition.type}\n`;
    for (const one of series) text += samples(name, definition, one);
  }
  return text;
}

function samples(name: string, definition: MetricDefinition, { labels, cell }: Series): string {
  const names = Object.keys(definition.labels ?? {});
  const pairs = labels.map((value, i) => `${names[i]}="${labelText(value)}"`);
  const set = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  if (!(cell instanceof HistogramCell)) return `${name}${set} ${number(cell.value)}\n`;
  let text = "";
  let cumulative = 0;
  for (const [i, count] of cell.counts.entries()) {
    cumulative += count;
    const edge = cell.edges[i] ?? Number.POSITIVE_INFINITY;
    text += `${name}_bucket{${[...pairs, `le="${number(edge)}"`].join(",")}} ${number(cumulative)}\n`;
  }
  return `${text}${name}_sum${set} ${number(cell.sum)}\n${name}_count${set} ${number(cell.count)}\n`;
}

function labelText(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}
