/// <reference lib="dom" />
import type { AccountTag, ReceiptRow, SeqRange } from "../ports/index.ts";
import { idPoint } from "./id-point.ts";
import type { ReceiptRecord } from "./indexeddb-layout.ts";
import { answer, countOf, trimmed } from "./indexeddb-requests.ts";
import { levelOf, TOP_ID_LEVEL, TOP_SEQ_LEVEL } from "./range-level.ts";

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
  const records =
    "id" in where
      ? await atEachLevel(tx, "by_id", TOP_ID_LEVEL, account, idPoint(where.id), idPoint(where.id))
      : await atEachLevel(tx, "by_seq", TOP_SEQ_LEVEL, account, where.seqs.from, where.seqs.to);
  return records
    .filter((row) =>
      "id" in where ? row.idMin <= where.id && where.id <= row.idMax : row.seqMin <= where.seqs.to && where.seqs.from <= row.seqMax,
    )
    .sort((a, b) => a.receiptNo - b.receiptNo)
    .map(({ account: owner, seqMin, seqMax, idMin, idMax, settledAt, body }) => {
      return { account: owner, seqMin, seqMax, idMin, idMax, settledAt, body };
    });
}

async function atEachLevel(
  tx: IDBTransaction,
  name: "by_id" | "by_seq",
  top: number,
  account: AccountTag,
  from: number,
  to: number,
): Promise<ReceiptRecord[]> {
  if (to < from) return [];
  const index = tx.objectStore("receipts").index(name);
  const looks = Array.from({ length: top + 1 }, (_, level) => {
    const range = IDBKeyRange.bound([account, level, from - 16 ** level], [account, level, to], true);
    return answer(index.getAll(range) as IDBRequest<ReceiptRecord[]>);
  });
  return (await Promise.all(looks)).flat();
}

/** How many went. */
export async function purgeReceipts(tx: IDBTransaction, before: number, limit: number): Promise<number> {
  if (limit <= 0) return 0;
  const receipts = tx.objectStore("receipts");
  const old = await answer(receipts.index("by_age").getAllKeys(IDBKeyRange.upperBound(before, true), countOf(limit)));
  for (const key of old) receipts.delete(key);
  return old.length;
}
