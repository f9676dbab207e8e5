/// <reference lib="dom" />
import type { IntegrityReport } from "../ports/index.ts";
import { type SegmentRecord, type StoreName, STORES } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";

const PIECE = 256;
const TAG_CHARS = 16;
const MAX_PROBLEMS = 100;

/**
 * Reads every record, so that the browser meets what it cannot read, and compares what must agree: positions of segments with
 * each other, and counts of what is alive with what they count.
 */
export async function checkIntegrity(tx: IDBTransaction): Promise<IntegrityReport> {
  const problems: string[] = [];
  const segmentKeys = new Set<IDBValidKey>();
  let end = 0;
  await walk(tx, "segments", (key, value) => {
    const { count, seqTo, entityTags } = value as SegmentRecord;
    segmentKeys.add(key);
    if (entityTags.length !== count * TAG_CHARS) problems.push(`segment at ${seqTo}: as many tags as operations are needed`);
    if (seqTo - count < end) problems.push(`segment at ${seqTo}: overlaps the one before`);
    end = seqTo;
  });
  await walk(tx, "segment_lives", (key) => {
    if (!segmentKeys.has(key)) problems.push(`count of the segment at ${String(key)}: has no segment`);
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
