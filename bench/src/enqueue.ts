import { benchEngine } from "./engine.ts";
import type { Comparison, Contender } from "./measure.ts";
import { rawSqlite } from "./raw-sqlite.ts";
import { updateOf } from "./workload.ts";

/** `callers` at once, each awaiting its own durable enqueue, one after the other. */
function callers(count: number, units: number, encrypted: boolean): Contender {
  return {
    name: `enqueue, ${count} caller${count === 1 ? "" : "s"}`,
    units,
    async prepare() {
      const engine = await benchEngine(encrypted);
      return {
        async run() {
          let next = 0;
          const caller = async (): Promise<void> => {
            while (next < units) await engine.sync.enqueue(updateOf(next++));
          };
          await Promise.all(Array.from({ length: count }, caller));
        },
        close: engine.close,
      };
    },
  };
}

function many(size: number, units: number, encrypted: boolean): Contender {
  return {
    name: `enqueueMany(${size})`,
    units,
    async prepare() {
      const engine = await benchEngine(encrypted);
      return {
        async run() {
          for (let done = 0; done < units; done += size)
            await engine.sync.enqueueMany(Array.from({ length: size }, (_, i) => updateOf(done + i)));
        },
        close: engine.close,
      };
    },
  };
}

export function enqueueComparisons(scale: number): readonly Comparison[] {
  const one = 2000 * scale;
  const hundred = 30_000 * scale;
  const thousand = 60_000 * scale;
  return [
    { suite: "enqueue", what: "1 caller awaiting each, plain", ours: callers(1, one, false), limit: rawSqlite(one, 1), goal: 0.85 },
    { suite: "enqueue", what: "1 caller awaiting each, encrypted", ours: callers(1, one, true), limit: rawSqlite(one, 1), goal: 0.6 },
    { suite: "enqueue", what: "100 callers, plain", ours: callers(100, hundred, false), limit: rawSqlite(hundred, 100), goal: 0.65 },
    { suite: "enqueue", what: "100 callers, encrypted", ours: callers(100, hundred, true), limit: rawSqlite(hundred, 100), goal: 0.6 },
    { suite: "enqueue", what: "enqueueMany(1000), plain", ours: many(1000, thousand, false), limit: rawSqlite(thousand, 1000), goal: 0.75 },
    {
      suite: "enqueue",
      what: "enqueueMany(1000), encrypted",
      ours: many(1000, thousand, true),
      limit: rawSqlite(thousand, 1000),
      goal: 0.6,
    },
  ];
}
