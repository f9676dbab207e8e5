/// <reference lib="dom" />
import type { AccountTag, EntityTag, SegmentRow, Seq, SeqRange } from "../ports/index.ts";
import { accountRecord } from "./indexeddb-accounts.ts";
import type { SegmentKey, SegmentRecord } from "./indexeddb-layout.ts";
import { answer, type Scan, scan } from "./indexeddb-requests.ts";

const TAG_CHARS = 16;
const LAST = Number.MAX_SAFE_INTEGER;

export async function readSegments(tx: IDBTransaction, account: AccountTag, from: Seq, limit: number): Promise<SegmentRow[]> {
  const cover = (await segmentAt(tx, account, from)) ?? [account, from, from];
  const begin = cover[2] < from ? from : cover[1];
  return rowsIn(tx, account, begin, { range: between(account, begin, LAST), limit });
}

/**
 * Finds segments by id. `idHigh` is the greatest id so far, so it never falls along the queue; a segment with `id` in its range
 * is never before the place where `idHigh` reaches `id`, and never more than `disorder` seqs behind it: `disorder` is the
 * greatest distance that any segment ever had from that place.
 */
export async function findSegments(tx: IDBTransaction, account: AccountTag, id: string): Promise<SegmentRow[]> {
  const [from, record] = await Promise.all([seqWhereIdsReach(tx, account, id), accountRecord(tx, account)]);
  if (from === undefined) return [];
  return rowsIn(tx, account, from, {
    range: between(account, from, from + (record?.disorder ?? 0)),
    limit: Number.POSITIVE_INFINITY,
    matches: ({ idMin, idMax }) => idMin <= id && id <= idMax,
  });
}

/** The first seq of the first segment whose `idHigh` is at least `id`. */
export async function seqWhereIdsReach(tx: IDBTransaction, account: AccountTag, id: string): Promise<Seq | undefined> {
  const index = tx.objectStore("segments").index("by_id");
  const key = await answer(index.getKey(IDBKeyRange.bound([account, id], [account, []])) as IDBRequest<SegmentKey | undefined>);
  return key?.[1];
}

/** The rows of a scan that begins at `from`, with what is alive of each. */
async function rowsIn(tx: IDBTransaction, account: AccountTag, from: number, query: Scan<SegmentRecord>): Promise<SegmentRow[]> {
  const segments = tx.objectStore("segments");
  const records = await scan<SegmentRecord>(segments, ({ seqFrom, seqTo }) => [account, seqFrom, seqTo], query);
  const last = records.at(-1);
  if (last === undefined) return [];
  const lives = tx.objectStore("segment_lives");
  const range = IDBKeyRange.bound([account, from], [account, last.seqFrom]);
  const [keys, left] = await Promise.all([
    answer(lives.getAllKeys(range) as IDBRequest<IDBValidKey[]>),
    answer(lives.getAll(range) as IDBRequest<number[]>),
  ]);
  const live = new Map(keys.map((key, i) => [(key as [AccountTag, Seq])[1], left[i]]));
  return records.map((record) => rowOf(record, live.get(record.seqFrom)));
}

function rowOf({ entityTags: tags, ...record }: SegmentRecord, live: number | undefined): SegmentRow {
  const { segmentId, account, seqFrom, seqTo, idMin, idMax, body } = record;
  const count = seqTo - seqFrom + 1;
  const entityTags = Array.from({ length: count }, (_, i) => tags.slice(i * TAG_CHARS, (i + 1) * TAG_CHARS) as EntityTag);
  return { segmentId, account, seqFrom, count, live: live ?? count, idMin, idMax, entityTags, body };
}

/** Segments that begin between two seqs, both included. */
function between(account: AccountTag, from: number, to: number): IDBKeyRange {
  return IDBKeyRange.bound([account, from], [account, to, []]);
}

/** The last segment that begins at or before a seq. Its body is not read. */
async function segmentAt(tx: IDBTransaction, account: AccountTag, seq: number): Promise<SegmentKey | undefined> {
  const cursor = await answer(tx.objectStore("segments").openKeyCursor(between(account, 0, seq), "prev"));
  return cursor?.key as SegmentKey | undefined;
}

/**
 * Takes settled operations out of their segments; segments without any left go. Only the two at the ends of a range can be
 * settled in part, so the rest of it goes in one step, however many they are.
 */
export async function settleContent(tx: IDBTransaction, account: AccountTag, ranges: readonly SeqRange[]): Promise<void> {
  const parts = new Map<Seq, Part>();
  const settle = (key: SegmentKey, from: number, to: number): void => {
    const [, seqFrom, seqTo] = key;
    const before = parts.get(seqFrom)?.settled ?? 0;
    parts.set(seqFrom, { key, settled: before + Math.min(to, seqTo) - Math.max(from, seqFrom) + 1 });
  };
  await Promise.all(
    joined(ranges).map(async ({ from, to }) => {
      const [first, last] = await Promise.all([segmentAt(tx, account, from - 1), segmentAt(tx, account, to)]);
      if (last === undefined) return;
      if (first !== undefined && first[2] >= from) settle(first, from, to);
      let end: number = to;
      if (last[1] >= from && last[2] > to) {
        settle(last, from, to);
        end = last[1] - 1;
      }
      if (end < from) return;
      tx.objectStore("segments").delete(between(account, from, end));
      tx.objectStore("segment_lives").delete(IDBKeyRange.bound([account, from], [account, end]));
    }),
  );
  await Promise.all(Array.from(parts.values(), (part) => settlePart(tx, part)));
}

interface Part {
  readonly key: SegmentKey;
  readonly settled: number;
}

async function settlePart(tx: IDBTransaction, { key, settled }: Part): Promise<void> {
  const [account, seqFrom, seqTo] = key;
  const lives = tx.objectStore("segment_lives");
  const live = await answer(lives.get([account, seqFrom]) as IDBRequest<number | undefined>);
  const left = (live ?? seqTo - seqFrom + 1) - settled;
  if (left > 0) {
    lives.put(left, [account, seqFrom]);
    return;
  }
  tx.objectStore("segments").delete(key);
  lives.delete([account, seqFrom]);
}

/** Ranges that follow each other as one: operations of one request mostly do. */
function joined(ranges: readonly SeqRange[]): SeqRange[] {
  const inOrder = ranges.toSorted((a, b) => a.from - b.from);
  const result: SeqRange[] = [];
  for (const range of inOrder) {
    const last = result.at(-1);
    if (last !== undefined && last.to + 1 === range.from) result[result.length - 1] = { from: last.from, to: range.to };
    else result.push(range);
  }
  return result;
}
