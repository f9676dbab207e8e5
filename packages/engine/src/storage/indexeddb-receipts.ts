/// <reference lib="dom" />
import type { AccountTag, ReceiptRow, SeqRange } from "../ports/index.ts";
import { idPoint } from "./id-point.ts";
import type { ReceiptRecord } from "./indexeddb-layout.ts";
import { answer, atEachLevel, countOf, trimmed } from "./indexeddb-requests.ts";
import { levelOf } from "./range-level.ts";

export function putReceipt(tx: IDBTransaction, row: ReceiptRow): void {
  const point = idPoint(row.idMin);
  const record: Omit<ReceiptRecord, "receiptNo"> = {
    ...row,
    body: trimmed(row.body),
    seqLevel: levelOf(row.seqMax - row.seqMin),
    idLevel: levelOf(idPoint(row.idMax) - point),
    idPoint: point,
  };
  tx.objectStore("receipts").add(record);
}

export async function readReceipts(
  tx: IDBTransaction,
  account: AccountTag,
  where: { readonly seqs: SeqRange } | { readonly id: string },
): Promise<ReceiptRow[]> {
  const receipts = tx.objectStore("receipts");
  const near =
    "id" in where
      ? atEachLevel<ReceiptRecord>(receipts.index("by_id"), account, idPoint(where.id), idPoint(where.id))
      : atEachLevel<ReceiptRecord>(receipts.index("by_seq"), account, where.seqs.from, where.seqs.to);
  return (await near)
    .filter((row) =>
      "id" in where ? row.idMin <= where.id && where.id <= row.idMax : row.seqMin <= where.seqs.to && where.seqs.from <= row.seqMax,
    )
    .sort((a, b) => a.receiptNo - b.receiptNo)
    .map(({ account: owner, seqMin, seqMax, idMin, idMax, settledAt, body }) => {
      return { account: owner, seqMin, seqMax, idMin, idMax, settledAt, body };
    });
}

/** How many went. */
export async function purgeReceipts(tx: IDBTransaction, before: number, limit: number): Promise<number> {
  if (limit <= 0) return 0;
  const receipts = tx.objectStore("receipts");
  const old = await answer(receipts.index("by_age").getAllKeys(IDBKeyRange.upperBound(before, true), countOf(limit)));
  for (const key of old) receipts.delete(key);
  return old.length;
}
