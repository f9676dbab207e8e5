import type { AccountRow, AccountTag, PackRow, SegmentRow, Seq, SeqRange, StoreCommit } from "../ports/index.ts";
import { addCounts, noCounts } from "./counts.ts";
import { entityKey, laneKey, type MemoryDisk } from "./memory-disk.ts";

/** The account's row, made when there is none. Its global lane begins at `head`. */
export function createAccount(disk: MemoryDisk, account: AccountTag, head: Seq): AccountRow {
  const row: AccountRow = { account, revision: 1, counts: noCounts(), detail: null };
  disk.accounts.set(account, row);
  disk.lanes.set(laneKey(account, ""), { account, lane: "", head, dueAt: 0, failures: 0, blockedBy: 0 });
  return row;
}

/** Applies what stands in a commit, in the order of its fields. The caller has judged fence and revision. Returns the new revision. */
export function applyCommit(disk: MemoryDisk, change: StoreCommit): number {
  const { account } = change;
  const before = disk.accounts.get(account);
  const row = before ?? createAccount(disk, account, disk.nextSeq as Seq);
  const revision = before === undefined ? row.revision : row.revision + 1;
  const detail = change.putAccountDetail?.slice() ?? row.detail;
  for (const state of change.putStates ?? []) disk.states.set(state.seq, { ...state });
  for (const seq of change.dropStates ?? []) disk.states.delete(seq);
  for (const pack of change.putPacks ?? []) disk.packs.set(pack.packId, { ...pack });
  for (const { packId, count } of change.releasePacks ?? []) releasePack(disk, disk.packs.get(packId), count);
  for (const range of change.settleContent ?? []) settleContent(disk, account, range);
  for (const lane of change.putLanes ?? []) disk.lanes.set(laneKey(lane.account, lane.lane), { ...lane });
  for (const lane of change.dropLanes ?? []) disk.lanes.delete(laneKey(account, lane));
  for (const entity of change.putEntities ?? []) disk.entities.set(entityKey(entity.account, entity.entityTag), { ...entity });
  for (const tag of change.dropEntities ?? []) disk.entities.delete(entityKey(account, tag));
  for (const receipt of change.putReceipts ?? []) disk.receipts.set(disk.nextReceipt++, { ...receipt });
  for (const { key, value } of change.putMeta ?? []) {
    if (value === null) disk.meta.delete(key);
    else disk.meta.set(key, value.slice());
  }
  disk.accounts.set(account, { account, revision, detail, counts: addCounts(row.counts, change.count ?? {}) });
  return revision;
}

function releasePack(disk: MemoryDisk, pack: PackRow | undefined, count: number): void {
  if (pack === undefined) return;
  if (pack.live <= count) disk.packs.delete(pack.packId);
  else disk.packs.set(pack.packId, { ...pack, live: pack.live - count });
}

function settleContent(disk: MemoryDisk, account: AccountTag, { from, to }: SeqRange): void {
  const touched: SegmentRow[] = [];
  for (const segment of disk.segments.from(disk.segments.atOrBefore(from)?.seqFrom ?? from)) {
    if (segment.seqFrom > to) break;
    if (segment.account === account && segment.seqFrom + segment.count > from) touched.push(segment);
  }
  for (const segment of touched) {
    const settled = Math.min(to, segment.seqFrom + segment.count - 1) - Math.max(from, segment.seqFrom) + 1;
    if (segment.live <= settled) disk.segments.delete(segment.seqFrom);
    else disk.segments.set(segment.seqFrom, { ...segment, live: segment.live - settled });
  }
}
