/// <reference lib="dom" />
import type { AccountTag, IntegrityReport, Seq } from "../ports/index.ts";
import { type SegmentRecord, type StoreName, STORES, type TailRecord } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";

const PIECE = 256;
const TAG_CHARS = 16;
const MAX_PROBLEMS = 100;

/**
 * Reads every record, so that the browser meets what it cannot read, and compares what must agree: positions of segments with
 * each other and with the end of the queue, and counts of what is alive with what they count.
 */
export async function checkIntegrity(tx: IDBTransaction, tail: TailRecord): Promise<IntegrityReport> {
  const problems: string[] = [];
  const segmentKeys = new Set<string>();
  const ends = new Map<AccountTag, Seq>();
  await walk(tx, "segments", (_, value) => {
    const { account, seqFrom, seqTo, entityTags } = value as SegmentRecord;
    segmentKeys.add(`${account} ${seqFrom}`);
    const place = `segment at ${seqFrom} of account ${account}`;
    if (entityTags.length !== (seqTo - seqFrom + 1) * TAG_CHARS) problems.push(`${place}: as many tags as operations are needed`);
    if (seqFrom <= (ends.get(account) ?? 0)) problems.push(`${place}: overlaps the one before`);
    if (seqTo >= tail.nextSeq) problems.push(`${place}: lies behind the end of the queue (${tail.nextSeq})`);
    ends.set(account, seqTo);
  });
  await walk(tx, "segment_lives", (key) => {
    const [account, seqFrom] = key as [AccountTag, Seq];
    if (!segmentKeys.has(`${account} ${seqFrom}`)) problems.push(`count at ${seqFrom} of account ${account}: has no segment`);
  });
  const packIds = new Set<IDBValidKey>();
  await walk(tx, "pack_lives", (key) => void packIds.add(key));
  await walk(tx, "packs", (key) => {
    if (!packIds.delete(key)) problems.push(`pack ${String(key)}: is not counted`);
  });
  for (const key of packIds) problems.push(`count of pack ${String(key)}: has no pack`);
  const others = STORES.filter((name) => !["segments", "segment_lives", "packs", "pack_lives"].includes(name));
  for (const name of others) await walk(tx, name, () => undefined);
  return { ok: problems.length === 0, problems: problems.slice(0, MAX_PROBLEMS) };
}

/** Every record of a store, a piece at a time. */
async function walk(tx: IDBTransaction, name: StoreName, visit: (key: IDBValidKey, value: unknown) => void): Promise<void> {
  const store = tx.objectStore(name);
  for (let range: IDBKeyRange | null = null; ; ) {
    const [keys, values]: [IDBValidKey[], unknown[]] = await Promise.all([
      answer(store.getAllKeys(range, PIECE)),
      answer(store.getAll(range, PIECE)),
    ]);
    for (const [i, key] of keys.entries()) visit(key, values[i]);
    const last = keys.at(-1);
    if (last === undefined || keys.length < PIECE) return;
    range = IDBKeyRange.lowerBound(last, true);
  }
}
