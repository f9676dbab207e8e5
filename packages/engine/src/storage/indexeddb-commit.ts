/// <reference lib="dom" />
import type { AccountTag, CommitResult, SeqRange, StoreCommit } from "../ports/index.ts";
import { addCounts } from "./counts.ts";
import { accountRecord, countedTail, createAccount, readTail } from "./indexeddb-accounts.ts";
import type { Written } from "./indexeddb-connection.ts";
import { type AccountRecord, ONLY } from "./indexeddb-layout.ts";
import { trimmed } from "./indexeddb-requests.ts";
import { putReceipt } from "./indexeddb-receipts.ts";
import { putEntity, putPack, readLock, releasePack } from "./indexeddb-rows.ts";
import { settleContent } from "./indexeddb-segments.ts";
import { dropState, putState } from "./indexeddb-states.ts";
import { checkFence } from "./refusals.ts";

/** A refusal has written nothing. */
export async function applyCommit(tx: IDBTransaction, change: StoreCommit): Promise<Written<CommitResult>> {
  const { account, fence, expectRevision } = change;
  const [lock, found] = await Promise.all([fence === undefined ? undefined : readLock(tx), accountRecord(tx, account)]);
  checkFence(fence, lock);
  const before = found?.revision ?? 0;
  if (before !== expectRevision) return { result: { ok: false, revision: before }, isChanged: false };

  const record = found ?? createAccount(tx, account, 0, await readTail(tx));
  await putParts(tx, change);
  const revision = before + 1;
  tx.objectStore("accounts").put({
    ...record,
    revision,
    counts: addCounts(record.counts, change.count ?? {}),
  } satisfies AccountRecord);
  return { result: { ok: true, revision }, isChanged: true };
}

/** What goes is counted first, and its seqs are never given out again. */
async function settle(tx: IDBTransaction, account: AccountTag, ranges: readonly SeqRange[]): Promise<void> {
  const nextSeq = await readTail(tx);
  tx.objectStore("tail").put(nextSeq, ONLY);
  tx.objectStore("account_tails").put(await countedTail(tx, account, nextSeq));
  await settleContent(tx, account, ranges);
}

/** In the order of the fields. */
async function putParts(tx: IDBTransaction, change: StoreCommit): Promise<void> {
  const { account, putAccountDetail, releasePacks = [], settleContent: settled = [] } = change;
  if (putAccountDetail !== undefined) tx.objectStore("account_details").put(trimmed(putAccountDetail), account);
  for (const row of change.putStates ?? []) putState(tx, row);
  for (const seq of change.dropStates ?? []) dropState(tx, account, seq);
  for (const row of change.putPacks ?? []) putPack(tx, row);
  // One pack after the other: it may stand here twice.
  for (const { packId, count } of releasePacks) await releasePack(tx, packId, count);
  if (settled.length > 0) await settle(tx, account, settled);
  for (const row of change.putLanes ?? []) tx.objectStore("lanes").put({ ...row });
  for (const lane of change.dropLanes ?? []) tx.objectStore("lanes").delete([account, lane]);
  for (const row of change.putEntities ?? []) putEntity(tx, row);
  for (const tag of change.dropEntities ?? []) tx.objectStore("entities").delete([account, tag]);
  for (const row of change.putReceipts ?? []) putReceipt(tx, row);
  for (const { key, value } of change.putMeta ?? []) {
    if (value === null) tx.objectStore("meta").delete(key);
    else tx.objectStore("meta").put(trimmed(value), key);
  }
}
