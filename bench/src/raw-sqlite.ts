import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Contender } from "./measure.ts";
import { newFolder } from "./folder.ts";
import { payloadOf } from "./workload.ts";

/** What the disk and SQLite allow: WAL, FULL, one row an operation with a time-ordered id, `perTransaction` rows a commit. */
export function rawSqlite(units: number, perTransaction: number): Contender {
  return {
    name: `raw SQLite, ${perTransaction} per transaction`,
    units,
    async prepare() {
      const folder = newFolder();
      const db = new DatabaseSync(join(folder.path, "raw.db"));
      db.exec(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE ops (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status INTEGER NOT NULL, body TEXT NOT NULL)",
      );
      const insert = db.prepare("INSERT INTO ops (id, status, body) VALUES (?, 0, ?)");
      return {
        async run() {
          for (let done = 0; done < units; done += perTransaction) {
            db.exec("BEGIN IMMEDIATE");
            for (let i = done; i < Math.min(units, done + perTransaction); i++)
              insert.run(`${String(i).padStart(12, "0")}-0000-7000-8000-000000000000`, JSON.stringify(payloadOf(i)));
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
