import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { expect, test } from "vitest";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ann, at, change, ContractWorld, lockRow, state, STOPPED_CLOCK, tagOf } from "../testing/store-contract-world.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { openForWriting } from "./sqlite-open.ts";
import { sqliteStore } from "./sqlite.ts";
import { SqliteStore } from "./sqlite-store.ts";

/** These hold one row per account, or one row at all: reading all of them is right. */
const SMALL_TABLES = /^SCAN (a|accounts|processing_lock|l|json_each|CONSTANT ROW|d)\b|^SCAN \d+ CONSTANT ROWS/;

test("Q7 no statement of the store reads a table from one end to the other", async () => {
  const folder = mkdtempSync(join(tmpdir(), "guardian-plans-"));
  const path = join(folder, "queue.db");
  const opened = await sqliteStore({ path, encryption: "none" }).open({ clock: STOPPED_CLOCK, random: new SeededRandom(1) });
  const { db } = openForWriting(path, 200, { storeId: "", tagKey: new Uint8Array() });
  const seen = new Set<string>();
  const prepare = db.prepare.bind(db);
  db.prepare = (sql: string): StatementSync => {
    seen.add(sql);
    return prepare(sql);
  };
  const store = new SqliteStore(new SqliteConnection(db), path, opened.store.storeId);
  const world = new ContractWorld({ open: () => Promise.resolve(opened) }, "plans");
  const account = ann(opened);
  const entityTag = tagOf(opened, account, "a");
  for (let i = 0; i < 5; i++) await store.append([await world.segment(opened, account, 10)]);
  await change(store, account, {
    putAccountDetail: new Uint8Array(1),
    putStates: [state(opened, account, 1), state(opened, account, 2)],
    dropStates: [at(2)],
    putPacks: [{ packId: "p", live: 2, body: new Uint8Array(1) }],
    releasePacks: [{ packId: "p", count: 1 }],
    settleContent: [{ from: at(2), to: at(35) }],
    putLanes: [{ account, lane: entityTag, head: at(1), dueAt: 0, failures: 0, blockedBy: 0 }],
    dropLanes: [entityTag],
    putEntities: [{ account, entityTag, version: 1, lastSeq: at(1), chainFrom: 0, body: null }],
    putReceipts: [{ account, seqMin: at(1), seqMax: at(9), idMin: "a", idMax: "b", settledAt: 1, body: new Uint8Array(1) }],
    putMeta: [
      { key: "k", value: new Uint8Array(1) },
      { key: "k", value: null },
    ],
  });
  await change(store, account, { releasePacks: [{ packId: "p", count: 1 }] });
  await store.readAccount(account);
  await store.readSegments(account, at(3), 5);
  await store.findSegments(account, "0190");
  const filters = [
    {},
    { phases: ["ready"] as const },
    { phases: ["ready", "failed"] as const },
    { blockedBy: at(1) },
    { entityTag },
    { seqs: [at(1)] },
  ];
  for (const filter of filters) await store.readStates({ account, ...filter, after: at(1), limit: 5 });
  await store.readPacks(["p"]);
  await store.readLanes(account);
  await store.readLanes(account, ["", entityTag]);
  await store.readEntities(account, [entityTag]);
  await store.readReceipts(account, { id: "a" });
  await store.readReceipts(account, { seqs: { from: at(1), to: at(2) } });
  await store.readMeta("k");
  await store.purgeReceipts(5, 5);
  await store.writeLock(null, lockRow());
  await store.listAccounts();

  const explainer = new DatabaseSync(path);
  const statements = [...seen].filter((sql) => /^\s*(SELECT|INSERT|UPDATE|DELETE)/.test(sql));
  expect(statements.length).toBeGreaterThan(30);
  const scans: string[] = [];
  for (const sql of statements) {
    for (const { detail } of explainer.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as unknown as readonly { readonly detail: string }[]) {
      if (/^SCAN|TEMP B-TREE/.test(detail) && !SMALL_TABLES.test(detail)) scans.push(`${detail}: ${sql}`);
    }
  }
  // Receipts found by level, and few of them, are put in their order at the end.
  expect(scans.filter((scan) => !/ORDER BY receipt_no/.test(scan))).toEqual([]);
  explainer.close();
  await store.close();
  await opened.store.close();
  rmSync(folder, { recursive: true });
});
