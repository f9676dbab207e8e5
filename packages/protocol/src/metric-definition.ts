/** Most series that one process exports, all names and label values together. */
export const MAX_SERIES = 500;
/** What a label value becomes that is not in its set, or one too many. */
export const OTHER_LABEL = "other";
/** Most operation types that get a label value of their own; the rest are `other`. */
export const MAX_OPERATION_TYPE_LABELS = 20;

/** The values of one label: a closed list, or at most so many names that appear at run time. */
export type LabelValues = readonly string[] | { readonly atMost: number };

/** One metric as data: what creates it, what documents it, what dashboards and alert rules refer to. */
export interface MetricDefinition {
  /** As Prometheus shows it, or dotted for OpenTelemetry (see `prometheusName`). */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** UCUM unit for OpenTelemetry: `ms`, `s`, `By`, `%`, `{operation}`. */
  readonly unit?: string;
  /** Upper bounds (`le`) of a histogram's buckets, ascending, without +Inf. */
  readonly edges?: readonly number[];
  /** At most two labels. Never ids, users, URLs or messages. */
  readonly labels?: { readonly [label: string]: LabelValues };
  /** Shown under `health` instead of `gauges` in JSON. */
  readonly health?: true;
  /** A gauge that has no value until somebody sets one: NaN in Prometheus text, `null` in JSON. Others start at 0. */
  readonly startsEmpty?: true;
}

/** A dotted name in Prometheus text: `sync.errors.auth` → `sync_errors_auth`. */
export function prometheusName(name: string): string {
  return name.replaceAll(".", "_");
}
