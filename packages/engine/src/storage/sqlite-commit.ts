import type { CommitResult, StoreCommit } from "../ports/index.ts";
import { checkFence } from "./refusals.ts";
import { addCounts, readCounted } from "./sqlite-accounts.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { putReceipt } from "./sqlite-receipts.ts";
import { putEntity, putLane, putPack, readLock, releasePack } from "./sqlite-rows.ts";
import { settleContent } from "./sqlite-segments.ts";
import { dropState, putState } from "./sqlite-states.ts";
import type { QueueTails } from "./sqlite-tails.ts";

/** Inside a transaction. A refusal has written nothing. */
export function applyCommit(db: SqliteConnection, tails: QueueTails, change: StoreCommit): CommitResult {
  tails.refresh();
  if (change.fence !== undefined) checkFence(change.fence, readLock(db));
  const known = tails.get(change.account);
  const before = known === undefined ? { revision: 0, counted: 0 } : readCounted(db, known.accountNo);
  if (before.revision !== change.expectRevision) return { ok: false, revision: before.revision };

  const { accountNo, total } = known ?? tails.create(change.account, 0);
  putParts(db, accountNo, change);
  const ahead = total - before.counted;
  const { enqueued = 0, pending = 0, ...others } = change.count ?? {};
  addCounts(db, { accountNo, nextSeq: tails.nextSeq, counted: total }, { ...others, enqueued: enqueued + ahead, pending: pending + ahead });
  return { ok: true, revision: before.revision + 1 };
}

/** In the order of the fields. */
function putParts(db: SqliteConnection, accountNo: number, change: StoreCommit): void {
  if (change.putAccountDetail !== undefined) {
    db.run("INSERT OR REPLACE INTO account_details VALUES (?, ?)", accountNo, change.putAccountDetail);
  }
  for (const row of change.putStates ?? []) putState(db, accountNo, row);
  for (const seq of change.dropStates ?? []) dropState(db, accountNo, seq);
  for (const row of change.putPacks ?? []) putPack(db, row);
  for (const { packId, count } of change.releasePacks ?? []) releasePack(db, packId, count);
  for (const { from, to } of change.settleContent ?? []) settleContent(db, accountNo, from, to);
  for (const row of change.putLanes ?? []) putLane(db, accountNo, row);
  for (const lane of change.dropLanes ?? []) db.run("DELETE FROM lanes WHERE account_no = ? AND lane = ?", accountNo, lane);
  for (const row of change.putEntities ?? []) putEntity(db, accountNo, row);
  for (const tag of change.dropEntities ?? []) db.run("DELETE FROM entities WHERE account_no = ? AND entity_tag = ?", accountNo, tag);
  for (const row of change.putReceipts ?? []) putReceipt(db, accountNo, row);
  for (const { key, value } of change.putMeta ?? []) {
    if (value === null) db.run("DELETE FROM meta WHERE key = ?", key);
    else db.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value);
  }
}
