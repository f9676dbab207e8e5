/** One contender of a comparison: does `count` units of work, resolves when they are done. */
export interface Contender {
  readonly name: string;
  /** Set-up of a round: not timed. Returns the work, and what cleans up after it. */
  prepare(): Promise<{ readonly run: () => Promise<void>; readonly close: () => Promise<void> }>;
  /** Units per `run`. */
  readonly units: number;
}
export interface Comparison {
  readonly suite: string;
  readonly what: string;
  readonly ours: Contender;
  readonly limit: Contender;
  /** ours ÷ limit must be at least this. None: shown for orientation. */
  readonly goal?: number;
}
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}
export interface Row {
  readonly suite: string;
  readonly what: string;
  readonly unit: string;
  readonly ours: Spread;
  readonly limit: Spread;
  /** Round by round, so that a machine that speeds up or slows down does so for both. */
  readonly ratio: Spread;
  readonly goal: number | undefined;
  readonly met: boolean | undefined;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { min: sorted[0] as number, median, max: sorted.at(-1) as number };
}

/** Units per second of one contender in one round. */
async function once(contender: Contender): Promise<number> {
  const { run, close } = await contender.prepare();
  try {
    const startedAt = performance.now();
    await run();
    return contender.units / ((performance.now() - startedAt) / 1000);
  } finally {
    await close();
  }
}

/** Interleaved rounds after one that does not count. */
export async function compare(comparison: Comparison, rounds: number, note: (text: string) => void): Promise<Row> {
  const ours: number[] = [];
  const limit: number[] = [];
  for (let round = -1; round < rounds; round++) {
    note(`${comparison.what}: round ${Math.max(0, round + 1)} of ${rounds}`);
    // Who goes first changes, so that neither always meets the disk the other left behind.
    const oursFirst = round % 2 === 0;
    const first = await once(oursFirst ? comparison.ours : comparison.limit);
    const second = await once(oursFirst ? comparison.limit : comparison.ours);
    if (round < 0) continue;
    ours.push(oursFirst ? first : second);
    limit.push(oursFirst ? second : first);
  }
  const ratio = spread(ours.map((value, index) => value / (limit[index] as number)));
  return {
    suite: comparison.suite,
    what: comparison.what,
    unit: "/s",
    ours: spread(ours),
    limit: spread(limit),
    ratio,
    goal: comparison.goal,
    met: comparison.goal === undefined ? undefined : ratio.median >= comparison.goal,
  };
}
