/// <reference lib="dom" />
import type { AccountTag, CommitResult, SeqRange, StoreCommit } from "../ports/index.ts";
import { addCounts } from "./counts.ts";
import { accountRecord, accountTail, countedTail, createAccount, readTail } from "./indexeddb-accounts.ts";
import type { Written } from "./indexeddb-connection.ts";
import { type AccountRecord, ONLY, type StoreName } from "./indexeddb-layout.ts";
import { trimmed } from "./indexeddb-requests.ts";
import { putReceipt } from "./indexeddb-receipts.ts";
import { putEntity, putPack, readLock, releasePack } from "./indexeddb-rows.ts";
import { settleContent } from "./indexeddb-segments.ts";
import { dropStates, putState } from "./indexeddb-states.ts";
import { checkFence } from "./refusals.ts";

/**
 * The object stores that a change touches. The others stay free meanwhile: sealing the next request keeps nobody from enqueueing.
 * `accounts`, which holds the revision, is always among them, so that all changes still come one after the other.
 */
export function storesOf(change: StoreCommit): readonly StoreName[] {
  const { fence, expectRevision, putStates, dropStates: dropped, putPacks, releasePacks, settleContent: settled } = change;
  const stores = new Set<StoreName>(["accounts"]);
  const touch = (isTouched: boolean, ...names: readonly StoreName[]): void => {
    if (isTouched) for (const name of names) stores.add(name);
  };
  touch(fence !== undefined, "processing_lock");
  // Whose account is made here.
  touch(expectRevision === 0, "lanes", "tail", "segments");
  touch(change.putAccountDetail !== undefined, "account_details");
  touch(isAny(putStates) || isAny(dropped), "states");
  touch(isAny(putPacks) || isAny(releasePacks), "packs", "pack_lives");
  touch(isAny(settled), "tail", "account_tails", "segments", "segment_lives");
  touch(isAny(change.putLanes) || isAny(change.dropLanes), "lanes");
  touch(isAny(change.putEntities) || isAny(change.dropEntities), "entities");
  touch(isAny(change.putReceipts), "receipts");
  touch(isAny(change.putMeta), "meta");
  return [...stores];
}

function isAny(rows: readonly unknown[] | undefined): boolean {
  return rows !== undefined && rows.length > 0;
}

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
  const [nextSeq, tail] = await Promise.all([readTail(tx), accountTail(tx, account)]);
  tx.objectStore("tail").put(nextSeq, ONLY);
  tx.objectStore("account_tails").put(await countedTail(tx, account, tail, nextSeq));
  await settleContent(tx, account, ranges);
}

/** In the order of the fields, as far as they touch the same records: what has to read first comes last. */
async function putParts(tx: IDBTransaction, change: StoreCommit): Promise<void> {
  const { account, putAccountDetail, releasePacks = [], settleContent: settled = [] } = change;
  if (putAccountDetail !== undefined) tx.objectStore("account_details").put(trimmed(putAccountDetail), account);
  for (const row of change.putStates ?? []) putState(tx, row);
  dropStates(tx, account, change.dropStates ?? []);
  for (const row of change.putPacks ?? []) putPack(tx, row);
  for (const row of change.putLanes ?? []) tx.objectStore("lanes").put({ ...row });
  for (const lane of change.dropLanes ?? []) tx.objectStore("lanes").delete([account, lane]);
  for (const row of change.putEntities ?? []) putEntity(tx, row);
  for (const tag of change.dropEntities ?? []) tx.objectStore("entities").delete([account, tag]);
  for (const row of change.putReceipts ?? []) putReceipt(tx, row);
  for (const { key, value } of change.putMeta ?? []) {
    if (value === null) tx.objectStore("meta").delete(key);
    else tx.objectStore("meta").put(trimmed(value), key);
  }
  await Promise.all([release(tx, releasePacks), settled.length > 0 ? settle(tx, account, settled) : undefined]);
}

/** One pack after the other: it may stand here twice. */
async function release(tx: IDBTransaction, packs: NonNullable<StoreCommit["releasePacks"]>): Promise<void> {
  for (const { packId, count } of packs) await releasePack(tx, packId, count);
}
