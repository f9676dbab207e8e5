/// <reference lib="dom" />
import type { AccountTag, NewSegment, Seq } from "../ports/index.ts";
import { addCounts } from "./counts.ts";
import { accountRecord, createAccount } from "./indexeddb-accounts.ts";
import type { Written } from "./indexeddb-connection.ts";
import type { AccountRecord, SegmentRecord, TailRecord } from "./indexeddb-layout.ts";
import { answer, startingWith, trimmed } from "./indexeddb-requests.ts";
import { seqWhereIdsReach } from "./indexeddb-segments.ts";

/** Writes segments at the end of the queue: one record each, and one for each account. */
export async function appendSegments(
  tx: IDBTransaction,
  tail: Promise<TailRecord>,
  segments: readonly NewSegment[],
): Promise<Written<Seq[]>> {
  const accounts = await readAccounts(tx, segments);
  let { nextSeq } = await tail;
  const seqs: Seq[] = [];
  for (const segment of segments) {
    const { account, count } = segment;
    const before = accounts.get(account) ?? createAccount(tx, account, 1, nextSeq);
    const ids = await noteIds(tx, before, segment, nextSeq);
    tx.objectStore("segments").put({
      account,
      seqFrom: nextSeq,
      seqTo: (nextSeq + count - 1) as Seq,
      segmentId: segment.segmentId,
      idMin: segment.idMin,
      idMax: segment.idMax,
      idHigh: ids.idHigh,
      entityTags: segment.entityTags.join(""),
      body: trimmed(segment.body),
    } satisfies SegmentRecord);
    accounts.set(account, { ...before, ...ids, counts: addCounts(before.counts, { enqueued: count, pending: count }) });
    seqs.push(nextSeq);
    nextSeq = (nextSeq + count) as Seq;
  }
  for (const record of accounts.values()) tx.objectStore("accounts").put(record);
  return { result: seqs, isChanged: true, nextSeq };
}

async function readAccounts(tx: IDBTransaction, segments: readonly NewSegment[]): Promise<Map<AccountTag, AccountRecord>> {
  const tags = [...new Set(segments.map(({ account }) => account))];
  const found = await Promise.all(tags.map((account) => accountRecord(tx, account)));
  return new Map(found.filter((record) => record !== undefined).map((record) => [record.account, record]));
}

type Ids = Pick<AccountRecord, "idHigh" | "disorder">;

async function noteIds(tx: IDBTransaction, record: AccountRecord, { idMin, idMax }: NewSegment, seqFrom: Seq): Promise<Ids> {
  let { idHigh, disorder } = record;
  // Nothing is out of order any more when nothing is left.
  if (disorder > 0 && (await isEmpty(tx, record.account))) [idHigh, disorder] = ["", 0];
  // Rare: a clock that went back, or several tabs that enqueue at once.
  if (idMin <= idHigh) disorder = Math.max(disorder, seqFrom - ((await seqWhereIdsReach(tx, record.account, idMin)) ?? seqFrom));
  return { idHigh: idMax > idHigh ? idMax : idHigh, disorder };
}

async function isEmpty(tx: IDBTransaction, account: AccountTag): Promise<boolean> {
  return (await answer(tx.objectStore("segments").getKey(startingWith(account)))) === undefined;
}
