/** Reading: pages of changes that never split a transaction, and pages of the snapshot. */
import type { Change, ChangesPage, EpochMs, SnapshotPage } from "@guardian-sync/protocol";
import {
  type Cursor,
  cursorExpired,
  type Filter,
  formatCursor,
  formatPageToken,
  judgeCursor,
  type PageToken,
  sameFilter,
} from "./cursor.ts";
import { RequestRefused } from "./refusal.ts";
import type { ChangeRow, EntityRow, ReadTx, SpaceRow } from "./storage.ts";

export interface FeedRequest {
  readonly space: string;
  readonly filter: Filter;
  readonly limit: number;
  readonly now: EpochMs;
}

/** `cursor` null starts at the floor. @throws RequestRefused CURSOR_EXPIRED */
export async function readChanges(tx: ReadTx, request: FeedRequest & { readonly cursor: Cursor | null }): Promise<ChangesPage> {
  const { limit, filter, cursor, now } = request;
  const space = await needSpace(tx, request.space);
  const reason = cursor === null ? null : judgeCursor(cursor, space, filter);
  if (reason !== null) throw new RequestRefused(cursorExpired(reason, space, now));
  const from = cursor?.seq ?? space.floorSeq;
  const rows = await wholeTransactions(tx, request.space, from, limit);
  const to = rows.at(-1)?.seq ?? from;
  return {
    from_seq: from,
    to_seq: to,
    head_seq: space.headSeq,
    generation: space.generation,
    cursor: formatCursor({ generation: space.generation, seq: to, filter }),
    has_more: to < space.headSeq,
    // Nothing is compacted away between the floor and the head, so every page holds all that happened.
    complete: true,
    changes: rows.filter((row) => includes(filter, row.type)).map(change),
  };
}

/** At most `limit` rows, cut back to the end of a transaction; a transaction larger than that comes whole. */
async function wholeTransactions(tx: ReadTx, space: string, from: number, limit: number): Promise<readonly ChangeRow[]> {
  const rows = [...(await tx.changes(space, { after: from, limit: limit + 1 }))];
  if (rows.length <= limit) return rows;
  const cut = rows[limit] as ChangeRow;
  const end = rows.findIndex(({ txn }) => txn === cut.txn);
  if (end > 0) return rows.slice(0, end);
  for (;;) {
    const more = await tx.changes(space, { after: (rows.at(-1) as ChangeRow).seq, limit: limit + 1 });
    const others = more.findIndex(({ txn }) => txn !== cut.txn);
    rows.push(...(others < 0 ? more : more.slice(0, others)));
    if (others >= 0 || more.length === 0) return withoutOthers(rows, cut.txn);
  }
}

// The first read may itself have reached into the next transaction only behind `cut`, never before it.
function withoutOthers(rows: readonly ChangeRow[], txn: number): readonly ChangeRow[] {
  return rows.filter((row) => row.txn === txn);
}

/** `page` null is the first; `clientId` null: an unnumbered reader. @throws RequestRefused CURSOR_EXPIRED when the history was replaced between two pages. */
export async function readSnapshot(
  tx: ReadTx,
  request: FeedRequest & { readonly page: PageToken | null; readonly clientId: string | null },
): Promise<SnapshotPage> {
  const { page, clientId, filter, limit, now } = request;
  const space = await needSpace(tx, request.space);
  if (page !== null) {
    const { generation, asOf: seq } = page;
    const reason = sameFilter(page.filter, filter)
      ? judgeCursor({ generation, seq, filter }, space, filter)
      : "the page belongs to another filter";
    if (reason !== null) throw new RequestRefused(cursorExpired(reason, space, now));
  }
  const asOf = page?.asOf ?? space.headSeq;
  const { generation } = space;
  const read = await tx.entities(request.space, { after: page?.after ?? null, limit: limit + 1 });
  const rows = read.slice(0, limit);
  const last = rows.at(-1);
  const client = clientId === null ? null : await tx.client(request.space, clientId);
  const end =
    read.length > limit && last !== undefined
      ? { next_page: formatPageToken({ generation, filter, asOf, after: { type: last.type, id: last.id } }) }
      : { until: space.headSeq };
  return {
    generation,
    ...(page === null ? { as_of: asOf } : {}),
    cursor: formatCursor({ generation, seq: asOf, filter }),
    ...(clientId === null ? {} : { own: { client_id: clientId, op_number: client?.lastOpNumber ?? 0 } }),
    items: rows.flatMap((row) => snapshotRow(row, filter)),
    ...end,
  };
}

function snapshotRow({ type, id, version, seq, document }: EntityRow, filter: Filter): SnapshotPage["items"] {
  if (document === null || !includes(filter, type)) return [];
  return [{ entity_type: type, entity_id: id, version, seq, data: document }];
}

function change(row: ChangeRow): Change {
  return {
    seq: row.seq,
    txn: row.txn,
    op: row.kind,
    entity_type: row.type,
    entity_id: row.id,
    version: row.version,
    data: row.document,
    origin: { client_id: row.clientId, operation_id: row.operationId },
  };
}

function includes(filter: Filter, type: string): boolean {
  return filter === null || filter.includes(type);
}

async function needSpace(tx: ReadTx, id: string): Promise<SpaceRow> {
  const space = await tx.space(id);
  if (space === null) throw new TypeError(`space ${JSON.stringify(id)} does not exist; create it first`);
  return space;
}
