/** Reading: the change feed, its cursors and long polls, and the snapshot. */
import assert from "node:assert/strict";
import { type ChangesPage, LEDGER_WINDOW_MS, type SnapshotRow } from "@guardian-sync/protocol";
import { serverCase } from "./contract-case.ts";
import type { ContractClient } from "./contract-world.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

async function devices(client: ContractClient, count: number): Promise<void> {
  await client.ops(Array.from({ length: count }, () => client.operation()));
}
const seqs = ({ changes }: ChangesPage): number[] => changes.map(({ seq }) => seq);

export const feedCases: readonly ContractCase<OpenStorage>[] = [
  serverCase("B3 pages continue where the last one ended", async (world) => {
    const ada = world.client();
    await devices(ada, 5);
    const first = await ada.changes({ limit: "2" });
    assert.deepEqual([first.from_seq, first.to_seq, first.head_seq, first.has_more, first.complete], [0, 2, 5, true, true]);
    const second = await ada.changes({ limit: "2", cursor: first.cursor });
    assert.deepEqual([second.from_seq, second.to_seq, seqs(second)], [2, 4, [3, 4]]);
    const last = await ada.changes({ cursor: second.cursor });
    assert.deepEqual([seqs(last), last.has_more], [[5], false]);
    const empty = await ada.changes({ cursor: last.cursor });
    assert.deepEqual([empty.from_seq, empty.to_seq, empty.cursor], [5, 5, last.cursor]);
  }),

  serverCase("a change says what happened, and who did it", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    const removal = ada.operation({ type: "DELETE", entity_id: create.entity_id, payload: null });
    const results = await ada.ops([create, removal]);
    const { changes } = await ada.changes();
    const origin = { client_id: ada.clientId, operation_id: create.operation_id };
    const entity = { entity_type: "device", entity_id: create.entity_id };
    assert.deepEqual(changes[0], { seq: 1, txn: 1, op: "put", ...entity, version: 1, data: results[0]?.data, origin });
    assert.deepEqual(changes[1], {
      seq: 2,
      txn: 2,
      op: "del",
      ...entity,
      version: 2,
      data: null,
      origin: { ...origin, operation_id: removal.operation_id },
    });
  }),

  serverCase("B3 a page never splits a transaction, however small the page", async (world) => {
    const ada = world.client();
    const group = Array.from({ length: 7 }, () => ada.operation({ group: "g" }));
    await ada.ops([ada.operation(), ada.operation(), ...group, ada.operation()]);
    const pages: number[][] = [];
    let cursor: string | undefined;
    for (;;) {
      const page: ChangesPage = await ada.changes({ limit: "3", ...(cursor === undefined ? {} : { cursor }) });
      if (page.changes.length === 0) break;
      pages.push(seqs(page));
      cursor = page.cursor;
    }
    assert.deepEqual(pages, [[1, 2], [3, 4, 5, 6, 7, 8, 9], [10]]);
  }),

  serverCase("spaces do not see each other's changes", async (world) => {
    await devices(world.client("ada@home"), 2);
    assert.deepEqual(seqs(await world.client("eve@cabin").changes()), []);
    assert.deepEqual(seqs(await world.client("bob@home").changes()), [1, 2]);
  }),

  serverCase("a cursor that cannot be continued is 410", async (world) => {
    const ada = world.client();
    await devices(ada, 3);
    const { cursor } = await ada.changes();
    const elsewhere = world.client("ada@cabin");
    for (const bad of [
      "",
      "nonsense",
      "c1:%zz",
      `${cursor}x`,
      cursor.replace(":3:", ":4:"),
      cursor.replace(":3:", ":-1:"),
      "c1:".padEnd(5000, "9"),
    ]) {
      const answer = await ada.pull({ cursor: bad });
      assert.deepEqual([answer.status, answer.error?.code], [410, "CURSOR_EXPIRED"], bad.slice(0, 40));
    }
    assert.equal((await elsewhere.pull({ cursor })).status, 410);
    assert.equal((await ada.pull({ cursor, entity_types: "device" })).status, 410);
    await world.server.renewGeneration();
    assert.equal((await ada.pull({ cursor })).status, 410);
    assert.deepEqual(seqs(await ada.changes()), [1, 2, 3]);
  }),

  serverCase("a cursor below the floor is expired; no cursor starts at the floor", async (world) => {
    const ada = world.client();
    await devices(ada, 2);
    const old = await ada.changes({ limit: "1" });
    world.timer.advance(LEDGER_WINDOW_MS + 1);
    await devices(ada, 1);
    const report = await world.server.maintain();
    assert.deepEqual([report.changes, report.operations, report.clients], [2, 2, 0]);
    assert.equal((await ada.pull({ cursor: old.cursor })).status, 410);
    const page = await ada.changes();
    assert.deepEqual([page.from_seq, seqs(page)], [2, [3]]);
  }),

  serverCase("a filter shows only its types and still moves on", async (world) => {
    const ada = world.client();
    await devices(ada, 2);
    await ada.op({ entity_type: "reading", payload: { value: 1 } });
    const page = await ada.changes({ entity_types: "reading" });
    assert.deepEqual([seqs(page), page.to_seq], [[3], 3]);
    assert.deepEqual(seqs(await ada.changes({ entity_types: "reading", cursor: page.cursor })), []);
    assert.equal((await ada.pull({ entity_types: "a b" })).status, 400);
  }),

  serverCase("a long poll is woken by a change of its space", async (world) => {
    const ada = world.client();
    const { cursor } = await ada.changes();
    const waiting = ada.changes({ cursor, wait: "20" });
    await settle();
    await world.client("eve@cabin").op({});
    await settle();
    assert.equal(world.timer.waiting, 1);
    await world.client("bob@home").op({});
    assert.deepEqual(seqs(await waiting), [1]);
    assert.equal(world.timer.waiting, 0);
  }),

  serverCase("a long poll ends empty after its time, at most 25 s", async (world) => {
    const ada = world.client();
    const { cursor } = await ada.changes();
    let done = false;
    const waiting = ada.changes({ cursor, wait: "600" }).then((page) => {
      done = true;
      return page;
    });
    await settle();
    world.timer.advance(24_999);
    await settle();
    assert.equal(done, false);
    world.timer.advance(1);
    assert.deepEqual(seqs(await waiting), []);
  }),

  serverCase("a long poll does not wait when there is something, and ends when its caller has gone", async (world) => {
    const ada = world.client();
    await devices(ada, 1);
    const page = await ada.changes({ wait: "20" });
    assert.deepEqual(seqs(page), [1]);
    const gone = new AbortController();
    const waiting = ada.send({ path: "/api/v1/sync/changes", query: { cursor: page.cursor, wait: "20" }, signal: gone.signal });
    await settle();
    gone.abort();
    assert.equal((await waiting).status, 200);
    assert.equal(world.timer.waiting, 0);
  }),

  serverCase("closing answers long polls at once and refuses what comes later", async (world) => {
    const ada = world.client();
    const { cursor } = await ada.changes();
    const waiting = ada.changes({ cursor, wait: "20" });
    await settle();
    await world.server.close();
    assert.deepEqual(seqs(await waiting), []);
    const later = await ada.pull();
    assert.deepEqual([later.status, later.error?.code, later.headers["Retry-After"]], [503, "SERVICE_UNAVAILABLE", "1"]);
    assert.equal((await ada.send({ path: "/health/live" })).status, 200);
    assert.equal((await ada.send({ path: "/health/ready" })).status, 503);
  }),

  serverCase("the snapshot comes in pages, with the changes to replay after it", async (world) => {
    const ada = world.client();
    await devices(ada, 5);
    const first = await ada.snapshot({ limit: "2" });
    assert.deepEqual([first.as_of, first.until, first.items.length], [5, undefined, 2]);
    const [moved] = first.items;
    // While the pages are read, one that was seen changes, and one comes that may be missed.
    await ada.op({ type: "UPDATE", entity_id: moved?.entity_id ?? "", payload: { name: "moved" } });
    await ada.op({});
    const rows: SnapshotRow[] = [...first.items];
    let page = first;
    while (page.next_page !== undefined) {
      page = await ada.snapshot({ limit: "2", page: page.next_page });
      assert.equal(page.as_of, undefined);
      rows.push(...page.items);
    }
    assert.equal(page.until, 7);
    const known = new Map(rows.map((row) => [row.entity_id, row.version]));
    for (const change of (await ada.changes({ cursor: page.cursor })).changes) {
      known.set(change.entity_id, Math.max(change.version, known.get(change.entity_id) ?? 0));
    }
    assert.equal(known.size, 6);
    assert.equal(known.get(moved?.entity_id ?? ""), 2);
  }),

  serverCase("a snapshot says up to which of its own numbers it contains what the client wrote", async (world) => {
    const [ada, eve] = [world.client(), world.client()];
    const own = async (client: ContractClient): Promise<number | undefined> => (await client.snapshot()).own?.op_number;
    assert.equal(await own(ada), 0);
    const batch = [1, 2].map((number) => ({ ...ada.operation(), op_number: number }));
    await ada.ops(batch, { ordering: "global" });
    assert.deepEqual((await ada.snapshot({ limit: "1" })).own, { client_id: ada.clientId, op_number: 2 });
    assert.equal(await own(eve), 0);
  }),

  serverCase("a snapshot has no tombstones and knows the seq of each row", async (world) => {
    const ada = world.client();
    await devices(ada, 2);
    const { items } = await ada.snapshot();
    await ada.op({ type: "DELETE", entity_id: items[0]?.entity_id ?? "", payload: null });
    const after = await ada.snapshot();
    assert.deepEqual([after.items, after.as_of, after.until], [[items[1]], 3, 3]);
  }),

  serverCase("a snapshot begun under another history cannot be finished", async (world) => {
    const ada = world.client();
    await devices(ada, 3);
    const { next_page = "" } = await ada.snapshot({ limit: "1" });
    await world.server.renewGeneration();
    for (const page of [next_page, "nonsense", "p1:a:b"]) {
      const answer = await ada.send({ path: "/api/v1/sync/snapshot", query: { page } });
      assert.deepEqual([answer.status, answer.error?.code], [410, "CURSOR_EXPIRED"]);
    }
  }),

  serverCase("tombstones leave with their change, and what was deleted is then unknown", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create, ada.operation({ type: "DELETE", entity_id: create.entity_id, payload: null })]);
    world.timer.advance(LEDGER_WINDOW_MS + 1);
    const report = await world.server.maintain({ batchSize: 1 });
    assert.deepEqual([report.changes, report.tombstones, report.isDone], [2, 1, true]);
    assert.equal((await ada.op({ type: "UPDATE", entity_id: create.entity_id })).status, 404);
  }),

  serverCase("upkeep stops at its bound and goes on when called again", async (world) => {
    const ada = world.client();
    await devices(ada, 10);
    world.timer.advance(LEDGER_WINDOW_MS + 1);
    const first = await world.server.maintain({ batchSize: 2, maxBatches: 3 });
    assert.equal(first.isDone, false);
    const rest = await world.server.maintain({ batchSize: 2 });
    assert.equal(rest.isDone, true);
    assert.equal(first.operations + rest.operations, 10);
    assert.equal((await ada.changes()).from_seq, 10);
  }),
];

/** Lets everything that does not wait for the clock come to rest, a database's own turns included. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
