/**
 * What every storage must do, as a list of cases for any test runner:
 *
 *     for (const { title, run } of storageContract) test(title, () => run(openStorage));
 */
import assert from "node:assert/strict";
import type { EpochMs } from "@guardian-sync/protocol";
import type { ChangeRow, ClientRow, EntityRow, LedgerRow, Storage, WriteTx } from "../core/storage.ts";

export interface ContractCase<Open> {
  readonly title: string;
  readonly run: (open: Open) => Promise<void>;
}
/** Opens a new, empty storage. The case closes it. */
export type OpenStorage = () => Promise<Storage> | Storage;

const at = (ms: number): EpochMs => ms as EpochMs;
const SPACE = "home";
const scope = { space: SPACE, principal: "ada" };

function entity(id: string, more: Partial<EntityRow> = {}): EntityRow {
  const document = { id, name: "lamp" };
  return {
    type: "device",
    id,
    version: 1,
    seq: 1,
    deleted: false,
    document,
    lastOperationId: null,
    updatedAt: at(1000),
    updatedBy: "ada",
    ...more,
  };
}
function change(seq: number, more: Partial<ChangeRow> = {}): ChangeRow {
  const row = { kind: "put", type: "device", id: `d${seq}`, version: 1, document: { seq }, clientId: null, operationId: null } as const;
  return { ...row, seq, txn: seq, at: at(seq), ...more };
}
function ledger(key: string, more: Partial<LedgerRow> = {}): LedgerRow {
  const row = { fingerprint: "f", outcome: "applied", status: 200, code: null, entityType: "device", entityId: "d1" } as const;
  return { key, ...row, version: 1, commitSeq: 1, response: { key, status: 200, outcome: "applied" }, at: at(1000), ...more };
}
function client(id: string, more: Partial<ClientRow> = {}): ClientRow {
  return { id, principal: "ada", lastOpNumber: 3, fence: 7, lease: "l", acknowledgedSeq: 0, lastSeenAt: at(1000), ...more };
}
async function inSpace(storage: Storage, work: (tx: WriteTx) => Promise<void> = async () => {}): Promise<void> {
  await storage.write(async (tx) => {
    await tx.createSpace({ id: SPACE, generation: "g1", headSeq: 0, floorSeq: 0, knownSince: at(500) });
    await work(tx);
  });
}

function contractCase(title: string, body: (storage: Storage) => Promise<void>): ContractCase<OpenStorage> {
  return {
    title,
    run: async (open) => {
      const storage = await open();
      try {
        await body(storage);
      } finally {
        await storage.close();
      }
    },
  };
}

const failure = new Error("undo this");
const undone = async (work: Promise<unknown>): Promise<void> => assert.rejects(work, failure);

export const storageContract: readonly ContractCase<OpenStorage>[] = [
  contractCase("a space is made once and found again", async (storage) => {
    assert.equal(await storage.read((tx) => tx.space(SPACE)), null);
    await inSpace(storage);
    await storage.write((tx) => tx.createSpace({ id: SPACE, generation: "other", headSeq: 9, floorSeq: 9, knownSince: at(9) }));
    const row = await storage.read((tx) => tx.space(SPACE));
    assert.deepEqual({ ...row }, { id: SPACE, generation: "g1", headSeq: 0, floorSeq: 0, knownSince: 500 });
  }),

  contractCase("spaces are listed in order, in pages", async (storage) => {
    for (const id of ["c", "a", "b"]) {
      await storage.write((tx) => tx.createSpace({ id, generation: "g", headSeq: 0, floorSeq: 0, knownSince: at(0) }));
    }
    assert.deepEqual(await storage.read((tx) => tx.spaces({ after: "", limit: 2 })), ["a", "b"]);
    assert.deepEqual(await storage.read((tx) => tx.spaces({ after: "b", limit: 2 })), ["c"]);
  }),

  contractCase("rows come back as they were written", async (storage) => {
    const rows = {
      entity: entity("d1", { document: { id: "d1", nested: { list: [1, null, "ü"] } }, lastOperationId: "op" }),
      tombstone: entity("d2", { deleted: true, document: null }),
      ledger: ledger("k1", { response: { key: "k1", status: 200, outcome: "applied", data: { a: 1 } } }),
      marker: ledger("k2", { fingerprint: null, outcome: "cancelled", code: "CONFLICT", version: null, commitSeq: null, response: null }),
      change: change(1, { clientId: "c1", operationId: "op" }),
      client: client("c1", { lease: null }),
    };
    await inSpace(storage, async (tx) => {
      await tx.putEntities(SPACE, [rows.entity, rows.tombstone]);
      await tx.putLedger(scope, [rows.ledger, rows.marker]);
      await tx.appendChanges(SPACE, [rows.change]);
      await tx.putClient(SPACE, rows.client);
    });
    await storage.read(async (tx) => {
      assert.deepEqual(await tx.entity(SPACE, { type: "device", id: "d1" }), rows.entity);
      assert.deepEqual(await tx.entity(SPACE, { type: "device", id: "d2" }), rows.tombstone);
      assert.equal(await tx.entity(SPACE, { type: "room", id: "d1" }), null);
      const found = await tx.ledger(scope, ["k1", "k2", "k3"]);
      assert.deepEqual([found.get("k1"), found.get("k2"), found.size], [rows.ledger, rows.marker, 2]);
      assert.deepEqual(await tx.changes(SPACE, { after: 0, limit: 10 }), [rows.change]);
      assert.deepEqual(await tx.client(SPACE, "c1"), rows.client);
      assert.deepEqual(await tx.countLedger(at(1000)), { ledgerRows: 2, staleRows: 0 });
      assert.deepEqual(await tx.countLedger(at(1001)), { ledgerRows: 2, staleRows: 2 });
    });
  }),

  contractCase("a later write replaces a row", async (storage) => {
    await inSpace(storage, async (tx) => {
      await tx.putEntities(SPACE, [entity("d1")]);
      await tx.putLedger(scope, [ledger("k1")]);
      await tx.putClient(SPACE, client("c1"));
    });
    await storage.write(async (tx) => {
      await tx.putEntities(SPACE, [entity("d1", { version: 2 })]);
      await tx.putLedger(scope, [ledger("k1", { outcome: "rejected" })]);
      await tx.putClient(SPACE, client("c1", { lastOpNumber: 4 }));
    });
    await storage.read(async (tx) => {
      assert.equal((await tx.entity(SPACE, { type: "device", id: "d1" }))?.version, 2);
      assert.equal((await tx.ledger(scope, ["k1"])).get("k1")?.outcome, "rejected");
      assert.equal((await tx.client(SPACE, "c1"))?.lastOpNumber, 4);
    });
  }),

  contractCase("spaces and principals do not see each other", async (storage) => {
    await inSpace(storage, async (tx) => {
      await tx.createSpace({ id: "other", generation: "g", headSeq: 0, floorSeq: 0, knownSince: at(0) });
      await tx.putEntities(SPACE, [entity("d1")]);
      await tx.putLedger(scope, [ledger("k1")]);
      await tx.appendChanges(SPACE, [change(1)]);
      await tx.putClient(SPACE, client("c1"));
    });
    await storage.read(async (tx) => {
      assert.equal(await tx.entity("other", { type: "device", id: "d1" }), null);
      assert.equal((await tx.ledger({ space: "other", principal: "ada" }, ["k1"])).size, 0);
      assert.equal((await tx.ledger({ space: SPACE, principal: "bob" }, ["k1"])).size, 0);
      assert.deepEqual(await tx.changes("other", { after: 0, limit: 10 }), []);
      assert.equal(await tx.client("other", "c1"), null);
    });
  }),

  contractCase("entities are listed live, by type and id, in pages", async (storage) => {
    await inSpace(storage, async (tx) => {
      const rows = [entity("b"), entity("a"), entity("c", { deleted: true, document: null }), entity("d")];
      await tx.putEntities(SPACE, [...rows, entity("a", { type: "room" })]);
    });
    await storage.read(async (tx) => {
      const ids = (rows: readonly EntityRow[]): string[] => rows.map(({ type, id }) => `${type}/${id}`);
      assert.deepEqual(ids(await tx.entitiesOfType(SPACE, "device", { after: "", limit: 2 })), ["device/a", "device/b"]);
      assert.deepEqual(ids(await tx.entitiesOfType(SPACE, "device", { after: "b", limit: 2 })), ["device/d"]);
      assert.deepEqual(ids(await tx.entities(SPACE, { after: null, limit: 3 })), ["device/a", "device/b", "device/d"]);
      assert.deepEqual(ids(await tx.entities(SPACE, { after: { type: "device", id: "b" }, limit: 9 })), ["device/d", "room/a"]);
    });
  }),

  contractCase("the head counts without holes and gives the first seq", async (storage) => {
    await inSpace(storage);
    assert.equal(await storage.write((tx) => tx.advanceHead(SPACE, 3)), 1);
    await undone(
      storage.write(async (tx) => {
        await tx.advanceHead(SPACE, 5);
        throw failure;
      }),
    );
    assert.equal(await storage.write((tx) => tx.advanceHead(SPACE, 1)), 4);
    assert.equal((await storage.read((tx) => tx.space(SPACE)))?.headSeq, 4);
  }),

  contractCase("changes are read in order above a seq", async (storage) => {
    await inSpace(storage, (tx) =>
      tx.appendChanges(
        SPACE,
        [1, 2, 3, 4].map((seq) => change(seq)),
      ),
    );
    await storage.read(async (tx) => {
      const seqs = async (after: number, limit: number): Promise<number[]> =>
        (await tx.changes(SPACE, { after, limit })).map(({ seq }) => seq);
      assert.deepEqual(await seqs(0, 2), [1, 2]);
      assert.deepEqual(await seqs(2, 9), [3, 4]);
      assert.deepEqual(await seqs(4, 9), []);
    });
  }),

  contractCase("work that throws leaves nothing, and its error is passed on", async (storage) => {
    await inSpace(storage);
    await undone(
      storage.write(async (tx) => {
        await tx.putEntities(SPACE, [entity("d1")]);
        await tx.putLedger(scope, [ledger("k1")]);
        await tx.appendChanges(SPACE, [change(1)]);
        await tx.putClient(SPACE, client("c1"));
        throw failure;
      }),
    );
    await storage.read(async (tx) => {
      assert.equal(await tx.entity(SPACE, { type: "device", id: "d1" }), null);
      assert.equal((await tx.ledger(scope, ["k1"])).size, 0);
      assert.deepEqual(await tx.changes(SPACE, { after: 0, limit: 1 }), []);
      assert.equal(await tx.client(SPACE, "c1"), null);
    });
  }),

  contractCase("a savepoint undoes only itself, also when nested", async (storage) => {
    await inSpace(storage);
    await storage.write(async (tx) => {
      await tx.putEntities(SPACE, [entity("kept")]);
      await undone(
        tx.savepoint(async () => {
          await tx.putEntities(SPACE, [entity("kept", { version: 9 }), entity("gone")]);
          await tx.savepoint(() => tx.putEntities(SPACE, [entity("inner")]));
          throw failure;
        }),
      );
      await undone(tx.savepoint(() => Promise.reject(failure)));
      await tx.savepoint(() => tx.putEntities(SPACE, [entity("after")]));
    });
    const rows = await storage.read((tx) => tx.entities(SPACE, { after: null, limit: 9 }));
    assert.deepEqual(
      rows.map(({ id, version }) => `${id}@${version}`),
      ["after@1", "kept@1"],
    );
  }),

  contractCase("a transaction sees its own writes, others see them after commit", async (storage) => {
    await inSpace(storage);
    let seenOutside: EntityRow | null | undefined;
    let reading: Promise<void> | undefined;
    await storage.write(async (tx) => {
      await tx.putEntities(SPACE, [entity("d1")]);
      assert.equal((await tx.entity(SPACE, { type: "device", id: "d1" }))?.id, "d1");
      assert.equal((await tx.lockEntities(SPACE, [{ type: "device", id: "d1" }])).size, 1);
      reading = storage.read(async (other) => {
        seenOutside = await other.entity(SPACE, { type: "device", id: "d1" });
      });
    });
    await reading;
    // Either it read before the commit and saw nothing, or after it and saw the row; never a row that could still vanish.
    assert.ok(seenOutside === null || seenOutside?.id === "d1");
    assert.equal((await storage.read((tx) => tx.entity(SPACE, { type: "device", id: "d1" })))?.id, "d1");
  }),

  contractCase("one of many concurrent transactions that fails costs the others nothing", async (storage) => {
    await inSpace(storage);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        storage.write(async (tx) => {
          const seq = await tx.advanceHead(SPACE, 1);
          await tx.appendChanges(SPACE, [change(seq)]);
          if (index % 4 === 3) throw failure;
          return seq;
        }),
      ),
    );
    const seqs = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    assert.equal(seqs.length, 30);
    const stored = await storage.read((tx) => tx.changes(SPACE, { after: 0, limit: 100 }));
    assert.deepEqual(
      stored.map(({ seq }) => seq),
      Array.from({ length: 30 }, (_, index) => index + 1),
    );
    assert.deepEqual(
      seqs.toSorted((a, b) => a - b),
      stored.map(({ seq }) => seq),
    );
  }),

  contractCase("a claimed key is decided by one transaction; the next one finds its row", async (storage) => {
    await inSpace(storage);
    const executions = await Promise.all(
      Array.from({ length: 10 }, () =>
        storage.write(async (tx) => {
          const held = await tx.claimKeys(scope, ["k1", "k2"]);
          if (held.has("k1")) return 0;
          await tx.putLedger(scope, [ledger("k1")]);
          await tx.releaseKeys(scope, ["k2"]);
          return 1;
        }),
      ),
    );
    assert.equal(
      executions.reduce((sum: number, one) => sum + one, 0),
      1,
    );
    const rows = await storage.read((tx) => tx.ledger(scope, ["k1", "k2"]));
    assert.deepEqual([...rows.keys()], ["k1"]);
  }),

  contractCase("locks on what is not there find nothing and leave nothing", async (storage) => {
    await inSpace(storage);
    await storage.write(async (tx) => {
      assert.equal((await tx.lockEntities(SPACE, [{ type: "device", id: "x" }])).size, 0);
      assert.equal(await tx.lockClient(SPACE, "nobody"), null);
    });
    await storage.read(async (tx) => {
      assert.equal(await tx.entity(SPACE, { type: "device", id: "x" }), null);
      assert.equal(await tx.client(SPACE, "nobody"), null);
    });
  }),

  contractCase("a dropped entity leaves no tombstone", async (storage) => {
    await inSpace(storage, (tx) => tx.putEntities(SPACE, [entity("d1")]));
    await storage.write((tx) => tx.dropEntities(SPACE, [{ type: "device", id: "d1" }]));
    assert.equal(await storage.read((tx) => tx.entity(SPACE, { type: "device", id: "d1" })), null);
  }),

  contractCase("answers are forgotten before the rows that remember their outcome, in bounded batches", async (storage) => {
    await inSpace(storage, (tx) =>
      tx.putLedger(
        scope,
        [1, 2, 3, 4].map((n) => ledger(`k${n}`, { at: at(n * 1000) })),
      ),
    );
    assert.equal(await storage.write((tx) => tx.expireResponses(SPACE, at(3500), 2)), 2);
    assert.equal(await storage.write((tx) => tx.expireResponses(SPACE, at(3500), 2)), 1);
    assert.equal(await storage.write((tx) => tx.expireResponses(SPACE, at(3500), 2)), 0);
    const rows = await storage.read((tx) => tx.ledger(scope, ["k1", "k4"]));
    assert.deepEqual([rows.get("k1")?.response, rows.get("k1")?.outcome, rows.get("k4")?.response?.key], [null, "applied", "k4"]);
    assert.equal(await storage.write((tx) => tx.expireLedger(SPACE, at(2500), 10)), 2);
    assert.deepEqual([...(await storage.read((tx) => tx.ledger(scope, ["k1", "k2", "k3"]))).keys()], ["k3"]);
  }),

  contractCase("changes expire from the oldest on, whole transactions only, and the floor follows", async (storage) => {
    const rows = [change(1), change(2, { txn: 2, at: at(2) }), change(3, { txn: 2, at: at(2) }), change(4), change(5)];
    await inSpace(storage, (tx) => tx.appendChanges(SPACE, rows));
    const floor = async (): Promise<number | undefined> => (await storage.read((tx) => tx.space(SPACE)))?.floorSeq;
    assert.equal(await storage.write((tx) => tx.expireChanges(SPACE, at(1), 10)), 0);
    assert.equal(await storage.write((tx) => tx.expireChanges(SPACE, at(5), 2)), 3);
    assert.equal(await floor(), 3);
    assert.equal(await storage.write((tx) => tx.expireChanges(SPACE, at(5), 2)), 1);
    assert.equal(await storage.write((tx) => tx.expireChanges(SPACE, at(9), 2)), 1);
    assert.equal(await floor(), 5);
    assert.equal(await storage.write((tx) => tx.expireChanges(SPACE, at(9), 2)), 0);
  }),

  contractCase("tombstones expire only after their change has left the feed", async (storage) => {
    const tombstone = entity("d1", { deleted: true, document: null, seq: 2, updatedAt: at(2) });
    await inSpace(storage, async (tx) => {
      await tx.putEntities(SPACE, [tombstone, entity("live", { updatedAt: at(1) })]);
      await tx.appendChanges(SPACE, [change(1), change(2)]);
    });
    assert.equal(await storage.write((tx) => tx.expireTombstones(SPACE, at(9), 10)), 0);
    await storage.write((tx) => tx.expireChanges(SPACE, at(9), 10));
    assert.equal(await storage.write((tx) => tx.expireTombstones(SPACE, at(9), 10)), 1);
    assert.equal((await storage.read((tx) => tx.entity(SPACE, { type: "device", id: "live" })))?.id, "live");
  }),

  contractCase("clients that were not seen for long are forgotten", async (storage) => {
    await inSpace(storage, async (tx) => {
      await tx.putClient(SPACE, client("old", { lastSeenAt: at(1) }));
      await tx.putClient(SPACE, client("new", { lastSeenAt: at(9) }));
    });
    assert.equal(await storage.write((tx) => tx.expireClients(SPACE, at(5), 10)), 1);
    assert.equal(await storage.read((tx) => tx.client(SPACE, "old")), null);
    assert.equal((await storage.read((tx) => tx.client(SPACE, "new")))?.id, "new");
  }),

  contractCase("a renewed space has a new generation and knows nothing of before", async (storage) => {
    await inSpace(storage);
    await storage.write((tx) => tx.renewSpace(SPACE, "g2", at(7000)));
    const row = await storage.read((tx) => tx.space(SPACE));
    assert.deepEqual([row?.generation, row?.knownSince], ["g2", 7000]);
  }),

  contractCase("a transaction cannot be used after it ended", async (storage) => {
    await inSpace(storage);
    let late: WriteTx | undefined;
    await storage.write(async (tx) => {
      late = tx;
    });
    await assert.rejects(async () => late?.putEntities(SPACE, [entity("d1")]), { code: "STORAGE_UNAVAILABLE" });
    assert.equal(await storage.read((tx) => tx.entity(SPACE, { type: "device", id: "d1" })), null);
  }),

  contractCase("closing waits for what runs and refuses what comes later", async (storage) => {
    await inSpace(storage);
    const running = storage.write((tx) => tx.putEntities(SPACE, [entity("d1")]));
    const closing = storage.close();
    await assert.rejects(
      storage.write(async () => {}),
      { code: "STORAGE_UNAVAILABLE" },
    );
    await assert.rejects(
      storage.read(async () => {}),
      { code: "STORAGE_UNAVAILABLE" },
    );
    await running;
    await closing;
  }),
];
