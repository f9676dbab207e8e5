import { MANDATED_METRICS, type MetricDefinition } from "@guardian-sync/protocol";
import type { Counter, Histogram, Metrics } from "@guardian-sync/telemetry";
import type { Emitter } from "./events.ts";

const FAILURE_WINDOW_MS = 60_000;
const MAX_SAMPLES = 1000;

/** What the mandated gauges are read from. */
export interface GaugeSource {
  readonly pending: () => number;
  readonly isProcessor: () => boolean;
}

/** Feeds the mandated metrics from the engine's events. Recording is an addition; nothing is kept per operation. */
export class Meters {
  readonly #counters: ReadonlyMap<string, Counter>;
  readonly #processing: Histogram;
  readonly #finished: boolean[] = [];
  readonly #failedAt: number[] = [];
  readonly #exchanges: boolean[] = [];
  readonly #now: () => number;

  constructor(metrics: Metrics, events: Emitter, now: () => number, source: GaugeSource) {
    this.#now = now;
    const byName = new Map(MANDATED_METRICS.map((definition) => [definition.name, definition]));
    const named = (name: string): MetricDefinition => {
      const definition = byName.get(name);
      if (definition === undefined) throw new RangeError(`no mandated metric is called ${name}`);
      return definition;
    };
    this.#counters = new Map(
      MANDATED_METRICS.filter((definition) => definition.type === "counter").map((definition) => [
        definition.name,
        metrics.counter(definition),
      ]),
    );
    this.#processing = metrics.histogram(named("avg_processing_time_ms"));
    metrics.gaugeFrom(source.pending, named("pending_ops_gauge"));
    metrics.gaugeFrom(() => (source.isProcessor() ? 1 : 0), named("active_processors_gauge"));
    metrics.gaugeFrom(() => share(this.#finished) * 100, named("success_rate_percent"));
    metrics.gaugeFrom(() => this.#failuresInWindow(), named("failure_rate_per_min"));
    metrics.gaugeFrom(() => Math.round(share(this.#exchanges) * 100), named("network_health_score"));
    this.#subscribe(events);
  }

  enqueued(count: number): void {
    this.#count("enqueued_ops_total", count);
  }

  /** Whether a request got an answer. */
  exchanged(answered: boolean): void {
    keep(this.#exchanges, answered);
  }

  delayed(): void {
    this.#count("backoff_events_total");
  }

  refreshed(): void {
    this.#count("auth_refresh_total");
  }

  #subscribe(events: Emitter): void {
    events.on("succeeded", ({ processingMs }) => {
      this.#count("processed_ops_total");
      this.#processing.observe(processingMs);
      keep(this.#finished, true);
    });
    events.on("folded", () => this.#count("coalesced_ops_total"));
    events.on("failed", () => this.#failed());
    events.on("parked", () => this.#failed());
    events.on("retried", () => this.#count("retries_total"));
    events.on("resolved", () => this.#count("conflicts_resolved_total"));
    events.on("breaker", ({ state }) => {
      if (state === "open") this.#count("circuit_tripped_total");
    });
    events.on("security", ({ code }) => {
      if (code === "PIN_MISMATCH") this.#count("pin_failures_total");
    });
    events.on("lock", ({ change }) => {
      if (change === "taken_over" || change === "forced") this.#count("lock_takeover_total");
    });
  }

  #failed(): void {
    this.#count("failed_ops_total");
    keep(this.#finished, false);
    keep(this.#failedAt, this.#now());
  }

  #failuresInWindow(): number {
    const since = this.#now() - FAILURE_WINDOW_MS;
    return this.#failedAt.filter((at) => at > since).length;
  }

  #count(name: string, by = 1): void {
    this.#counters.get(name)?.inc(by);
  }
}

function keep<T>(samples: T[], sample: T): void {
  if (samples.push(sample) > MAX_SAMPLES) samples.shift();
}

/** NaN, "no data", while there are no samples. */
function share(samples: readonly boolean[]): number {
  return samples.length === 0 ? Number.NaN : samples.filter(Boolean).length / samples.length;
}
