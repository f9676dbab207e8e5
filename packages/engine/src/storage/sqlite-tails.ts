import type { AccountTag, Seq } from "../ports/index.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { checkAccountsLeft, seqOf } from "./sqlite-position.ts";

/** Where the next segment of an account goes. */
export interface Tail {
  readonly accountNo: number;
  /** Operations that were ever appended for the account. */
  total: number;
  /** The greatest id among them, and how far behind their place ids came: see `findSegments`. */
  idHigh: string;
  disorder: number;
}

interface TailRow {
  readonly account_no: number;
  readonly account: AccountTag;
  readonly next_seq: number;
  readonly counted: number;
  readonly position: number | null;
  readonly count: number | null;
  readonly total: number | null;
  readonly id_high: string | null;
  readonly disorder: number | null;
}

// The last segment of every account: one step from the end of its range.
const ALL_TAILS = `
  SELECT a.account_no, a.account, a.next_seq, a.counted, s.position, s.count, s.total, s.id_high, s.disorder
  FROM accounts AS a LEFT JOIN segments AS s ON s.position = (
    SELECT position FROM segments
    WHERE position BETWEEN a.account_no << 40 AND (a.account_no << 40) + (1 << 40) - 1
    ORDER BY position DESC LIMIT 1)`;

/**
 * The end of the queue, remembered between transactions: an append then writes its one row and reads nothing. Other
 * processes append, too; `data_version` tells inside each transaction whether one did.
 */
export class QueueTails {
  readonly #db: SqliteConnection;
  readonly #path: string;
  #tails = new Map<AccountTag, Tail>();
  #nextSeq = 1;
  #dataVersion: number | undefined;

  constructor(db: SqliteConnection, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /** What is remembered was never written. */
  forget(): void {
    this.#dataVersion = undefined;
  }

  /** Call first in each write transaction. */
  refresh(): void {
    const dataVersion = dataVersionOf(this.#db);
    if (dataVersion === this.#dataVersion) return;
    this.#tails = new Map();
    this.#nextSeq = 1;
    for (const row of this.#db.all<TailRow>(ALL_TAILS)) {
      this.#tails.set(row.account, {
        accountNo: row.account_no,
        // The counters know of segments that have been dropped since; the last segment knows of those not counted yet.
        total: Math.max(row.counted, row.total ?? 0),
        idHigh: row.id_high ?? "",
        disorder: row.disorder ?? 0,
      });
      const end = row.position === null ? 1 : seqOf(row.position) + (row.count ?? 0);
      this.#nextSeq = Math.max(this.#nextSeq, row.next_seq, end);
    }
    this.#dataVersion = dataVersion;
  }

  get nextSeq(): Seq {
    return this.#nextSeq as Seq;
  }
  advance(count: number): void {
    this.#nextSeq += count;
  }

  get(account: AccountTag): Tail | undefined {
    return this.#tails.get(account);
  }

  /** Gives an account its rows: counters at zero, revision as told, a global lane from the next seq on. */
  create(account: AccountTag, revision: number): Tail {
    const accountNo = (this.#db.get<{ last: number | null }>("SELECT max(account_no) AS last FROM accounts")?.last ?? 0) + 1;
    checkAccountsLeft(accountNo, this.#path);
    this.#db.run("INSERT INTO accounts VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)", accountNo, account, revision, this.#nextSeq);
    this.#db.run("INSERT INTO lanes VALUES (?, '', ?, 0, 0, 0)", accountNo, this.#nextSeq);
    const tail: Tail = { accountNo, total: 0, idHigh: "", disorder: 0 };
    this.#tails.set(account, tail);
    return tail;
  }
}

export function dataVersionOf(db: SqliteConnection): number {
  return db.get<{ data_version: number }>("PRAGMA data_version")?.data_version ?? 0;
}
