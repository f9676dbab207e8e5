import type { Seq, SeqRange } from "../ports/index.ts";

/** The ranges that hold `seqs` and, between two of them, at most `gap` others. In order, whatever the order was. */
export function seqRuns(seqs: readonly Seq[], gap = 0): SeqRange[] {
  const runs: { from: Seq; to: Seq }[] = [];
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && seq - last.to <= gap + 1) last.to = seq;
    else runs.push({ from: seq, to: seq });
  }
  return runs;
}
