import { benchEngine } from "./engine.ts";
import type { Comparison, Contender } from "./measure.ts";
import { BARE, rawSqlite, SAME_CONTENT, type Table } from "./raw-sqlite.ts";
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

interface Way {
  readonly what: string;
  readonly units: number;
  readonly perTransaction: number;
  readonly ours: (encrypted: boolean) => Contender;
  /** Plain, against a table with the same content. Encrypted: 0.6. */
  readonly goal: number;
}

export function enqueueComparisons(scale: number): readonly Comparison[] {
  const one = 2000 * scale;
  const hundred = 30_000 * scale;
  const thousand = 60_000 * scale;
  const ways: readonly Way[] = [
    { what: "1 caller awaiting each", units: one, perTransaction: 1, ours: (encrypted) => callers(1, one, encrypted), goal: 0.85 },
    { what: "100 callers", units: hundred, perTransaction: 100, ours: (encrypted) => callers(100, hundred, encrypted), goal: 0.65 },
    { what: "enqueueMany(1000)", units: thousand, perTransaction: 1000, ours: (encrypted) => many(1000, thousand, encrypted), goal: 0.75 },
  ];
  return ways.flatMap(({ what, units, perTransaction, ours, goal }) => {
    const against = (table: Table): Contender => rawSqlite(units, perTransaction, table);
    return [
      { suite: "enqueue", what: `${what}, plain`, ours: ours(false), limit: against(SAME_CONTENT), goal },
      { suite: "enqueue", what: `${what}, encrypted`, ours: ours(true), limit: against(SAME_CONTENT), goal: 0.6 },
      { suite: "enqueue", what: `${what}, plain, to bare rows`, ours: ours(false), limit: against(BARE) },
    ];
  });
}
