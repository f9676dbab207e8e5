import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Contender } from "./measure.ts";
import { newFolder } from "./folder.ts";
import { payloadOf, updateOf } from "./workload.ts";

/** What one row holds. */
export interface Table {
  readonly name: string;
  readonly schema: string;
  readonly insert: string;
  readonly values: (index: number) => readonly (string | number)[];
}

/** A row of what every durable queue has to keep of an operation: its ids, its key, what it is about, its state and its payload. */
export const SAME_CONTENT: Table = {
  name: "the same content",
  schema: `CREATE TABLE ops (
      seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, trace_id TEXT NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL,
      entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, created_at INTEGER NOT NULL, status INTEGER NOT NULL, payload TEXT NOT NULL);
    CREATE INDEX ops_live ON ops (seq) WHERE status < 2`,
  insert:
    "INSERT INTO ops (id, key, trace_id, type, version, entity_type, entity_id, created_at, status, payload) VALUES (?, ?, ?, ?, 1, ?, ?, ?, 0, ?)",
  values(index) {
    const { type, entityType, entityId = "", payload } = updateOf(index);
    return [timeOrdered(index), randomUUID(), randomUUID(), type, entityType, entityId, Date.now(), JSON.stringify(payload)];
  },
};

/** The least that can be called a queue: a time-ordered id and 300 bytes. */
export const BARE: Table = {
  name: "id and payload alone",
  schema: "CREATE TABLE ops (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status INTEGER NOT NULL, body TEXT NOT NULL)",
  insert: "INSERT INTO ops (id, status, body) VALUES (?, 0, ?)",
  values: (index) => [timeOrdered(index), JSON.stringify(payloadOf(index))],
};

function timeOrdered(index: number): string {
  return `${String(index).padStart(12, "0")}-0000-7000-8000-000000000000`;
}

/** What the disk and SQLite allow: WAL, FULL, one row an operation, `perTransaction` rows a commit. */
export function rawSqlite(units: number, perTransaction: number, table: Table): Contender {
  return {
    name: `raw SQLite, ${table.name}, ${perTransaction} per transaction`,
    units,
    async prepare() {
      const folder = newFolder();
      const db = new DatabaseSync(join(folder.path, "raw.db"));
      db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; ${table.schema}`);
      const insert = db.prepare(table.insert);
      return {
        async run() {
          for (let done = 0; done < units; done += perTransaction) {
            db.exec("BEGIN IMMEDIATE");
            for (let i = done; i < Math.min(units, done + perTransaction); i++) insert.run(...table.values(i));
            db.exec("COMMIT");
          }
        },
        async close() {
          db.close();
          folder.remove();
        },
      };
    },
  };
}
