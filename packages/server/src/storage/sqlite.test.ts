import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { EpochMs } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StorageError, type WriteTx } from "../core/storage.ts";
import { refuseOldSqlite, SCHEMA_VERSION } from "./sqlite-schema.ts";
import { sqliteStorage } from "./sqlite.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guardian-sqlite-"));
  path = join(folder, "server.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const space = { id: "home", generation: "g", headSeq: 0, floorSeq: 0, knownSince: 0 as EpochMs };
const codeOf = (run: () => unknown): unknown => {
  try {
    run();
    return "nothing was thrown";
  } catch (error) {
    return error instanceof StorageError ? error.code : error;
  }
};

describe("opening", () => {
  test("keeps what was committed", async () => {
    const first = sqliteStorage({ path });
    await first.write((tx) => tx.createSpace(space));
    await first.close();
    await first.close();
    const second = sqliteStorage({ path });
    expect((await second.read((tx) => tx.space("home")))?.generation).toBe("g");
    await second.close();
  });

  test("refuses a database of a newer server and leaves it untouched", async () => {
    await sqliteStorage({ path }).close();
    const db = new DatabaseSync(path);
    db.exec(`UPDATE guardian_schema SET version = ${SCHEMA_VERSION + 1}; PRAGMA wal_checkpoint(TRUNCATE)`);
    db.close();
    const before = readFileSync(path);
    expect(codeOf(() => sqliteStorage({ path }))).toBe("STORE_NEWER");
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("says so when the file is no database, or the folder is missing", () => {
    writeFileSync(path, "this is no database, but it is long enough to be looked at as one");
    expect(codeOf(() => sqliteStorage({ path }))).toBe("STORAGE_CORRUPT");
    expect(codeOf(() => sqliteStorage({ path: join(folder, "none", "x.db") }))).toBe("STORAGE_UNAVAILABLE");
    for (const bad of ["", ":memory:"]) expect(() => sqliteStorage({ path: bad })).toThrow(TypeError);
  });

  test("refuses a SQLite with the WAL-reset bug", () => {
    for (const version of ["3.51.2", "3.50.9", "3.8.0", "2.99.99"])
      expect(codeOf(() => refuseOldSqlite(version))).toBe("STORAGE_UNAVAILABLE");
    for (const version of ["3.51.3", "3.52.0", "3.100.0", "4.0.0"])
      expect(codeOf(() => refuseOldSqlite(version))).toBe("nothing was thrown");
  });

  test("syncs every commit to the WAL", async () => {
    const storage = sqliteStorage({ path });
    const db = new DatabaseSync(path);
    expect(db.prepare("PRAGMA journal_mode").get()).toMatchObject({ journal_mode: "wal" });
    db.close();
    const synchronous = await storage.write(async (tx) => await tx.sql?.get("SELECT * FROM pragma_synchronous"));
    expect(synchronous).toMatchObject({ synchronous: 2 });
    await storage.close();
  });

  test("has the tables that were agreed, each led by its space", async () => {
    await sqliteStorage({ path }).close();
    const db = new DatabaseSync(path, { readOnly: true });
    const keys = (table: string): unknown[] =>
      db
        .prepare("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk")
        .all(table)
        .map(({ name }) => name);
    expect(keys("spaces")).toEqual(["id"]);
    expect(keys("entities")).toEqual(["space", "type", "id"]);
    expect(keys("changes")).toEqual(["space", "seq"]);
    expect(keys("operations")).toEqual(["space", "principal", "key"]);
    expect(keys("clients")).toEqual(["space", "id"]);
    const others = db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'trigger' OR name = 'sqlite_sequence'").get();
    expect(others).toMatchObject({ n: 0 });
    db.close();
  });
});

describe("group commit", () => {
  test("transactions that wait together share a commit, and nobody is answered before it", async () => {
    const storage = sqliteStorage({ path });
    storage.attach?.({ nextTurn: () => new Promise((resolve) => setImmediate(resolve)) });
    await storage.write((tx) => tx.createSpace(space));
    const reader = new DatabaseSync(path, { readOnly: true });
    const committed = (): number => Number(reader.prepare("SELECT head_seq FROM spaces").get()?.head_seq);
    const seen: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await storage.write((tx) => tx.advanceHead("home", 1));
        seen.push(committed());
      }),
    );
    // One commit: whoever was told first found all twenty on disk.
    expect(new Set(seen)).toEqual(new Set([20]));
    reader.close();
    await storage.close();
  });

  test("a transaction that SQLite gave up takes its group along, and the next group works", async () => {
    const storage = sqliteStorage({ path });
    await storage.write((tx) => tx.createSpace(space));
    const innocent = storage.write((tx) => tx.advanceHead("home", 1));
    const guilty = storage.write(async (tx) => {
      // What a full disk does: SQLite rolls back everything by itself.
      await endTransaction(tx);
    });
    await expect(innocent).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await expect(guilty).rejects.toBeDefined();
    expect(await storage.write((tx) => tx.advanceHead("home", 1))).toBe(1);
    await storage.close();
  });

  test("a database that is locked by another program is unavailable, not corrupt", async () => {
    const storage = sqliteStorage({ path });
    await storage.write((tx) => tx.createSpace(space));
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await expect(storage.write((tx) => tx.advanceHead("home", 1))).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    other.exec("ROLLBACK");
    expect(await storage.write((tx) => tx.advanceHead("home", 1))).toBe(1);
    other.close();
    await storage.close();
  }, 20_000);
});

describe("the team's SQL", () => {
  test("runs in the transaction, with bound values", async () => {
    const storage = sqliteStorage({ path });
    await storage.write(async ({ sql }) => await sql?.run("CREATE TABLE mine (id TEXT PRIMARY KEY, n INTEGER)"));
    await storage.write(async ({ sql }) => {
      expect(await sql?.run("INSERT INTO mine VALUES (?, ?)", ["a'b", 5])).toEqual({ changes: 1 });
      expect(await sql?.get("SELECT n FROM mine WHERE id = ?", ["a'b"])).toMatchObject({ n: 5 });
    });
    await expect(
      storage.write(async ({ sql }) => {
        await sql?.run("DELETE FROM mine");
        throw new Error("undo");
      }),
    ).rejects.toThrow("undo");
    expect(await storage.read(async ({ sql }) => await sql?.all("SELECT id FROM mine"))).toHaveLength(1);
    await expect(storage.read(async ({ sql }) => await sql?.run("DELETE FROM mine"))).rejects.toMatchObject({ code: "STORAGE_READ_ONLY" });
    await storage.close();
  });

  test("cannot end the transaction it runs in", async () => {
    const storage = sqliteStorage({ path });
    for (const text of ["COMMIT", " rollback", "/* x */ BEGIN", "-- x\nEND", "SAVEPOINT a", "release a", "PRAGMA synchronous = OFF"]) {
      await expect(storage.write(async ({ sql }) => await sql?.run(text))).rejects.toThrow(TypeError);
    }
    await storage.close();
  });
});

/** Makes SQLite end the open transaction without being asked to, as it does on a full disk: by a conflict that rolls back. */
async function endTransaction({ sql }: WriteTx): Promise<void> {
  await sql?.run("CREATE TABLE once (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)");
  await sql?.run("INSERT INTO once VALUES (1)");
  await sql?.run("INSERT INTO once VALUES (1)");
}
