import type { QueueStore } from "guardian-sync/testing";
import type { OperationsWatch } from "./operations-watch.ts";
import type { Report } from "./model.ts";

const ALL = 1_000_000;
const WAITING = new Set(["ready", "blocked"]);
/** Counters that are the number of rows in a phase. */
const COUNTED_ROWS = ["sealed", "failed", "parked", "archived", "conflict", "quarantined"] as const;

/**
 * INV1 on the disk itself, past the engine: the counts are those of the rows, the conservation law holds, and every operation that was
 * written is somewhere: waiting, in a row of its own, or under a receipt.
 */
export async function watchDisk(device: string, store: QueueStore, operations: OperationsWatch, report: Report): Promise<void> {
  const accounts = await store.listAccounts();
  const places = new Map<number, string>();
  const receipts: { readonly from: number; readonly to: number }[] = [];
  for (const { account, counts } of accounts) {
    const say = (message: string): void => report("INV1", `${device}, account ${account}: ${message}`);
    const { enqueued, ...parts } = counts;
    const sum = Object.values(parts).reduce((total, part) => total + part, 0);
    if (sum !== enqueued) say(`${enqueued} operations were enqueued, and ${sum} are accounted for (${JSON.stringify(parts)})`);
    if (Object.values(counts).some((count) => count < 0)) say(`a count is negative (${JSON.stringify(counts)})`);
    const written = operations.durableCount(device, account);
    if (enqueued !== written) say(`${written} operations were written, and ${enqueued} are counted as enqueued`);

    const [lane] = await store.readLanes(account, [""]);
    const states = await store.readStates({ account, after: 0, limit: ALL });
    const rows = new Map(states.map((state) => [state.seq as number, state.phase]));
    let waiting = 0;
    for (const segment of await store.readSegments(account, 1 as never, ALL)) {
      for (let seq: number = segment.seqFrom; seq < segment.seqFrom + segment.count; seq++) {
        const phase = rows.get(seq);
        if (phase !== undefined) places.set(seq, phase);
        else if (seq >= (lane?.head ?? 1)) {
          places.set(seq, "pending");
          waiting += 1;
        }
      }
    }
    for (const [seq, phase] of rows) {
      if (WAITING.has(phase)) waiting += 1;
      if (!places.has(seq) && phase !== "cancelled" && phase !== "acked") say(`seq ${seq} is ${phase}, and its content is gone`);
    }
    if (waiting !== counts.pending) say(`${counts.pending} operations are counted as pending, and ${waiting} are`);
    for (const phase of COUNTED_ROWS) {
      const found = states.filter((state) => state.phase === phase).length;
      if (found !== counts[phase]) say(`${counts[phase]} operations are counted as ${phase}, and ${found} are`);
    }
    for (const { seqMin, seqMax } of await store.readReceipts(account, { seqs: { from: 1 as never, to: ALL as never } })) {
      receipts.push({ from: seqMin, to: seqMax });
    }
  }
  for (const { id, seq, device: home } of operations.all) {
    if (home !== device || seq === null || places.has(seq)) continue;
    if (!receipts.some(({ from, to }) => from <= seq && seq <= to)) report("INV1", `operation ${id} (seq ${seq}) is nowhere on ${device}`);
  }
}
