import type { AccountTag, EntityTag, SegmentRow, Seq } from "../ports/index.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { lastPosition, positionOf, seqOf } from "./sqlite-position.ts";

export interface RawSegment {
  readonly position: number;
  readonly segment_id: string;
  readonly count: number;
  readonly live: number;
  readonly id_min: string;
  readonly id_max: string;
  readonly entity_tags: string;
  readonly body: Uint8Array;
}
/** Of `segments AS s LEFT JOIN segment_lives AS l`: a segment without a row of its own there is all alive. */
export const SEGMENT_COLUMNS = "position, segment_id, count, coalesce(live, count) AS live, id_min, id_max, entity_tags, body";

const TAG_CHARS = 16;

export function segmentOf(row: RawSegment, account: AccountTag): SegmentRow {
  const { count, entity_tags: tags } = row;
  return {
    segmentId: row.segment_id,
    account,
    seqFrom: seqOf(row.position),
    count,
    live: row.live,
    idMin: row.id_min,
    idMax: row.id_max,
    entityTags: Array.from({ length: count }, (_, i) => tags.slice(i * TAG_CHARS, (i + 1) * TAG_CHARS) as EntityTag),
    body: row.body,
  };
}

// The segment that `from` lies in begins at or before it.
const COVERING = "coalesce((SELECT max(position) FROM segments WHERE position BETWEEN ?1 AND ?2), ?2)";

export function readSegments(db: SqliteConnection, accountNo: number, account: AccountTag, from: Seq, limit: number): SegmentRow[] {
  return db
    .all<RawSegment>(
      `SELECT ${SEGMENT_COLUMNS} FROM segments AS s LEFT JOIN segment_lives AS l USING (position)
       WHERE position BETWEEN ${COVERING} AND ?3 AND position + count > ?2 ORDER BY position LIMIT ?4`,
      positionOf(accountNo, 0),
      positionOf(accountNo, from),
      lastPosition(accountNo),
      Math.min(limit, Number.MAX_SAFE_INTEGER),
    )
    .map((row) => segmentOf(row, account));
}

/**
 * Takes settled operations out of their segments; segments without any left go. Only the two at the ends of the range can be
 * settled in part, so the rest goes in one step, however many they are. Inside a transaction.
 */
export function settleContent(db: SqliteConnection, accountNo: number, from: Seq, to: Seq): void {
  const first = positionOf(accountNo, from);
  const last = lastPosition(accountNo, to);
  const atFirst = segmentAt(db, accountNo, first);
  const atLast = segmentAt(db, accountNo, last);
  if (atLast === undefined) return;
  if (atFirst !== undefined && atFirst.position < first) settlePart(db, atFirst, first, last);
  let end = last;
  if (atLast.position >= first && atLast.position + atLast.count - 1 > last) {
    settlePart(db, atLast, first, last);
    end = atLast.position - 1;
  }
  db.run("DELETE FROM segments WHERE position BETWEEN ? AND ?", first, end);
  db.run("DELETE FROM segment_lives WHERE position BETWEEN ? AND ?", first, end);
}

interface Extent {
  readonly position: number;
  readonly count: number;
  /** null: all. */
  readonly live: number | null;
}

/** The last segment that begins at or before a position. */
function segmentAt(db: SqliteConnection, accountNo: number, position: number): Extent | undefined {
  return db.get(
    `SELECT position, count, live FROM segments LEFT JOIN segment_lives USING (position)
     WHERE position BETWEEN ? AND ? ORDER BY position DESC LIMIT 1`,
    positionOf(accountNo, 0),
    position,
  );
}

function settlePart(db: SqliteConnection, { position, count, live }: Extent, first: number, last: number): void {
  const settled = Math.min(last, position + count - 1) - Math.max(first, position) + 1;
  if (settled <= 0) return;
  const left = (live ?? count) - settled;
  if (left > 0) {
    db.run("INSERT INTO segment_lives VALUES (?, ?) ON CONFLICT DO UPDATE SET live = excluded.live", position, left);
    return;
  }
  db.run("DELETE FROM segments WHERE position = ?", position);
  db.run("DELETE FROM segment_lives WHERE position = ?", position);
}
