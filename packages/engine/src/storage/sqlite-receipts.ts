import type { AccountTag, ReceiptRow, Seq, SeqRange } from "../ports/index.ts";
import { idPoint } from "./id-point.ts";
import { levelOf, TOP_ID_LEVEL, TOP_SEQ_LEVEL } from "./range-level.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

const SEQ_LEVELS = levels(TOP_SEQ_LEVEL);
const ID_LEVELS = levels(TOP_ID_LEVEL);

const COLUMNS = "seq_min, seq_max, id_min, id_max, settled_at, body";
const BY_SEQ = `
  SELECT ${COLUMNS} FROM ${SEQ_LEVELS} AS l CROSS JOIN receipts AS r INDEXED BY receipts_by_seq
    ON account_no = ?1 AND seq_level = l.column1 AND seq_min > ?2 - (1 << (4 * l.column1)) AND seq_min <= ?3
  WHERE seq_max >= ?2 ORDER BY receipt_no`;
const BY_ID = `
  SELECT ${COLUMNS} FROM ${ID_LEVELS} AS l CROSS JOIN receipts AS r INDEXED BY receipts_by_id
    ON account_no = ?1 AND id_level = l.column1 AND id_point > ?2 - (1 << (4 * l.column1)) AND id_point <= ?2
  WHERE id_min <= ?3 AND id_max >= ?3 ORDER BY receipt_no`;

interface RawReceipt {
  readonly seq_min: Seq;
  readonly seq_max: Seq;
  readonly id_min: string;
  readonly id_max: string;
  readonly settled_at: number;
  readonly body: Uint8Array;
}

export function putReceipt(db: SqliteConnection, accountNo: number, row: ReceiptRow): void {
  const point = idPoint(row.idMin);
  db.run(
    "INSERT INTO receipts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    accountNo,
    levelOf(row.seqMax - row.seqMin),
    row.seqMin,
    row.seqMax,
    levelOf(idPoint(row.idMax) - point),
    point,
    row.idMin,
    row.idMax,
    row.settledAt,
    row.body,
  );
}

export function readReceipts(
  db: SqliteConnection,
  accountNo: number,
  account: AccountTag,
  where: { readonly seqs: SeqRange } | { readonly id: string },
): ReceiptRow[] {
  const rows =
    "id" in where
      ? db.all<RawReceipt>(BY_ID, accountNo, idPoint(where.id), where.id)
      : db.all<RawReceipt>(BY_SEQ, accountNo, where.seqs.from, where.seqs.to);
  return rows.map((row) => ({
    account,
    seqMin: row.seq_min,
    seqMax: row.seq_max,
    idMin: row.id_min,
    idMax: row.id_max,
    settledAt: row.settled_at,
    body: row.body,
  }));
}

export function purgeReceipts(db: SqliteConnection, before: number, limit: number): number {
  return db.run(
    "DELETE FROM receipts WHERE receipt_no IN (SELECT receipt_no FROM receipts WHERE settled_at < ? ORDER BY settled_at, receipt_no LIMIT ?)",
    before,
    Math.min(limit, Number.MAX_SAFE_INTEGER),
  );
}

function levels(top: number): string {
  return `(VALUES ${Array.from({ length: top + 1 }, (_, level) => `(${level})`).join(", ")})`;
}
