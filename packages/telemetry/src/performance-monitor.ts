import { MAX_OPERATION_TYPE_LABELS, OTHER_LABEL } from "@guardian-sync/protocol";
import { RollingSamples } from "./samples.ts";

/** Rolling figures of one kind of operation. */
export interface PerformanceFigures {
  readonly count: number;
  readonly avg_ms: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
}

/** How long the last 100 operations of each kind took. At most twenty kinds; the rest share `other`. */
export class SyncPerformanceMonitor {
  readonly #kinds = new Map<string, RollingSamples>();
  readonly #perKind: number;

  constructor(options: { readonly samplesPerKind?: number } = {}) {
    this.#perKind = options.samplesPerKind ?? 100;
  }

  record(kind: string, durationMs: number): void {
    let samples = this.#kinds.get(kind);
    if (samples === undefined) {
      const name = this.#kinds.size < MAX_OPERATION_TYPE_LABELS - 1 ? kind : OTHER_LABEL;
      samples = this.#kinds.get(name) ?? new RollingSamples(this.#perKind);
      this.#kinds.set(name, samples);
    }
    samples.add(durationMs);
  }

  /** `undefined` for a kind that was never recorded. */
  figures(kind: string): PerformanceFigures | undefined {
    const samples = this.#kinds.get(kind);
    if (samples === undefined || samples.count === 0) return undefined;
    return { count: samples.count, avg_ms: samples.mean(), p50_ms: samples.quantile(0.5), p95_ms: samples.quantile(0.95) };
  }

  kinds(): readonly string[] {
    return [...this.#kinds.keys()];
  }
}
