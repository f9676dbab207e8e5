import { type AccountRow, type AccountTag, type Counter, COUNTERS, type Counts } from "../ports/index.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

interface RawAccount extends Record<Counter, number> {
  readonly account: AccountTag;
  readonly revision: number;
  /** Operations that were appended after the counters were last written. */
  readonly ahead: number;
  readonly detail: Uint8Array | null;
}

// One statement, so that counters and last segment are of one moment.
const SELECT_ACCOUNT = `
  SELECT a.account, a.revision, ${COUNTERS.map((counter) => `a.${counter}`).join(", ")}, d.detail, max(0, coalesce((
    SELECT total FROM segments
    WHERE position BETWEEN a.account_no << 40 AND (a.account_no << 40) + (1 << 40) - 1
    ORDER BY position DESC LIMIT 1), 0) - a.counted) AS ahead
  FROM accounts AS a LEFT JOIN account_details AS d USING (account_no)`;

export function readAccount(db: SqliteConnection, account: AccountTag): AccountRow | undefined {
  const row = db.get<RawAccount>(`${SELECT_ACCOUNT} WHERE account = ?`, account);
  return row === undefined ? undefined : accountOf(row);
}

export function listAccounts(db: SqliteConnection): AccountRow[] {
  return db.all<RawAccount>(`${SELECT_ACCOUNT} ORDER BY account_no`).map(accountOf);
}

function accountOf(row: RawAccount): AccountRow {
  const counts = Object.fromEntries(COUNTERS.map((counter) => [counter, row[counter]])) as Record<Counter, number>;
  counts.enqueued += row.ahead;
  counts.pending += row.ahead;
  return { account: row.account, revision: row.revision, counts, detail: row.detail };
}

/** Where the counters stand: how many of the account's operations they include. */
export function readCounted(db: SqliteConnection, accountNo: number): { readonly revision: number; readonly counted: number } {
  return db.get("SELECT revision, counted FROM accounts WHERE account_no = ?", accountNo) ?? { revision: 0, counted: 0 };
}

const ADD_COUNTS = `
  UPDATE accounts SET revision = revision + 1, next_seq = ?, counted = ?, ${COUNTERS.map((counter) => `${counter} = ${counter} + ?`).join(", ")}
  WHERE account_no = ?`;

export interface Mark {
  readonly accountNo: number;
  /** The store's next seq: remembered here before segments go, so that no seq is given out again. */
  readonly nextSeq: number;
  /** Operations of the account that its counters include from now on. */
  readonly counted: number;
}

export function addCounts(db: SqliteConnection, { accountNo, nextSeq, counted }: Mark, counts: Partial<Counts>): void {
  db.run(ADD_COUNTS, nextSeq, counted, ...COUNTERS.map((counter) => counts[counter] ?? 0), accountNo);
}
