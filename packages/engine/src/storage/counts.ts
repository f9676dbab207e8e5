import { type Counter, COUNTERS, type Counts } from "../ports/index.ts";

export function noCounts(): Counts {
  return Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as Record<Counter, number>;
}

export function addCounts(counts: Counts, delta: Partial<Record<Counter, number>>): Counts {
  const sum: Record<Counter, number> = { ...counts };
  for (const counter of COUNTERS) sum[counter] += delta[counter] ?? 0;
  return sum;
}
