import type { AccountTag, EntityTag, Phase, Seq, StateRow, StatesQuery } from "../ports/index.ts";
import type { SqliteConnection, SqlValue } from "./sqlite-connection.ts";
import { lastPosition, positionOf, seqOf } from "./sqlite-position.ts";

interface RawState {
  readonly position: number;
  readonly phase: Phase;
  readonly entity_tag: EntityTag;
  readonly blocked_by: Seq | 0;
  readonly due_at: number;
  readonly attempts: number;
  readonly backoff_ms: number;
  readonly first_send_at: number;
  readonly op_number: number;
  readonly pack_id: string | null;
  readonly pack_index: number;
  readonly changed_at: number;
  readonly detail: Uint8Array | null;
}

// Named, here and elsewhere, so that a damaged schema is an error and not an absent field.
const COLUMNS =
  "position, phase, entity_tag, blocked_by, due_at, attempts, backoff_ms, first_send_at, op_number, pack_id, pack_index, changed_at, detail";
const PUT_STATE = `
  INSERT INTO states (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET phase = excluded.phase, entity_tag = excluded.entity_tag, blocked_by = excluded.blocked_by,
    due_at = excluded.due_at, attempts = excluded.attempts, backoff_ms = excluded.backoff_ms, first_send_at = excluded.first_send_at,
    op_number = excluded.op_number, pack_id = excluded.pack_id, pack_index = excluded.pack_index,
    changed_at = excluded.changed_at, detail = excluded.detail`;

export function putState(db: SqliteConnection, accountNo: number, row: StateRow): void {
  db.run(
    PUT_STATE,
    positionOf(accountNo, row.seq),
    row.phase,
    row.entityTag,
    row.blockedBy,
    row.dueAt,
    row.attempts,
    row.backoffMs,
    row.firstSendAt,
    row.opNumber,
    row.packId,
    row.packIndex,
    row.changedAt,
    row.detail,
  );
}

export function dropState(db: SqliteConnection, accountNo: number, seq: Seq): void {
  db.run("DELETE FROM states WHERE position = ?", positionOf(accountNo, seq));
}

export function readStates(db: SqliteConnection, accountNo: number, query: StatesQuery): StateRow[] {
  const { phases, account, limit } = query;
  const usesPhaseIndex = phases !== undefined && query.seqs === undefined && query.entityTag === undefined && query.blockedBy === undefined;
  // One look per phase: with several, the index gives no order by seq, and everything in those phases would be read and sorted.
  const looks = usesPhaseIndex ? [...new Set(phases)].map((phase) => ({ ...query, phases: [phase] })) : [query];
  const [first] = looks;
  const rows =
    looks.length === 1 && first !== undefined
      ? select(db, accountNo, first)
      : db.snapshot(() => looks.flatMap((look) => select(db, accountNo, look))).toSorted((a, b) => a.position - b.position);
  return rows.slice(0, limit).map((row) => stateOf(row, account));
}

function select(db: SqliteConnection, accountNo: number, query: StatesQuery): RawState[] {
  const { phases, blockedBy, entityTag, seqs, after = 0, upTo, limit } = query;
  const conditions = ["position BETWEEN ? AND ?"];
  const values: SqlValue[] = [positionOf(accountNo, after + 1), lastPosition(accountNo, upTo)];
  if (seqs !== undefined) {
    conditions.push("position IN (SELECT value FROM json_each(?))");
    values.push(JSON.stringify(seqs.map((seq) => positionOf(accountNo, seq))));
  }
  if (entityTag !== undefined) {
    conditions.push("entity_tag = ?");
    values.push(entityTag);
  }
  if (blockedBy !== undefined) {
    // The partial index serves only who repeats its condition.
    conditions.push(blockedBy > 0 ? "blocked_by > 0 AND blocked_by = ?" : "blocked_by = ?");
    values.push(blockedBy);
  }
  if (phases !== undefined) {
    conditions.push(phases.length === 1 ? "phase = ?" : "phase IN (SELECT value FROM json_each(?))");
    values.push(phases.length === 1 ? (phases[0] as Phase) : JSON.stringify(phases));
  }
  values.push(Math.min(Math.max(limit, 0), Number.MAX_SAFE_INTEGER));
  return db.all<RawState>(`SELECT ${COLUMNS} FROM states WHERE ${conditions.join(" AND ")} ORDER BY position LIMIT ?`, ...values);
}

function stateOf(row: RawState, account: AccountTag): StateRow {
  return {
    seq: seqOf(row.position),
    account,
    phase: row.phase,
    entityTag: row.entity_tag,
    blockedBy: row.blocked_by,
    dueAt: row.due_at,
    attempts: row.attempts,
    backoffMs: row.backoff_ms,
    firstSendAt: row.first_send_at,
    opNumber: row.op_number,
    packId: row.pack_id,
    packIndex: row.pack_index,
    changedAt: row.changed_at,
    detail: row.detail,
  };
}
