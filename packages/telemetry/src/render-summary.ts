import type { MetricsRegistry } from "./registry.ts";
import { type HistogramJson, type MetricJson, renderJson } from "./render-json.ts";

/**
 * The registry as text for a terminal: health, what is now, what was so far, how long it took. Of metrics with labels,
 * only the series that are not 0.
 */
export function renderSummary(registry: MetricsRegistry): string {
  const { health, gauges, counters, histograms } = renderJson(registry);
  const sections: readonly (readonly [title: string, lines: readonly Line[]])[] = [
    ["Health", linesOf(health)],
    ["Now", linesOf(gauges)],
    ["So far", linesOf(counters)],
    ["Durations", Object.entries(histograms).map(([name, value]) => [name, duration(value)] as const)],
  ];
  const filled = sections.filter(([, lines]) => lines.length > 0);
  const width = Math.max(0, ...filled.flatMap(([, lines]) => lines.map(([name]) => name.length)));
  return filled
    .map(([title, lines]) => `${title}\n${lines.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`).join("")}`)
    .join("\n");
}

type Line = readonly [name: string, value: string];

function linesOf(group: { readonly [name: string]: MetricJson }): readonly Line[] {
  return Object.entries(group).flatMap(([name, value]) =>
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([labels, one]): Line[] => (one === 0 ? [] : [[`${name} ${labels}`, shown(one)]]))
      : [[name, shown(value)] satisfies Line],
  );
}

function duration({ count, sum, p50, p95, p99 }: HistogramJson): string {
  if (count === 0) return "no data";
  return `n ${count}, mean ${shown(sum / count)}, p50 ${shown(p50)}, p95 ${shown(p95)}, p99 ${shown(p99)}`;
}

function shown(value: number | null): string {
  return value === null ? "no data" : String(Math.round(value * 100) / 100);
}
