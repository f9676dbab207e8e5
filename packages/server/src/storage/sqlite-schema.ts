/** The tables of the SQLite storage and the numbered steps that lead to them. */
import type { DatabaseSync } from "node:sqlite";
import { StorageError } from "../core/storage.ts";

/**
 * The WAL-reset bug: before 3.51.3 a write at the wrong moment of a checkpoint could leave committed pages out of the database.
 * https://sqlite.org/wal.html#walresetbug
 */
const OLDEST_SQLITE = [3, 51, 3] as const;

/** Step n leads from version n to n + 1. Added to, never edited: databases in the field have run them. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE spaces (
    id          TEXT    NOT NULL PRIMARY KEY,
    generation  TEXT    NOT NULL,
    head_seq    INTEGER NOT NULL,
    floor_seq   INTEGER NOT NULL,
    known_since INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE entities (
    space             TEXT    NOT NULL,
    type              TEXT    NOT NULL,
    id                TEXT    NOT NULL,
    version           INTEGER NOT NULL,
    seq               INTEGER NOT NULL,
    deleted           INTEGER NOT NULL,
    document          TEXT,
    last_operation_id TEXT,
    updated_at        INTEGER NOT NULL,
    updated_by        TEXT    NOT NULL,
    PRIMARY KEY (space, type, id)
  ) STRICT;
  CREATE INDEX entities_tombstones ON entities (space, seq) WHERE deleted = 1;

  CREATE TABLE changes (
    space        TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    txn          INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    document     TEXT,
    client_id    TEXT,
    operation_id TEXT,
    at           INTEGER NOT NULL,
    PRIMARY KEY (space, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE operations (
    space       TEXT    NOT NULL,
    principal   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT,
    outcome     TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    code        TEXT,
    entity_type TEXT,
    entity_id   TEXT,
    version     INTEGER,
    commit_seq  INTEGER,
    response    TEXT,
    at          INTEGER NOT NULL,
    PRIMARY KEY (space, principal, key)
  ) STRICT;
  CREATE INDEX operations_by_age ON operations (space, at);
  CREATE INDEX operations_with_response ON operations (space, at) WHERE response IS NOT NULL;

  CREATE TABLE clients (
    space            TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    principal        TEXT    NOT NULL,
    last_op_number   INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    lease            TEXT,
    acknowledged_seq INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    PRIMARY KEY (space, id)
  ) STRICT, WITHOUT ROWID;
  `,
];

export const SCHEMA_VERSION: number = MIGRATIONS.length;

/** @throws StorageError if this SQLite may corrupt a database. */
export function refuseOldSqlite(version: string): void {
  const parts = version.split(".").map(Number);
  for (const [index, oldest] of OLDEST_SQLITE.entries()) {
    const part = parts[index] ?? 0;
    if (part > oldest) return;
    if (part < oldest) {
      throw new StorageError(
        "STORAGE_UNAVAILABLE",
        `SQLite ${version} can corrupt a database in WAL mode; run a Node.js that brings SQLite ${OLDEST_SQLITE.join(".")} or newer`,
      );
    }
  }
}

/**
 * Brings the database to this version, step by step, in one transaction.
 * @throws StorageError STORE_NEWER, before anything is written, if a newer program has made it.
 */
export function migrate(db: DatabaseSync): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    const version = versionOf(db);
    if (version > SCHEMA_VERSION) {
      throw new StorageError(
        "STORE_NEWER",
        `this database has schema version ${version}, made by a newer server; this one knows ${SCHEMA_VERSION}. Upgrade the server; the database was left untouched`,
      );
    }
    if (version < SCHEMA_VERSION) {
      db.exec("CREATE TABLE IF NOT EXISTS guardian_schema (version INTEGER NOT NULL) STRICT");
      for (const step of MIGRATIONS.slice(version)) db.exec(step);
      db.exec("DELETE FROM guardian_schema");
      db.prepare("INSERT INTO guardian_schema (version) VALUES (?)").run(SCHEMA_VERSION);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

// A table of our own: the team's tools may use user_version for their tables in the same file.
function versionOf(db: DatabaseSync): number {
  const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'guardian_schema'").get();
  if (table === undefined) return 0;
  const row = db.prepare("SELECT version FROM guardian_schema").get();
  return Number(row?.version ?? 0);
}
