import type { MetricDefinition } from "@guardian-sync/protocol";

/** Only goes up, from 0. What is not a positive number is ignored: recording never breaks what it measures. */
export interface Counter {
  inc(by?: number): void;
}
export interface Gauge {
  set(value: number): void;
}
export interface Histogram {
  observe(value: number): void;
}

/**
 * Where measurements go. Labels are given by value, in the order of the definition. Fetch an instrument once and keep
 * it: recording then costs an addition and allocates nothing.
 */
export interface Metrics {
  counter(definition: MetricDefinition, first?: string, second?: string): Counter;
  gauge(definition: MetricDefinition, first?: string, second?: string): Gauge;
  histogram(definition: MetricDefinition, first?: string, second?: string): Histogram;
  /** The gauge asks for its value whenever somebody looks. A `read` that throws counts as no data. */
  gaugeFrom(read: () => number, definition: MetricDefinition, first?: string, second?: string): void;
}

const NOTHING: Counter & Gauge & Histogram = { inc() {}, set() {}, observe() {} };

/** Measures nothing. */
export const NO_METRICS: Metrics = { counter: () => NOTHING, gauge: () => NOTHING, histogram: () => NOTHING, gaugeFrom() {} };
