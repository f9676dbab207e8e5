import {
  FAMILY_METRICS,
  IDEMPOTENCY_INSTRUMENTS,
  MANDATED_METRICS,
  MAX_OPERATION_TYPE_LABELS,
  type MetricDefinition,
  PROCESSING_TIME_EDGES_MS,
  SYNC_INSTRUMENTS,
} from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { HistogramCell } from "./cells.ts";
import { NO_METRICS } from "./metrics-port.ts";
import { NO_TELEMETRY } from "./port.ts";
import { MetricsRegistry } from "./registry.ts";
import { renderJson } from "./render-json.ts";
import { renderPrometheus } from "./render-prometheus.ts";
import { renderSummary } from "./render-summary.ts";

const ALL = [...MANDATED_METRICS, ...SYNC_INSTRUMENTS, ...FAMILY_METRICS, ...IDEMPOTENCY_INSTRUMENTS];
const COUNTER: MetricDefinition = { name: "c_total", type: "counter", help: "Counts." };
const GAUGE: MetricDefinition = { name: "g", type: "gauge", help: "Shows." };
const HISTOGRAM: MetricDefinition = { name: "h", type: "histogram", help: "Spreads.", edges: [10, 100] };
const named = (name: string): MetricDefinition => ALL.find((definition) => definition.name === name)!;

describe("the registry", () => {
  test("T1 holds everything that is mandated within 500 series, counters born at 0", () => {
    const text = renderPrometheus(new MetricsRegistry(ALL));
    for (const { name, type } of MANDATED_METRICS) if (type === "counter") expect(text).toContain(`\n${name} 0\n`);
    expect(text).toContain('guardian_sync_attempts_total{result="failure"} 0\n');
    expect(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length).toBeLessThanOrEqual(500);
  });

  test("counts up only", () => {
    const registry = new MetricsRegistry([COUNTER]);
    const counter = registry.counter(COUNTER);
    counter.inc();
    counter.inc(2.5);
    for (const by of [-1, 0, Number.NaN, Number.POSITIVE_INFINITY]) counter.inc(by);
    expect(registry.counter(COUNTER)).toBe(counter);
    expect(renderJson(registry).counters).toEqual({ c_total: 3.5 });
  });

  test("shows a value or asks for it; who throws has no data", () => {
    const registry = new MetricsRegistry([GAUGE]);
    let value = 7;
    registry.gaugeFrom(() => value, GAUGE);
    value = 8;
    expect(renderJson(registry).gauges).toEqual({ g: 8 });
    registry.gaugeFrom(() => {
      throw new Error("closed");
    }, GAUGE);
    expect(renderJson(registry).gauges).toEqual({ g: null });
    expect(renderPrometheus(registry)).toContain("\ng NaN\n");
    registry.gauge(GAUGE).set(-1);
    expect(renderJson(registry).gauges).toEqual({ g: -1 });
  });

  test("idle reads no data, not 100 %", () => {
    const registry = new MetricsRegistry(MANDATED_METRICS);
    expect(renderJson(registry).health).toEqual({ success_rate_percent: null, failure_rate_per_min: 0, network_health_score: null });
    expect(renderPrometheus(registry)).toContain("\nsuccess_rate_percent NaN\n");
    expect(renderSummary(registry)).toMatch(/success_rate_percent\s+no data/);
  });

  test("label values come from closed sets; another is measured where nobody looks", () => {
    const definition: MetricDefinition = { ...COUNTER, labels: { state: ["a", "b"] } };
    const registry = new MetricsRegistry([definition]);
    registry.counter(definition, "a").inc();
    registry.counter(definition, "user-42").inc();
    registry.counter(definition).inc();
    registry.counter(definition, "a", "b").inc();
    expect(renderJson(registry).counters).toEqual({ c_total: { "state=a": 1, "state=b": 0 } });
    const withOther: MetricDefinition = { ...COUNTER, labels: { state: ["a", "other"] } };
    const second = new MetricsRegistry([withOther]);
    second.counter(withOther, "zzz").inc(3);
    expect(renderJson(second).counters).toEqual({ c_total: { "state=a": 0, "state=other": 3 } });
  });

  test("open labels take the first values, born with all their series, and put the rest into other", () => {
    const definition = named("guardian_sync_settled_operations_total");
    const registry = new MetricsRegistry([definition]);
    registry.counter(definition, "applied", "CREATE").inc();
    expect(renderPrometheus(registry)).toContain('{outcome="failed",operation_type="CREATE"} 0\n');
    for (let i = 0; i < 100; i++) registry.counter(definition, "applied", `device.op${i}`).inc();
    const counts = renderJson(registry).counters[definition.name] as { [labels: string]: number };
    const types = new Set(Object.keys(counts).map((labels) => labels.split("operation_type=")[1]));
    expect(types.size).toBe(MAX_OPERATION_TYPE_LABELS);
    expect(counts["outcome=applied,operation_type=other"]).toBe(100 - (MAX_OPERATION_TYPE_LABELS - 2));
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(101);
  });

  test("refuses what would be too much or too many at once, when it is registered", () => {
    expect(() => new MetricsRegistry([{ ...COUNTER, labels: { a: { atMost: 30 }, b: { atMost: 30 } } }])).toThrow(RangeError);
    expect(() => new MetricsRegistry([HISTOGRAM], { maxSeries: 4 })).toThrow(RangeError);
    expect(() => new MetricsRegistry([{ ...COUNTER, labels: { a: ["1"], b: ["1"], c: ["1"] } }])).toThrow(RangeError);
    const registry = new MetricsRegistry([COUNTER]);
    expect(() => registry.register({ ...GAUGE, name: COUNTER.name })).toThrow(TypeError);
    expect(() => registry.gauge(COUNTER)).toThrow(TypeError);
    registry.register(COUNTER);
    expect(registry.families()).toHaveLength(1);
  });
});

describe("histograms", () => {
  test("count into the first edge that is not below the value", () => {
    const cell = new HistogramCell([10, 100]);
    for (const value of [0, 10, 10.1, 100, 101, Number.NaN, Number.POSITIVE_INFINITY]) cell.observe(value);
    expect([...cell.counts]).toEqual([2, 2, 1]);
    expect([cell.count, cell.sum]).toEqual([5, 221.1]);
  });

  test("a p95 above 5 s can be seen", () => {
    const cell = new HistogramCell(PROCESSING_TIME_EDGES_MS);
    for (let i = 0; i < 90; i++) cell.observe(20);
    for (let i = 0; i < 10; i++) cell.observe(7000);
    expect(cell.quantile(0.95)).toBeGreaterThan(5000);
    expect(cell.quantile(0.5)).toBeLessThanOrEqual(50);
    expect(new HistogramCell([1]).quantile(0.5)).toBeNaN();
    cell.observe(1e9);
    expect(cell.quantile(1)).toBe(60_000);
  });
});

describe("Prometheus text", () => {
  test("is the format 0.0.4, to the letter", () => {
    const labelled: MetricDefinition = {
      ...GAUGE,
      name: "sync.some.gauge",
      help: 'Back\\slash\nand "quotes".',
      labels: { state: ['a"b\\c\nd'] },
    };
    const registry = new MetricsRegistry([COUNTER, labelled, HISTOGRAM]);
    registry.gauge(labelled, 'a"b\\c\nd').set(Number.POSITIVE_INFINITY);
    registry.histogram(HISTOGRAM).observe(10);
    registry.histogram(HISTOGRAM).observe(50);
    registry.histogram(HISTOGRAM).observe(500.5);
    expect(renderPrometheus(registry)).toBe(
      [
        "# HELP c_total Counts.",
        "# TYPE c_total counter",
        "c_total 0",
        '# HELP sync_some_gauge Back\\\\slash\\nand "quotes".',
        "# TYPE sync_some_gauge gauge",
        'sync_some_gauge{state="a\\"b\\\\c\\nd"} +Inf',
        "# HELP h Spreads.",
        "# TYPE h histogram",
        'h_bucket{le="10"} 1',
        'h_bucket{le="100"} 2',
        'h_bucket{le="+Inf"} 3',
        "h_sum 560.5",
        "h_count 3",
        "",
      ].join("\n"),
    );
  });

  test("every line of everything is well-formed", () => {
    const registry = new MetricsRegistry(ALL);
    const line =
      /^[a-z_][a-z0-9_]*(?:\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? (?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/;
    for (const text of renderPrometheus(registry).trimEnd().split("\n"))
      expect(text).toMatch(text.startsWith("#") ? /^# (?:HELP|TYPE) \S+ \S/ : line);
  });
});

describe("JSON and summary", () => {
  test("groups by kind, with percentiles for histograms", () => {
    const registry = new MetricsRegistry(MANDATED_METRICS);
    registry.gauge(named("pending_ops_gauge")).set(42);
    registry.counter(named("processed_ops_total")).inc(15);
    registry.histogram(named("avg_processing_time_ms")).observe(80);
    const json = renderJson(registry);
    expect(json.gauges).toEqual({ pending_ops_gauge: 42, active_processors_gauge: 0 });
    expect(json.counters).toMatchObject({ processed_ops_total: 15, failed_ops_total: 0 });
    expect(json.histograms.avg_processing_time_ms).toMatchObject({
      count: 1,
      sum: 80,
      buckets: { "50": 0, "100": 1, "+Inf": 1 },
      p95: 97.5,
    });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });

  test("the summary is for people: names, values, no empty sections, no series that are 0", () => {
    const registry = new MetricsRegistry([...MANDATED_METRICS, named("guardian_sync_attempts_total")]);
    registry.counter(named("guardian_sync_attempts_total"), "success").inc();
    registry.histogram(named("avg_processing_time_ms")).observe(100);
    const text = renderSummary(registry);
    expect(text).toMatch(/^Health\n {2}success_rate_percent/);
    expect(text).toMatch(/ {2}guardian_sync_attempts_total result=success\s+1\n/);
    expect(text).not.toContain("result=failure");
    expect(text).toMatch(/avg_processing_time_ms\s+n 1, mean 100, p50/);
    expect(renderSummary(new MetricsRegistry())).toBe("");
  });
});

test("no telemetry takes everything and keeps nothing", () => {
  const { metrics, logger, reportError } = NO_TELEMETRY;
  expect(metrics).toBe(NO_METRICS);
  metrics.counter(COUNTER).inc();
  metrics.gauge(GAUGE).set(1);
  metrics.histogram(HISTOGRAM).observe(1);
  metrics.gaugeFrom(() => 1, GAUGE);
  logger.fatal({ event_type: "x", msg: "" });
  expect(reportError).toBeUndefined();
});
