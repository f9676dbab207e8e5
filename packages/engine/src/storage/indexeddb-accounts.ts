/// <reference lib="dom" />
import type { AccountRow, AccountTag, Seq } from "../ports/index.ts";
import { noCounts } from "./counts.ts";
import type { AccountRecord } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";

export function accountRecord(tx: IDBTransaction, account: AccountTag): Promise<AccountRecord | undefined> {
  return answer(tx.objectStore("accounts").get(account) as IDBRequest<AccountRecord | undefined>);
}

/** A record to be put, and its global lane, which begins at `head`. */
export function createAccount(tx: IDBTransaction, account: AccountTag, revision: number, head: Seq): AccountRecord {
  tx.objectStore("lanes").put({ account, lane: "", head, dueAt: 0, failures: 0, blockedBy: 0 });
  return { account, revision, counts: noCounts(), idHigh: "", disorder: 0 };
}

export async function readAccount(tx: IDBTransaction, account: AccountTag): Promise<AccountRow | undefined> {
  const details = tx.objectStore("account_details");
  const [record, detail] = await Promise.all([
    accountRecord(tx, account),
    answer(details.get(account) as IDBRequest<Uint8Array | undefined>),
  ]);
  return record === undefined ? undefined : rowOf(record, detail);
}

export async function listAccounts(tx: IDBTransaction): Promise<AccountRow[]> {
  const details = tx.objectStore("account_details");
  const [records, tags, bodies] = await Promise.all([
    answer(tx.objectStore("accounts").getAll() as IDBRequest<AccountRecord[]>),
    answer(details.getAllKeys()),
    answer(details.getAll() as IDBRequest<Uint8Array[]>),
  ]);
  const detailOf = new Map(tags.map((tag, i) => [tag, bodies[i]]));
  return records.map((record) => rowOf(record, detailOf.get(record.account)));
}

function rowOf({ account, revision, counts }: AccountRecord, detail: Uint8Array | undefined): AccountRow {
  return { account, revision, counts, detail: detail ?? null };
}
