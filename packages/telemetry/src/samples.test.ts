import { MAX_OPERATION_TYPE_LABELS } from "@guardian-sync/protocol";
import { expect, test } from "vitest";
import { SyncPerformanceMonitor } from "./performance-monitor.ts";
import { MAX_LATENCY_SAMPLES, RollingSamples } from "./samples.ts";

test("keeps the last thousand values", () => {
  const samples = new RollingSamples();
  expect(MAX_LATENCY_SAMPLES).toBe(1000);
  expect([samples.count, samples.mean(), samples.quantile(0.5)]).toEqual([0, Number.NaN, Number.NaN]);
  for (let i = 1; i <= 2500; i++) samples.add(i);
  samples.add(Number.NaN);
  expect(samples.count).toBe(1000);
  expect(samples.mean()).toBe(2000.5);
  expect([0, 0.5, 0.95, 0.99, 1].map((q) => samples.quantile(q))).toEqual([1501, 2000, 2450, 2490, 2500]);
  expect(() => new RollingSamples(0)).toThrow(RangeError);
});

test("figures for each kind of operation over its last hundred", () => {
  const monitor = new SyncPerformanceMonitor();
  expect(monitor.figures("CREATE")).toBeUndefined();
  for (let i = 0; i < 100; i++) monitor.record("CREATE", 1_000_000);
  for (let i = 1; i <= 100; i++) monitor.record("CREATE", i);
  monitor.record("DELETE", 7);
  expect(monitor.figures("CREATE")).toEqual({ count: 100, avg_ms: 50.5, p50_ms: 50, p95_ms: 95 });
  expect(monitor.figures("DELETE")).toEqual({ count: 1, avg_ms: 7, p50_ms: 7, p95_ms: 7 });
});

test("kinds are bounded: the rest share one", () => {
  const monitor = new SyncPerformanceMonitor();
  for (let i = 0; i < 500; i++) monitor.record(`kind${i}`, 1);
  expect(monitor.kinds()).toHaveLength(MAX_OPERATION_TYPE_LABELS);
  expect(monitor.figures("other")?.count).toBe(100);
});
