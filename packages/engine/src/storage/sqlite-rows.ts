import type { AccountTag, EntityRow, EntityTag, Fence, LaneRow, LockRow, PackRow, Seq } from "../ports/index.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

/** The small tables: lanes, entities, packs, the lock. Writes belong inside a transaction. */

export function putLane(db: SqliteConnection, accountNo: number, row: LaneRow): void {
  db.run("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?)", accountNo, row.lane, row.head, row.dueAt, row.failures, row.blockedBy);
}

interface RawLane {
  readonly lane: EntityTag | "";
  readonly head: Seq;
  readonly due_at: number;
  readonly failures: number;
  readonly blocked_by: Seq | 0;
}

export function readLanes(db: SqliteConnection, accountNo: number, account: AccountTag, lanes: readonly string[] | undefined): LaneRow[] {
  const rows =
    lanes === undefined
      ? db.all<RawLane>("SELECT lane, head, due_at, failures, blocked_by FROM lanes WHERE account_no = ? ORDER BY lane", accountNo)
      : db.all<RawLane>(
          "SELECT lane, head, due_at, failures, blocked_by FROM lanes WHERE account_no = ? AND lane IN (SELECT value FROM json_each(?)) ORDER BY lane",
          accountNo,
          JSON.stringify(lanes),
        );
  return rows.map(({ lane, head, due_at: dueAt, failures, blocked_by: blockedBy }) => ({
    account,
    lane,
    head,
    dueAt,
    failures,
    blockedBy,
  }));
}

export function putEntity(db: SqliteConnection, accountNo: number, row: EntityRow): void {
  db.run(
    `INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
     SET version = excluded.version, last_seq = excluded.last_seq, chain_from = excluded.chain_from, body = excluded.body`,
    accountNo,
    row.entityTag,
    row.version,
    row.lastSeq,
    row.chainFrom,
    row.body,
  );
}

interface RawEntity {
  readonly entity_tag: EntityTag;
  readonly version: number;
  readonly last_seq: Seq;
  readonly chain_from: number;
  readonly body: Uint8Array | null;
}

export function readEntities(db: SqliteConnection, accountNo: number, account: AccountTag, tags: readonly EntityTag[]): EntityRow[] {
  return db
    .all<RawEntity>(
      "SELECT entity_tag, version, last_seq, chain_from, body FROM entities WHERE account_no = ? AND entity_tag IN (SELECT value FROM json_each(?)) ORDER BY entity_tag",
      accountNo,
      JSON.stringify(tags),
    )
    .map((row) => entityOf(account, row));
}

export function listEntities(db: SqliteConnection, accountNo: number, account: AccountTag, after: string, limit: number): EntityRow[] {
  return db
    .all<RawEntity>(
      "SELECT entity_tag, version, last_seq, chain_from, body FROM entities WHERE account_no = ? AND entity_tag > ? ORDER BY entity_tag LIMIT ?",
      accountNo,
      after,
      limit,
    )
    .map((row) => entityOf(account, row));
}

function entityOf(account: AccountTag, row: RawEntity): EntityRow {
  return {
    account,
    entityTag: row.entity_tag,
    version: row.version,
    lastSeq: row.last_seq,
    chainFrom: row.chain_from,
    body: row.body,
  };
}

export function putPack(db: SqliteConnection, row: PackRow): void {
  db.run("INSERT OR REPLACE INTO packs VALUES (?, ?, ?)", row.packId, row.live, row.body);
}

export function releasePack(db: SqliteConnection, packId: string, count: number): void {
  const live = db.get<{ live: number }>("SELECT live FROM packs WHERE pack_id = ?", packId)?.live;
  if (live === undefined) return;
  if (live <= count) db.run("DELETE FROM packs WHERE pack_id = ?", packId);
  else db.run("UPDATE packs SET live = ? WHERE pack_id = ?", live - count, packId);
}

export function readPacks(db: SqliteConnection, packIds: readonly string[]): PackRow[] {
  return db
    .all<{ pack_id: string; live: number; body: Uint8Array }>(
      "SELECT pack_id, live, body FROM packs WHERE pack_id IN (SELECT value FROM json_each(?)) ORDER BY pack_id",
      JSON.stringify(packIds),
    )
    .map(({ pack_id: packId, live, body }) => ({ packId, live, body }));
}

interface RawLock {
  readonly owner: string;
  readonly fence: Fence;
  readonly lease_id: string;
  readonly acquired_at: number;
  readonly heartbeat_at: number;
  readonly beats: number;
  readonly holds_fast_lock: number;
  readonly released: number;
}

export function readLock(db: SqliteConnection): LockRow | undefined {
  const row = db.get<RawLock>(
    "SELECT owner, fence, lease_id, acquired_at, heartbeat_at, beats, holds_fast_lock, released FROM processing_lock",
  );
  if (row === undefined) return undefined;
  return {
    owner: row.owner,
    fence: row.fence,
    leaseId: row.lease_id,
    acquiredAt: row.acquired_at,
    heartbeatAt: row.heartbeat_at,
    beats: row.beats,
    holdsFastLock: row.holds_fast_lock === 1,
    released: row.released === 1,
  };
}

export function putLock(db: SqliteConnection, row: LockRow): void {
  db.run(
    "INSERT OR REPLACE INTO processing_lock VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
    row.owner,
    row.fence,
    row.leaseId,
    row.acquiredAt,
    row.heartbeatAt,
    row.beats,
    row.holdsFastLock ? 1 : 0,
    row.released ? 1 : 0,
  );
}
