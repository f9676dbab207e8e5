import { type LabelValues, MAX_SERIES, type MetricDefinition, OTHER_LABEL } from "@guardian-sync/protocol";
import { CounterCell, GaugeCell, HistogramCell } from "./cells.ts";
import type { Counter, Gauge, Histogram, Metrics } from "./metrics-port.ts";

/** One series: its label values in the order of the definition, and its cell. */
export interface Series {
  readonly labels: readonly string[];
  readonly cell: CounterCell | GaugeCell | HistogramCell;
}
/** One metric with all its series. */
export interface Family {
  readonly definition: MetricDefinition;
  readonly series: readonly Series[];
}

/**
 * All metrics of one process. Every series that can be known beforehand exists from the start, counters at 0: one that
 * is first seen at 60 hides sixty events. Bounded: more series than `maxSeries` are refused when they are registered,
 * not when they are recorded.
 */
export class MetricsRegistry implements Metrics {
  readonly #families = new Map<string, FamilyCells>();
  readonly #maxSeries: number;
  #reserved = 0;

  constructor(definitions: readonly MetricDefinition[] = [], options: { readonly maxSeries?: number } = {}) {
    this.#maxSeries = options.maxSeries ?? MAX_SERIES;
    for (const definition of definitions) this.register(definition);
  }

  /**
   * Adds a metric; the same definition again changes nothing.
   * @throws TypeError if its name is taken by another type; RangeError if its series would be too many.
   */
  register(definition: MetricDefinition): void {
    this.#family(definition);
  }

  counter(definition: MetricDefinition, first?: string, second?: string): Counter {
    return this.#cell(definition, "counter", first, second) as CounterCell;
  }

  gauge(definition: MetricDefinition, first?: string, second?: string): Gauge {
    return this.#cell(definition, "gauge", first, second) as GaugeCell;
  }

  histogram(definition: MetricDefinition, first?: string, second?: string): Histogram {
    return this.#cell(definition, "histogram", first, second) as HistogramCell;
  }

  gaugeFrom(read: () => number, definition: MetricDefinition, first?: string, second?: string): void {
    (this.#cell(definition, "gauge", first, second) as GaugeCell).from(read);
  }

  /** In the order of registration, for whoever renders. */
  families(): readonly Family[] {
    return [...this.#families.values()].map(({ definition, series }) => ({ definition, series }));
  }

  #cell(
    definition: MetricDefinition,
    type: MetricDefinition["type"],
    first: string | undefined,
    second: string | undefined,
  ): Series["cell"] {
    if (definition.type !== type) throw new TypeError(`${definition.name} is a ${definition.type}, not a ${type}`);
    return this.#family(definition).cell(first, second);
  }

  #family(definition: MetricDefinition): FamilyCells {
    const known = this.#families.get(definition.name);
    if (known !== undefined) {
      if (known.definition.type !== definition.type)
        throw new TypeError(`${definition.name} is already a ${known.definition.type}, and cannot be a ${definition.type} too`);
      return known;
    }
    const reserved = seriesOf(definition);
    if (this.#reserved + reserved > this.#maxSeries)
      throw new RangeError(`${definition.name} would make ${this.#reserved + reserved} series, more than ${this.#maxSeries}`);
    this.#reserved += reserved;
    const family = new FamilyCells(definition);
    this.#families.set(definition.name, family);
    return family;
  }
}

/** Lines of Prometheus text that a metric can come to. */
function seriesOf({ labels = {}, edges }: MetricDefinition): number {
  const children = Object.values(labels).reduce((product, values) => product * atMost(values), 1);
  return children * (edges === undefined ? 1 : edges.length + 3);
}

function atMost(values: LabelValues): number {
  return "atMost" in values ? values.atMost : values.length;
}

class FamilyCells implements Family {
  readonly definition: MetricDefinition;
  readonly series: Series[] = [];
  readonly #sets: readonly LabelValues[];
  readonly #cells = new Map<string, Map<string, Series["cell"]>>();
  /** Values taken so far by each open label. */
  readonly #seen: readonly Set<string>[];

  constructor(definition: MetricDefinition) {
    this.definition = definition;
    this.#sets = Object.values(definition.labels ?? {});
    if (this.#sets.length > 2) throw new RangeError(`${definition.name} has ${this.#sets.length} labels, more than 2`);
    this.#seen = this.#sets.map(() => new Set<string>([OTHER_LABEL]));
    this.#fill();
  }

  cell(first = "", second = ""): Series["cell"] {
    const cell = this.#cells.get(first)?.get(second);
    if (cell !== undefined) return cell;
    const a = this.#value(0, first);
    const b = this.#value(1, second);
    // A value outside a closed set has no place in the output: it is measured where nobody looks.
    if (a === undefined || b === undefined) return newCell(this.definition);
    return this.#cells.get(a)?.get(b) ?? newCell(this.definition);
  }

  /** Every combination of the label values known so far, so that a new value is born with all its series. */
  #fill(): void {
    const [first = [""], second = [""]] = this.#sets.map((values, i) => ("atMost" in values ? (this.#seen[i] ?? []) : values));
    for (const a of first) for (const b of second) this.#create(a, b);
  }

  /** The label value to use, or `undefined` when the set is closed to it. */
  #value(label: 0 | 1, value: string): string | undefined {
    const values = this.#sets[label];
    if (values === undefined) return value === "" ? "" : undefined;
    if (!("atMost" in values)) return values.includes(value) ? value : values.find((known) => known === OTHER_LABEL);
    const seen = this.#seen[label] as Set<string>;
    if (seen.has(value)) return value;
    if (value === "" || seen.size >= values.atMost) return OTHER_LABEL;
    seen.add(value);
    this.#fill();
    return value;
  }

  #create(first: string, second: string): void {
    const row = this.#cells.get(first) ?? new Map<string, Series["cell"]>();
    if (row.has(second)) return;
    const cell = newCell(this.definition);
    this.#cells.set(first, row.set(second, cell));
    this.series.push({ labels: [first, second].slice(0, this.#sets.length), cell });
  }
}

function newCell({ type, edges = [], startsEmpty }: MetricDefinition): Series["cell"] {
  if (type === "counter") return new CounterCell();
  return type === "gauge" ? new GaugeCell(startsEmpty === true ? Number.NaN : 0) : new HistogramCell(edges);
}
