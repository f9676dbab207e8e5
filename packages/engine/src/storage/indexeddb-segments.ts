/// <reference lib="dom" />
import type { AccountTag, EntityTag, SegmentRow, Seq, SeqRange } from "../ports/index.ts";
import { idPoint } from "./id-point.ts";
import type { SegmentKey, SegmentRecord } from "./indexeddb-layout.ts";
import { answer, atEachLevel, scan } from "./indexeddb-requests.ts";

const TAG_CHARS = 16;

/** Segments whose last seq lies between two, both included: those of one account, in order. */
function endingIn(account: AccountTag, from: number, to: number = Number.MAX_SAFE_INTEGER): IDBKeyRange {
  return IDBKeyRange.bound([account, from], [account, to, []]);
}

export async function readSegments(tx: IDBTransaction, account: AccountTag, from: Seq, limit: number): Promise<SegmentRow[]> {
  const index = tx.objectStore("segments").index("by_account");
  const keyOf = (record: SegmentRecord): SegmentKey => [account, record.seqTo, record.count];
  return rowsOf(tx, await scan<SegmentRecord>(index, keyOf, { range: endingIn(account, from), limit }));
}

export async function findSegments(tx: IDBTransaction, account: AccountTag, id: string): Promise<SegmentRow[]> {
  const point = idPoint(id);
  const near = await atEachLevel<SegmentRecord>(tx.objectStore("segments").index("by_id"), account, point, point);
  const found = near.filter(({ idMin, idMax }) => idMin <= id && id <= idMax);
  return rowsOf(
    tx,
    found.sort((a, b) => a.seqTo - b.seqTo),
  );
}

/** With what is alive of each. */
async function rowsOf(tx: IDBTransaction, records: readonly SegmentRecord[]): Promise<SegmentRow[]> {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return [];
  const lives = tx.objectStore("segment_lives");
  const range = IDBKeyRange.bound(first.seqTo, last.seqTo);
  const [keys, left] = await Promise.all([answer(lives.getAllKeys(range)), answer(lives.getAll(range) as IDBRequest<number[]>)]);
  const live = new Map(keys.map((key, i) => [key, left[i]]));
  return records.map((record) => rowOf(record, live.get(record.seqTo)));
}

function rowOf({ seqTo, ...record }: SegmentRecord, live: number | undefined): SegmentRow {
  const { segmentId, account, count, idMin, idMax, entityTags: tags, body } = record;
  const entityTags = Array.from({ length: count }, (_, i) => tags.slice(i * TAG_CHARS, (i + 1) * TAG_CHARS) as EntityTag);
  return { segmentId, account, seqFrom: (seqTo - count + 1) as Seq, count, live: live ?? count, idMin, idMax, entityTags, body };
}

/** The first segment that ends at or behind a seq. Its body is not read. */
async function segmentAt(tx: IDBTransaction, account: AccountTag, seq: number): Promise<Extent | undefined> {
  const cursor = await answer(tx.objectStore("segments").index("by_account").openKeyCursor(endingIn(account, seq)));
  if (cursor === null) return undefined;
  const [, seqTo, count] = cursor.key as SegmentKey;
  return { seqTo, count, seqFrom: seqTo - count + 1 };
}
interface Extent {
  readonly seqFrom: number;
  readonly seqTo: number;
  readonly count: number;
}

/**
 * Takes settled operations out of their segments; segments without any left go. Only the two at the ends of a range can be
 * settled in part, so the rest of it goes in one step, however many they are.
 */
export async function settleContent(tx: IDBTransaction, account: AccountTag, ranges: readonly SeqRange[]): Promise<void> {
  const parts = new Map<number, Part>();
  const settlePart = (segment: Extent, from: number, to: number): void => {
    const settled = Math.min(to, segment.seqTo) - Math.max(from, segment.seqFrom) + 1;
    parts.set(segment.seqTo, { segment, settled: (parts.get(segment.seqTo)?.settled ?? 0) + settled });
  };
  await Promise.all(
    joined(ranges).map(async ({ from, to }) => {
      const [first, last] = await Promise.all([segmentAt(tx, account, from), segmentAt(tx, account, to)]);
      let begin: number = from;
      if (first !== undefined && first.seqFrom < from) {
        settlePart(first, from, to);
        begin = first.seqTo + 1;
      }
      const isApart = last !== undefined && last.seqTo !== first?.seqTo;
      if (last !== undefined && (isApart || begin === from) && last.seqFrom <= to && last.seqTo > to) settlePart(last, from, to);
      if (begin <= to) await dropSegments(tx, account, begin, to);
    }),
  );
  await Promise.all(Array.from(parts.values(), (part) => lessAlive(tx, part)));
}

/** Those that end in a range; by ranges of their keys, where no segments of other accounts lie between them. */
async function dropSegments(tx: IDBTransaction, account: AccountTag, from: number, to: number): Promise<void> {
  const segments = tx.objectStore("segments");
  const lives = tx.objectStore("segment_lives");
  const all = IDBKeyRange.bound(from, to);
  const [own, between] = await Promise.all([
    answer(segments.index("by_account").getAllKeys(endingIn(account, from, to))),
    answer(segments.count(all)),
  ]);
  const ranges = own.length === between ? [all] : own.map((key) => IDBKeyRange.only(key));
  for (const range of ranges) {
    segments.delete(range);
    lives.delete(range);
  }
}

interface Part {
  readonly segment: Extent;
  readonly settled: number;
}

async function lessAlive(tx: IDBTransaction, { segment, settled }: Part): Promise<void> {
  const { seqTo, count } = segment;
  const lives = tx.objectStore("segment_lives");
  const left = ((await answer(lives.get(seqTo) as IDBRequest<number | undefined>)) ?? count) - settled;
  if (left > 0) {
    lives.put(left, seqTo);
    return;
  }
  lives.delete(seqTo);
  tx.objectStore("segments").delete(seqTo);
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
