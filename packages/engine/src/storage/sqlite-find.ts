import type { AccountTag, SegmentRow, Seq } from "../ports/index.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { lastPosition, positionOf, seqOf } from "./sqlite-position.ts";
import { type RawSegment, SEGMENT_COLUMNS, segmentOf } from "./sqlite-segments.ts";

/**
 * Finds segments by id without an index on ids. `id_high` is the greatest id so far, so it never falls along the queue and can
 * be searched by halves; a segment with `id` in its range is never before the place where `id_high` reaches `id`, and never
 * more than `disorder` seqs behind it: `disorder` is the greatest distance that any segment ever had from that place.
 */
export function findSegments(db: SqliteConnection, accountNo: number, account: AccountTag, id: string): SegmentRow[] {
  const from = seqWhereIdsReach(db, accountNo, id);
  if (from === undefined) return [];
  const disorder = lastOf(db, accountNo)?.disorder ?? 0;
  return db
    .all<RawSegment>(
      `SELECT ${SEGMENT_COLUMNS} FROM segments AS s LEFT JOIN segment_lives AS l USING (position)
       WHERE position BETWEEN ? AND ? AND id_min <= ? AND id_max >= ? ORDER BY position`,
      positionOf(accountNo, from),
      lastPosition(accountNo, from + disorder),
      id,
      id,
    )
    .map((row) => segmentOf(row, account));
}

/** The first seq of the first segment whose `id_high` is at least `id`. */
export function seqWhereIdsReach(db: SqliteConnection, accountNo: number, id: string): Seq | undefined {
  const last = lastOf(db, accountNo);
  if (last === undefined || last.id_high < id) return undefined;
  // Invariant: the answer is at or behind `low`, and the first segment at or behind `high` is the answer or behind it.
  let low = positionOf(accountNo, 0);
  let high = last.position;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const probe = db.get<{ position: number; id_high: string }>(
      "SELECT position, id_high FROM segments WHERE position >= ? ORDER BY position LIMIT 1",
      middle,
    );
    if (probe === undefined || probe.position >= high || probe.id_high >= id) high = middle;
    else low = probe.position + 1;
  }
  const found = db.get<{ position: number }>("SELECT position FROM segments WHERE position >= ? ORDER BY position LIMIT 1", low);
  return found === undefined ? undefined : seqOf(found.position);
}

function lastOf(db: SqliteConnection, accountNo: number): { position: number; id_high: string; disorder: number } | undefined {
  return db.get(
    "SELECT position, id_high, disorder FROM segments WHERE position BETWEEN ? AND ? ORDER BY position DESC LIMIT 1",
    positionOf(accountNo, 0),
    lastPosition(accountNo),
  );
}
