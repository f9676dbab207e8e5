import { COUNTERS, type Counts } from "../ports/index.ts";

export interface Conservation {
  readonly ok: boolean;
  /** enqueued − all others: positive = operations are missing, negative = some are counted twice. */
  readonly difference: number;
}

/** Before anything was enqueued. */
export const NO_COUNTS: Counts = {
  enqueued: 0,
  pending: 0,
  sealed: 0,
  succeeded: 0,
  failed: 0,
  parked: 0,
  archived: 0,
  conflict: 0,
  cancelled: 0,
  quarantined: 0,
};

/** Law Q1: every operation that was ever enqueued stands in exactly one of the other counters. */
export function conserved(counts: Counts): Conservation {
  let difference = counts.enqueued;
  for (const counter of COUNTERS) if (counter !== "enqueued") difference -= counts[counter];
  // A negative counter can hide behind another one that is too high.
  return { ok: difference === 0 && COUNTERS.every((counter) => Number.isSafeInteger(counts[counter]) && counts[counter] >= 0), difference };
}

/** The account in the words of the law, one line each, for a person. */
export function account(counts: Counts): readonly string[] {
  const { ok, difference } = conserved(counts);
  const lines = [
    line("enqueued", counts.enqueued),
    line("= succeeded", counts.succeeded),
    line(
      "+ failed",
      counts.failed + counts.parked + counts.archived,
      `failed ${counts.failed}, parked ${counts.parked}, archived ${counts.archived}`,
    ),
    line("+ conflict", counts.conflict),
    line("+ cancelled", counts.cancelled),
    line("+ quarantined", counts.quarantined),
    line("+ pending", counts.pending + counts.sealed, `waiting ${counts.pending}, sealed ${counts.sealed}`),
  ];
  if (ok) return [...lines, "balanced"];
  return [...lines, difference > 0 ? `${difference} MISSING` : difference < 0 ? `${-difference} COUNTED TWICE` : "A COUNTER IS NEGATIVE"];
}

function line(name: string, value: number, detail = ""): string {
  return `${name.padEnd(14)}${String(value).padStart(10)}${detail === "" ? "" : `  (${detail})`}`;
}
