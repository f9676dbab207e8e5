import type { Counter, Gauge, Histogram } from "./metrics-port.ts";

/** One series of a counter. */
export class CounterCell implements Counter {
  value = 0;

  inc(by = 1): void {
    if (by > 0 && by < Number.POSITIVE_INFINITY) this.value += by;
  }
}

/** One series of a gauge: a value, or somebody to ask. NaN is "no data". */
export class GaugeCell implements Gauge {
  #value: number;
  #read: (() => number) | undefined;

  constructor(value: number) {
    this.#value = value;
  }

  get value(): number {
    if (this.#read === undefined) return this.#value;
    try {
      return Number(this.#read());
    } catch {
      return Number.NaN;
    }
  }

  set(value: number): void {
    this.#value = value;
    this.#read = undefined;
  }

  from(read: () => number): void {
    this.#read = read;
  }
}

/** One histogram with fixed edges. `counts` has one more entry than `edges`: what lies above the last. */
export class HistogramCell implements Histogram {
  readonly edges: readonly number[];
  readonly counts: Float64Array;
  count = 0;
  sum = 0;

  constructor(edges: readonly number[]) {
    this.edges = edges;
    this.counts = new Float64Array(edges.length + 1);
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    const { edges, counts } = this;
    let bucket = 0;
    while (bucket < edges.length && value > (edges[bucket] as number)) bucket++;
    counts[bucket] = (counts[bucket] as number) + 1;
    this.count += 1;
    this.sum += value;
  }

  /**
   * The value below which the share `q` (0–1) of all observations lies, interpolated within its bucket as Prometheus'
   * `histogram_quantile` does; above the last edge, that edge. NaN when there is nothing.
   */
  quantile(q: number): number {
    const rank = q * this.count;
    if (this.count === 0) return Number.NaN;
    let below = 0;
    for (const [i, edge] of this.edges.entries()) {
      const inside = this.counts[i] as number;
      if (inside > 0 && below + inside >= rank) {
        const start = i === 0 ? 0 : (this.edges[i - 1] as number);
        return start + (edge - start) * ((rank - below) / inside);
      }
      below += inside;
    }
    return this.edges.at(-1) ?? Number.NaN;
  }
}
