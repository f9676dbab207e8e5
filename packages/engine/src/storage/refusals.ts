import { SyncError } from "@guardian-sync/protocol";
import type { AccountTag, LockRow, NewSegment, StoreCommit } from "../ports/index.ts";

/** Rows of the meta table that belong to the store itself. */
const STORE_META_KEYS: readonly string[] = ["store_id", "tag_key"];

const TAG_CHARS = 16;

/** @throws TypeError when rows do not fit together: a mistake of the program, not of the disk. */
export function checkSegments(segments: readonly NewSegment[]): void {
  for (const { segmentId, count, entityTags } of segments) {
    if (!Number.isSafeInteger(count) || count < 1)
      throw new TypeError(`segment ${segmentId}: count must be a whole number >= 1, got ${count}`);
    if (entityTags.length !== count) throw new TypeError(`segment ${segmentId}: needs ${count} entity tags, got ${entityTags.length}`);
    const odd = entityTags.find((tag) => tag.length !== TAG_CHARS);
    if (odd !== undefined) throw new TypeError(`segment ${segmentId}: an entity tag has 16 characters, got ${JSON.stringify(odd)}`);
  }
}

/** @throws TypeError when a change reaches into another account, or overwrites what the store keeps for itself. */
export function checkCommit(change: StoreCommit): void {
  const { account, putStates = [], putLanes = [], putEntities = [], putReceipts = [] } = change;
  for (const rows of [putStates, putLanes, putEntities, putReceipts]) checkAccount(account, rows);
  const taken = change.putMeta?.find(({ key }) => STORE_META_KEYS.includes(key));
  if (taken !== undefined) throw new TypeError(`meta key ${taken.key} belongs to the store`);
}

function checkAccount(account: AccountTag, rows: readonly { readonly account: AccountTag }[]): void {
  const other = rows.find((row) => row.account !== account);
  if (other !== undefined) throw new TypeError(`a change of account ${account} holds a row of account ${other.account}`);
}

/** @throws SyncError `STALE_LOCK` unless `fence` is what the lock row says. */
export function checkFence(fence: StoreCommit["fence"], lock: LockRow | undefined): void {
  if (fence === undefined) return;
  if (lock !== undefined && lock.fence === fence.fence && lock.leaseId === fence.leaseId && !lock.released) return;
  const now =
    lock === undefined ? "nobody has it" : lock.released ? `fence ${lock.fence} was given back` : `fence ${lock.fence} is current`;
  throw new SyncError(
    "STALE_LOCK",
    `The processing lock is not held any more (fence ${fence.fence}; ${now}). Nothing was written: stop sending, and acquire it again.`,
  );
}

export function closedStore(description: string): SyncError {
  return new SyncError("STORAGE_UNAVAILABLE", `The store (${description}) is closed. Open it again before using it.`);
}
