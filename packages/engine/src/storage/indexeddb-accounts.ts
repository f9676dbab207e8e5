/// <reference lib="dom" />
import type { AccountRow, AccountTag, Seq } from "../ports/index.ts";
import { addCounts, noCounts } from "./counts.ts";
import { type AccountRecord, type AccountTailRecord, ONLY } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";

export function accountRecord(tx: IDBTransaction, account: AccountTag): Promise<AccountRecord | undefined> {
  return answer(tx.objectStore("accounts").get(account) as IDBRequest<AccountRecord | undefined>);
}
export function accountTail(tx: IDBTransaction, account: AccountTag): Promise<AccountTailRecord | undefined> {
  return answer(tx.objectStore("account_tails").get(account) as IDBRequest<AccountTailRecord | undefined>);
}

/** The next seq of the queue: segments that have gone are remembered in `tail`. */
export async function readTail(tx: IDBTransaction): Promise<Seq> {
  const [tail = 1, last] = await Promise.all([
    answer(tx.objectStore("tail").get(ONLY) as IDBRequest<Seq | undefined>),
    answer(tx.objectStore("segments").openKeyCursor(null, "prev")),
  ]);
  return Math.max(tail, last === null ? 1 : (last.key as number) + 1) as Seq;
}

/** `tail` with every operation counted, up to the end of the queue. */
export async function countedTail(
  tx: IDBTransaction,
  account: AccountTag,
  tail: AccountTailRecord = newTail(account),
  nextSeq: Seq,
): Promise<AccountTailRecord> {
  return { account, total: tail.total + (await uncounted(tx, tail)), countedTo: nextSeq - 1, packed: 0 };
}

export function newTail(account: AccountTag): AccountTailRecord {
  return { account, total: 0, countedTo: 0, packed: 0 };
}

async function uncounted(tx: IDBTransaction, { account, countedTo, packed }: AccountTailRecord): Promise<number> {
  const behind = IDBKeyRange.bound([account, countedTo + 1], [account, []]);
  return (await answer(tx.objectStore("segments").index("by_account").count(behind))) - packed;
}

/** A record to be put, and its global lane, which begins at `head`. */
export function createAccount(tx: IDBTransaction, account: AccountTag, revision: number, head: Seq): AccountRecord {
  tx.objectStore("lanes").put({ account, lane: "", head, dueAt: 0, failures: 0, blockedBy: 0 });
  return { account, revision, counts: noCounts() };
}

export async function readAccount(tx: IDBTransaction, account: AccountTag): Promise<AccountRow | undefined> {
  const details = tx.objectStore("account_details");
  const [record, tail, detail] = await Promise.all([
    accountRecord(tx, account),
    accountTail(tx, account),
    answer(details.get(account) as IDBRequest<Uint8Array | undefined>),
  ]);
  return record === undefined ? undefined : rowOf(tx, record, tail, detail);
}

export async function listAccounts(tx: IDBTransaction): Promise<AccountRow[]> {
  const details = tx.objectStore("account_details");
  const [records, tails, tags, bodies] = await Promise.all([
    answer(tx.objectStore("accounts").getAll() as IDBRequest<AccountRecord[]>),
    answer(tx.objectStore("account_tails").getAll() as IDBRequest<AccountTailRecord[]>),
    answer(details.getAllKeys()),
    answer(details.getAll() as IDBRequest<Uint8Array[]>),
  ]);
  const tailOf = new Map(tails.map((tail) => [tail.account, tail]));
  const detailOf = new Map(tags.map((tag, i) => [tag, bodies[i]]));
  return Promise.all(records.map((record) => rowOf(tx, record, tailOf.get(record.account), detailOf.get(record.account))));
}

async function rowOf(
  tx: IDBTransaction,
  { account, revision, counts }: AccountRecord,
  tail: AccountTailRecord = newTail(account),
  detail: Uint8Array | undefined,
): Promise<AccountRow> {
  const appended = tail.total + (await uncounted(tx, tail));
  return { account, revision, counts: addCounts(counts, { enqueued: appended, pending: appended }), detail: detail ?? null };
}
