/** What a server forgets, in bounded batches: stored answers after 24 h, everything else when the feed's 90 days are over. */
import { type EpochMs, LEDGER_WINDOW_MS, REPLAY_WINDOW_MS } from "@guardian-sync/protocol";
import type { Storage, WriteTx } from "./storage.ts";

export interface UpkeepReport {
  readonly responses: number;
  readonly operations: number;
  readonly changes: number;
  readonly tombstones: number;
  readonly clients: number;
  /** False when `maxBatches` ended it: call again. */
  readonly isDone: boolean;
}

export interface UpkeepOptions {
  readonly now: EpochMs;
  /** Rows in one transaction. */
  readonly batchSize: number;
  /** Transactions in one call. */
  readonly maxBatches: number;
}

type Step = (tx: WriteTx, space: string, limit: number) => Promise<number>;

export async function upkeep(storage: Storage, { now, batchSize, maxBatches }: UpkeepOptions): Promise<UpkeepReport> {
  const answersBefore = (now - REPLAY_WINDOW_MS) as EpochMs;
  const before = (now - LEDGER_WINDOW_MS) as EpochMs;
  const steps: readonly (readonly [Exclude<keyof UpkeepReport, "isDone">, Step])[] = [
    ["responses", (tx, space, limit) => tx.expireResponses(space, answersBefore, limit)],
    ["operations", (tx, space, limit) => tx.expireLedger(space, before, limit)],
    ["changes", (tx, space, limit) => tx.expireChanges(space, before, limit)],
    ["tombstones", (tx, space, limit) => tx.expireTombstones(space, before, limit)],
    ["clients", (tx, space, limit) => tx.expireClients(space, before, limit)],
  ];
  const counts = { responses: 0, operations: 0, changes: 0, tombstones: 0, clients: 0 };
  let batches = 0;
  for await (const space of allSpaces(storage)) {
    for (const [name, step] of steps) {
      for (;;) {
        if (batches++ >= maxBatches) return { ...counts, isDone: false };
        const removed = await storage.write((tx) => step(tx, space, batchSize));
        counts[name] += removed;
        if (removed === 0) break;
      }
    }
  }
  return { ...counts, isDone: true };
}

export async function* allSpaces(storage: Storage): AsyncGenerator<string> {
  let after = "";
  for (;;) {
    const page = await storage.read((tx) => tx.spaces({ after, limit: 500 }));
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last;
  }
}
