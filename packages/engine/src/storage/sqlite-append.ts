import type { NewSegment, Seq } from "../ports/index.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { seqWhereIdsReach } from "./sqlite-find.ts";
import { checkSeqsLeft, positionOf } from "./sqlite-position.ts";
import type { QueueTails, Tail } from "./sqlite-tails.ts";

/**
 * Writes segments at the end of the queue, inside a transaction: one row each, and nothing else. The counters of the account
 * are not touched: `total` of the last segment says how far ahead of them the queue is.
 */
export function appendSegments(db: SqliteConnection, tails: QueueTails, segments: readonly NewSegment[], path: string): Seq[] {
  tails.refresh();
  return segments.map((segment) => {
    const tail = tails.get(segment.account) ?? tails.create(segment.account, 1);
    const { nextSeq } = tails;
    checkSeqsLeft(nextSeq + segment.count, path);
    noteIds(db, tail, segment, nextSeq);
    tail.total += segment.count;
    db.run(
      "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      positionOf(tail.accountNo, nextSeq),
      segment.segmentId,
      segment.count,
      tail.total,
      segment.idMin,
      segment.idMax,
      tail.idHigh,
      tail.disorder,
      segment.entityTags.join(""),
      segment.body,
    );
    tails.advance(segment.count);
    return nextSeq;
  });
}

function noteIds(db: SqliteConnection, tail: Tail, { idMin, idMax }: NewSegment, seqFrom: Seq): void {
  // Rare: a clock that went back, or several processes that enqueue at once.
  if (idMin <= tail.idHigh) tail.disorder = Math.max(tail.disorder, seqFrom - (seqWhereIdsReach(db, tail.accountNo, idMin) ?? seqFrom));
  if (idMax > tail.idHigh) tail.idHigh = idMax;
}
