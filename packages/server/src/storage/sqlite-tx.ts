/** The statements of the storage port in SQLite's SQL. One writer at a time, so that every lock of the port is the writer's own. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { ChangeKind, EpochMs, JsonObject, OperationResult } from "@guardian-sync/protocol";
import {
  type ChangeRow,
  type ClientRow,
  type EntityRef,
  type EntityRow,
  type LedgerRow,
  type Page,
  refKey,
  type Scope,
  type SpaceRow,
  type SqlRow,
  type SqlValue,
  StorageError,
  type StoredOutcome,
  type TeamSql,
  type WriteTx,
} from "../core/storage.ts";

type Column = null | number | bigint | string | Uint8Array;
type Row = Record<string, Column>;

const MAX_STATEMENTS = 500;

/** A connection with its prepared statements. */
export class SqliteConnection {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.db = db;
  }
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }
  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values);
  }
  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#prepared(sql).all(...values);
  }
  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      // A team that splices values into its SQL would fill the memory with statements.
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Statements that would end or split the server's transaction under its feet. */
const TRANSACTION_CONTROL =
  /^\s*(?:--[^\n]*\n\s*|\/\*[\s\S]*?\*\/\s*)*(?:begin|commit|end|rollback|savepoint|release|attach|detach|pragma)\b/i;

export class SqliteTx implements WriteTx {
  readonly sql: TeamSql;
  readonly #on: SqliteConnection;
  #isOpen = true;

  constructor(on: SqliteConnection) {
    this.#on = on;
    this.sql = { run: this.#teamRun, get: this.#teamGet, all: this.#teamAll };
  }

  end(): void {
    this.#isOpen = false;
  }

  async space(id: string): Promise<SpaceRow | null> {
    const row = this.#db.get("SELECT * FROM spaces WHERE id = ?", id);
    return row === undefined ? null : spaceRow(row);
  }
  async spaces({ after, limit }: Page<string>): Promise<readonly string[]> {
    return this.#db.all("SELECT id FROM spaces WHERE id > ? ORDER BY id LIMIT ?", after, limit).map((row) => row.id as string);
  }
  async entity(space: string, ref: EntityRef): Promise<EntityRow | null> {
    const row = this.#db.get("SELECT * FROM entities WHERE space = ? AND type = ? AND id = ?", space, ref.type, ref.id);
    return row === undefined ? null : entityRow(row);
  }
  async entitiesOfType(space: string, type: string, { after, limit }: Page<string>): Promise<readonly EntityRow[]> {
    const sql = "SELECT * FROM entities WHERE space = ? AND type = ? AND id > ? AND deleted = 0 ORDER BY id LIMIT ?";
    return this.#db.all(sql, space, type, after, limit).map(entityRow);
  }
  async entities(space: string, { after, limit }: Page<EntityRef | null>): Promise<readonly EntityRow[]> {
    const sql = "SELECT * FROM entities WHERE space = ? AND (type, id) > (?, ?) AND deleted = 0 ORDER BY type, id LIMIT ?";
    return this.#db.all(sql, space, after?.type ?? "", after?.id ?? "", limit).map(entityRow);
  }
  async changes(space: string, { after, limit }: Page<number>): Promise<readonly ChangeRow[]> {
    return this.#db.all("SELECT * FROM changes WHERE space = ? AND seq > ? ORDER BY seq LIMIT ?", space, after, limit).map(changeRow);
  }
  async ledger(scope: Scope, keys: readonly string[]): Promise<ReadonlyMap<string, LedgerRow>> {
    const found = new Map<string, LedgerRow>();
    for (const key of keys) {
      const row = this.#db.get("SELECT * FROM operations WHERE space = ? AND principal = ? AND key = ?", scope.space, scope.principal, key);
      if (row !== undefined) found.set(key, ledgerRow(row));
    }
    return found;
  }
  async client(space: string, id: string): Promise<ClientRow | null> {
    const row = this.#db.get("SELECT * FROM clients WHERE space = ? AND id = ?", space, id);
    return row === undefined ? null : clientRow(row);
  }
  async countLedger(before: EpochMs): Promise<{ ledgerRows: number; staleRows: number }> {
    const row = this.#db.get("SELECT count(*) AS all_rows, count(*) FILTER (WHERE at < ?) AS stale FROM operations", before);
    return { ledgerRows: Number(row?.all_rows ?? 0), staleRows: Number(row?.stale ?? 0) };
  }

  async createSpace(row: SpaceRow): Promise<void> {
    this.#db.run(
      "INSERT INTO spaces (id, generation, head_seq, floor_seq, known_since) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      row.id,
      row.generation,
      row.headSeq,
      row.floorSeq,
      row.knownSince,
    );
  }
  /** The transaction began IMMEDIATE: it holds the only writer's lock, and with it every key. */
  claimKeys(scope: Scope, keys: readonly string[]): Promise<ReadonlyMap<string, LedgerRow>> {
    return this.ledger(scope, keys);
  }
  async putLedger({ space, principal }: Scope, rows: readonly LedgerRow[]): Promise<void> {
    for (const row of rows) {
      this.#db.run(
        `INSERT INTO operations (space, principal, key, fingerprint, outcome, status, code, entity_type, entity_id, version, commit_seq, response, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (space, principal, key) DO UPDATE SET
           fingerprint = excluded.fingerprint, outcome = excluded.outcome, status = excluded.status, code = excluded.code,
           entity_type = excluded.entity_type, entity_id = excluded.entity_id, version = excluded.version,
           commit_seq = excluded.commit_seq, response = excluded.response, at = excluded.at`,
        space,
        principal,
        row.key,
        row.fingerprint,
        row.outcome,
        row.status,
        row.code,
        row.entityType,
        row.entityId,
        row.version,
        row.commitSeq,
        row.response === null ? null : JSON.stringify(row.response),
        row.at,
      );
    }
  }
  /** Nothing was written to claim them. */
  async releaseKeys(): Promise<void> {
    this.#check();
  }
  lockClient(space: string, id: string): Promise<ClientRow | null> {
    return this.client(space, id);
  }
  async putClient(space: string, row: ClientRow): Promise<void> {
    this.#db.run(
      `INSERT INTO clients (space, id, principal, last_op_number, fence, lease, acknowledged_seq, last_seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (space, id) DO UPDATE SET
         principal = excluded.principal, last_op_number = excluded.last_op_number, fence = excluded.fence, lease = excluded.lease,
         acknowledged_seq = excluded.acknowledged_seq, last_seen_at = excluded.last_seen_at`,
      space,
      row.id,
      row.principal,
      row.lastOpNumber,
      row.fence,
      row.lease,
      row.acknowledgedSeq,
      row.lastSeenAt,
    );
  }
  async lockEntities(space: string, refs: readonly EntityRef[]): Promise<ReadonlyMap<string, EntityRow>> {
    const found = new Map<string, EntityRow>();
    for (const ref of refs) {
      const row = this.#db.get("SELECT * FROM entities WHERE space = ? AND type = ? AND id = ?", space, ref.type, ref.id);
      if (row !== undefined) found.set(refKey(ref), entityRow(row));
    }
    return found;
  }
  async putEntities(space: string, rows: readonly EntityRow[]): Promise<void> {
    for (const row of rows) {
      this.#db.run(
        `INSERT INTO entities (space, type, id, version, seq, deleted, document, last_operation_id, updated_at, updated_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (space, type, id) DO UPDATE SET
           version = excluded.version, seq = excluded.seq, deleted = excluded.deleted, document = excluded.document,
           last_operation_id = excluded.last_operation_id, updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
        space,
        row.type,
        row.id,
        row.version,
        row.seq,
        row.deleted ? 1 : 0,
        row.document === null ? null : JSON.stringify(row.document),
        row.lastOperationId,
        row.updatedAt,
        row.updatedBy,
      );
    }
  }
  async dropEntities(space: string, refs: readonly EntityRef[]): Promise<void> {
    for (const ref of refs) this.#db.run("DELETE FROM entities WHERE space = ? AND type = ? AND id = ?", space, ref.type, ref.id);
  }
  async advanceHead(space: string, count: number): Promise<number> {
    const row = this.#db.get("UPDATE spaces SET head_seq = head_seq + ? WHERE id = ? RETURNING head_seq", count, space);
    if (row === undefined) throw new TypeError(`space ${JSON.stringify(space)} does not exist; create it first`);
    return Number(row.head_seq) - count + 1;
  }
  async appendChanges(space: string, rows: readonly ChangeRow[]): Promise<void> {
    for (const row of rows) {
      this.#db.run(
        `INSERT INTO changes (space, seq, txn, kind, type, id, version, document, client_id, operation_id, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        space,
        row.seq,
        row.txn,
        row.kind,
        row.type,
        row.id,
        row.version,
        row.document === null ? null : JSON.stringify(row.document),
        row.clientId,
        row.operationId,
        row.at,
      );
    }
  }
  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    const { db } = this.#db;
    this.#db.run("SAVEPOINT inner");
    try {
      const value = await work();
      this.#db.run("RELEASE inner");
      return value;
    } catch (error) {
      // A full disk or an I/O error makes SQLite end the whole transaction by itself.
      if (db.isTransaction) db.exec("ROLLBACK TO inner; RELEASE inner");
      throw error;
    }
  }

  async expireResponses(space: string, before: EpochMs, limit: number): Promise<number> {
    return this.#db.run(
      `UPDATE operations SET response = NULL WHERE rowid IN
         (SELECT rowid FROM operations WHERE space = ? AND at < ? AND response IS NOT NULL LIMIT ?)`,
      space,
      before,
      limit,
    );
  }
  async expireLedger(space: string, before: EpochMs, limit: number): Promise<number> {
    const sql = "DELETE FROM operations WHERE rowid IN (SELECT rowid FROM operations WHERE space = ? AND at < ? LIMIT ?)";
    return this.#db.run(sql, space, before, limit);
  }
  async expireChanges(space: string, before: EpochMs, limit: number): Promise<number> {
    const rows = this.#db.all("SELECT seq, txn, at FROM changes WHERE space = ? ORDER BY seq LIMIT ?", space, limit);
    const young = rows.findIndex((row) => Number(row.at) >= before);
    const last = rows.at(young < 0 ? -1 : young - 1);
    if (last === undefined || young === 0) return 0;
    // To the end of the last one's transaction: the floor never stands inside one.
    const next = this.#db.get(
      "SELECT seq FROM changes WHERE space = ? AND seq > ? AND txn <> ? ORDER BY seq LIMIT 1",
      space,
      last.seq as number,
      last.txn as number,
    );
    const floor =
      next === undefined ? Number(this.#db.get("SELECT max(seq) AS seq FROM changes WHERE space = ?", space)?.seq) : Number(next.seq) - 1;
    this.#db.run("UPDATE spaces SET floor_seq = ? WHERE id = ?", floor, space);
    return this.#db.run("DELETE FROM changes WHERE space = ? AND seq <= ?", space, floor);
  }
  async expireTombstones(space: string, before: EpochMs, limit: number): Promise<number> {
    return this.#db.run(
      `DELETE FROM entities WHERE rowid IN (
         SELECT rowid FROM entities WHERE space = ?1 AND deleted = 1 AND updated_at < ?2
           AND seq <= (SELECT floor_seq FROM spaces WHERE id = ?1) LIMIT ?3)`,
      space,
      before,
      limit,
    );
  }
  async expireClients(space: string, before: EpochMs, limit: number): Promise<number> {
    return this.#db.run(
      "DELETE FROM clients WHERE space = ?1 AND id IN (SELECT id FROM clients WHERE space = ?1 AND last_seen_at < ?2 LIMIT ?3)",
      space,
      before,
      limit,
    );
  }
  async renewSpace(space: string, generation: string, knownSince: EpochMs): Promise<void> {
    this.#db.run("UPDATE spaces SET generation = ?, known_since = ? WHERE id = ?", generation, knownSince, space);
  }

  #teamRun = async (sql: string, parameters: readonly SqlValue[] = []): Promise<{ changes: number }> => {
    return { changes: this.#team(sql).run(sql, ...parameters) };
  };
  #teamGet = async (sql: string, parameters: readonly SqlValue[] = []): Promise<SqlRow | undefined> => {
    return this.#team(sql).get(sql, ...parameters);
  };
  #teamAll = async (sql: string, parameters: readonly SqlValue[] = []): Promise<readonly SqlRow[]> => {
    return this.#team(sql).all(sql, ...parameters);
  };
  #team(sql: string): SqliteConnection {
    if (TRANSACTION_CONTROL.test(sql))
      throw new TypeError(`the server owns this transaction; remove ${JSON.stringify(sql.trim().slice(0, 40))}`);
    return this.#db;
  }

  get #db(): SqliteConnection {
    this.#check();
    return this.#on;
  }
  #check(): void {
    if (this.#isOpen) return;
    throw new StorageError("STORAGE_UNAVAILABLE", "this transaction has ended; do not use it after its work returned");
  }
}

function spaceRow(row: Row): SpaceRow {
  return {
    id: row.id as string,
    generation: row.generation as string,
    headSeq: row.head_seq as number,
    floorSeq: row.floor_seq as number,
    knownSince: row.known_since as EpochMs,
  };
}
function entityRow(row: Row): EntityRow {
  return {
    type: row.type as string,
    id: row.id as string,
    version: row.version as number,
    seq: row.seq as number,
    deleted: row.deleted === 1,
    document: parsed(row.document) as JsonObject | null,
    lastOperationId: row.last_operation_id as string | null,
    updatedAt: row.updated_at as EpochMs,
    updatedBy: row.updated_by as string,
  };
}
function changeRow(row: Row): ChangeRow {
  return {
    seq: row.seq as number,
    txn: row.txn as number,
    kind: row.kind as ChangeKind,
    type: row.type as string,
    id: row.id as string,
    version: row.version as number,
    document: parsed(row.document) as JsonObject | null,
    clientId: row.client_id as string | null,
    operationId: row.operation_id as string | null,
    at: row.at as EpochMs,
  };
}
function ledgerRow(row: Row): LedgerRow {
  return {
    key: row.key as string,
    fingerprint: row.fingerprint as string | null,
    outcome: row.outcome as StoredOutcome,
    status: row.status as number,
    code: row.code as string | null,
    entityType: row.entity_type as string | null,
    entityId: row.entity_id as string | null,
    version: row.version as number | null,
    commitSeq: row.commit_seq as number | null,
    response: parsed(row.response) as OperationResult | null,
    at: row.at as EpochMs,
  };
}
function clientRow(row: Row): ClientRow {
  return {
    id: row.id as string,
    principal: row.principal as string,
    lastOpNumber: row.last_op_number as number,
    fence: row.fence as number,
    lease: row.lease as string | null,
    acknowledgedSeq: row.acknowledged_seq as number,
    lastSeenAt: row.last_seen_at as EpochMs,
  };
}

function parsed(text: Column | undefined): unknown {
  return typeof text === "string" ? JSON.parse(text) : null;
}
