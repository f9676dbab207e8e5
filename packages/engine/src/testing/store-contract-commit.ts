import { NO_COUNTS } from "../core/conservation.ts";
import { COUNTERS, type OpenedStore, type StoreCommit } from "../ports/index.ts";
import { ann, at, bob, change, codeOf, type ContractWorld, dump, lockRow, state, tagOf, type StoreCase } from "./store-contract-world.ts";

type Parts = Omit<StoreCommit, "account" | "expectRevision">;

/** One change of each kind, at seqs 1 to 3. */
function everyPart(world: ContractWorld, opened: OpenedStore): Required<Omit<Parts, "fence">> {
  const account = ann(opened);
  const entityTag = tagOf(opened, account, "entity-0");
  const bytes = world.random.bytes(40);
  return {
    putAccountDetail: bytes,
    putStates: [state(opened, account, 1, { phase: "sealed", packId: "pack-1", detail: bytes, dueAt: 12.5, attempts: 3 })],
    dropStates: [at(2)],
    putPacks: [{ packId: "pack-1", live: 2, body: bytes }],
    releasePacks: [{ packId: "pack-0", count: 1 }],
    settleContent: [{ from: at(2), to: at(3) }],
    putLanes: [{ account, lane: entityTag, head: at(1), dueAt: 7, failures: 1, blockedBy: at(1) }],
    dropLanes: [tagOf(opened, account, "entity-9")],
    putEntities: [{ account, entityTag, version: 4, lastSeq: at(2), chainFrom: 3, body: null }],
    dropEntities: [tagOf(opened, account, "entity-8")],
    putReceipts: [{ account, seqMin: at(2), seqMax: at(3), idMin: "01", idMax: "02", settledAt: 5000, body: bytes }],
    putMeta: [{ key: "note", value: bytes }],
    count: { pending: -3, sealed: 1, succeeded: 2 },
  };
}

/** Three operations, two states, a pack and a lane, for `everyPart` to change. */
async function prepare(world: ContractWorld): Promise<OpenedStore> {
  const opened = await world.open();
  const account = ann(opened);
  await opened.store.append([await world.segment(opened, account, 3)]);
  await change(opened.store, account, {
    putStates: [state(opened, account, 2), state(opened, account, 3, { phase: "blocked", blockedBy: at(2) })],
    putPacks: [{ packId: "pack-0", live: 1, body: world.random.bytes(10) }],
    putLanes: [{ account, lane: tagOf(opened, account, "entity-9"), head: at(2), dueAt: 0, failures: 0, blockedBy: 0 }],
    putEntities: [{ account, entityTag: tagOf(opened, account, "entity-8"), version: 1, lastSeq: at(1), chainFrom: 0, body: null }],
  });
  return opened;
}

async function readAll(opened: OpenedStore): Promise<unknown> {
  const account = ann(opened);
  const { store } = opened;
  const entities = await store.listEntities(account, "", 10);
  return [await dump(store, [account, bob(opened)]), await store.readPacks(["pack-0", "pack-1"]), entities];
}

export const commitCases: readonly StoreCase[] = [
  {
    title: "Q4 every part of a commit is applied, and is there after a restart",
    run: async (world, expect) => {
      let opened = await prepare(world);
      const account = ann(opened);
      const parts = everyPart(world, opened);
      expect(await opened.store.commit({ account, expectRevision: 2, ...parts })).toEqual({ ok: true, revision: 3 });
      const before = await readAll(opened);
      opened = await world.reopen();
      expect(await readAll(opened)).toEqual(before);

      const { store } = opened;
      const counts = { ...NO_COUNTS, enqueued: 3, pending: 0, sealed: 1, succeeded: 2 };
      expect(await store.readAccount(account)).toEqual({ account, revision: 3, counts, detail: parts.putAccountDetail });
      expect(await store.readStates({ account, limit: 10 })).toEqual([
        ...parts.putStates,
        state(opened, account, 3, { phase: "blocked", blockedBy: at(2) }),
      ]);
      expect(await store.readPacks(["pack-0", "pack-1"])).toEqual(parts.putPacks);
      expect((await store.readSegments(account, at(1), 10)).map(({ live }) => live)).toEqual([1]);
      expect((await store.readLanes(account)).length).toEqual(2);
      expect(await store.readLanes(account, [tagOf(opened, account, "entity-0")])).toEqual(parts.putLanes);
      expect(await store.readEntities(account, [tagOf(opened, account, "entity-0")])).toEqual(parts.putEntities);
      expect(await store.readReceipts(account, { id: "01" })).toEqual(parts.putReceipts);
      expect(await store.readMeta("note")).toEqual(parts.putMeta[0]?.value);
    },
  },
  {
    title: "Q4 a commit that fails at its end has changed nothing",
    run: async (world, expect) => {
      const opened = await prepare(world);
      const before = await readAll(opened);
      const failing = {
        key: "other",
        get value(): Uint8Array {
          throw new Error("this value cannot be written");
        },
      };
      const parts = { ...everyPart(world, opened), putMeta: [failing] };
      expect(await codeOf(opened.store.commit({ account: ann(opened), expectRevision: 2, ...parts }))).toEqual("Error");
      expect(await readAll(opened)).toEqual(before);
      // The connection is as good as before.
      expect((await opened.store.commit({ account: ann(opened), expectRevision: 2, ...everyPart(world, opened) })).ok).toEqual(true);
    },
  },
  {
    title: "Q4 a commit at an old revision is refused, names the current one, and changes nothing",
    run: async (world, expect) => {
      const opened = await prepare(world);
      const before = await readAll(opened);
      for (const expectRevision of [0, 1, 3]) {
        const result = await opened.store.commit({ account: ann(opened), expectRevision, ...everyPart(world, opened) });
        expect(result).toEqual({ ok: false, revision: 2 });
      }
      expect(await opened.store.commit({ account: bob(opened), expectRevision: 1 })).toEqual({ ok: false, revision: 0 });
      expect(await readAll(opened)).toEqual(before);
    },
  },
  {
    title: "L2 every kind of write is refused with STALE_LOCK under an old fence, a foreign lease, a lock given back, and no lock",
    run: async (world, expect) => {
      const opened = await prepare(world);
      const { store } = opened;
      const fence = lockRow().fence;
      const kinds = Object.entries(everyPart(world, opened)).map(([name, part]) => ({ [name]: part }) as Parts);
      const refuseAll = async (holder: NonNullable<StoreCommit["fence"]>): Promise<void> => {
        const before = await readAll(opened);
        for (const kind of kinds) {
          expect(await codeOf(store.commit({ account: ann(opened), expectRevision: 2, fence: holder, ...kind }))).toEqual("STALE_LOCK");
        }
        expect(await readAll(opened)).toEqual(before);
      };
      await refuseAll({ fence, leaseId: "lease-1" });
      await store.writeLock(null, lockRow({ fence: (fence + 1) as typeof fence }));
      await refuseAll({ fence, leaseId: "lease-1" });
      await refuseAll({ fence: (fence + 1) as typeof fence, leaseId: "lease-2" });
      const current = { fence: (fence + 1) as typeof fence, leaseId: "lease-1" };
      expect((await store.commit({ account: ann(opened), expectRevision: 2, fence: current })).ok).toEqual(true);
      await store.writeLock({ fence: current.fence, beats: 0 }, lockRow({ fence: current.fence, beats: 1, released: true }));
      expect(await codeOf(store.commit({ account: ann(opened), expectRevision: 3, fence: current }))).toEqual("STALE_LOCK");
    },
  },
  {
    title: "a commit at revision 0 makes the account, with a global lane; a second one is refused",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      await store.append([await world.segment(opened, bob(opened), 2)]);
      const detail = world.random.bytes(20);
      const first = { account: ann(opened), expectRevision: 0, putAccountDetail: detail };
      expect(await store.commit(first)).toEqual({ ok: true, revision: 1 });
      expect(await store.commit(first)).toEqual({ ok: false, revision: 1 });
      expect(await store.readAccount(ann(opened))).toEqual({ account: ann(opened), revision: 1, counts: NO_COUNTS, detail });
      const [lane] = await store.readLanes(ann(opened));
      expect([lane?.lane, lane?.head]).toEqual(["", 3]);
      expect(await store.append([await world.segment(opened, ann(opened))])).toEqual([3]);
      const row = await store.readAccount(ann(opened));
      expect([row?.revision, row?.counts.enqueued, row?.counts.pending]).toEqual([1, 1, 1]);
    },
  },
  {
    title: "segments go when all of their operations have settled, by ranges that cross them; packs when all is released",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      const lives = async (): Promise<unknown> =>
        (await store.readSegments(account, at(1), 10)).map(({ seqFrom, live }) => [seqFrom, live]);
      await store.append([await world.segment(opened, account, 4)]);
      await store.append([await world.segment(opened, bob(opened), 2)]);
      await store.append([await world.segment(opened, account, 3), await world.segment(opened, account, 1)]);
      await change(store, account, { putPacks: [{ packId: "p", live: 3, body: world.random.bytes(9) }] });
      await change(store, account, { settleContent: [{ from: at(2), to: at(2) }], releasePacks: [{ packId: "p", count: 2 }] });
      expect(await lives()).toEqual([
        [1, 3],
        [7, 3],
        [10, 1],
      ]);
      // Across another account's segment, which stays.
      await change(store, account, {
        settleContent: [
          { from: at(3), to: at(8) },
          { from: at(1), to: at(1) },
        ],
      });
      expect(await lives()).toEqual([
        [7, 1],
        [10, 1],
      ]);
      expect((await store.readSegments(bob(opened), at(1), 10)).map(({ live }) => live)).toEqual([2]);
      expect((await store.readPacks(["p"])).map(({ live }) => live)).toEqual([1]);
      await change(store, account, { settleContent: [{ from: at(9), to: at(10) }], releasePacks: [{ packId: "p", count: 1 }] });
      expect(await lives()).toEqual([]);
      expect(await store.readPacks(["p"])).toEqual([]);
      await change(store, account, { settleContent: [{ from: at(1), to: at(10) }], releasePacks: [{ packId: "p", count: 1 }] });
    },
  },
  {
    title: "Q1 counts are those of the appends and of the commits, whatever comes first",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      const counted = async (): Promise<unknown> => {
        const counts = (await store.readAccount(account))?.counts ?? NO_COUNTS;
        return [counts.enqueued, counts.pending, counts.sealed, counts.succeeded];
      };
      await store.append([await world.segment(opened, account, 2)]);
      await change(store, account, { count: { pending: -2, sealed: 2 } });
      await store.append([await world.segment(opened, account, 3)]);
      expect(await counted()).toEqual([5, 3, 2, 0]);
      await change(store, account, { settleContent: [{ from: at(1), to: at(2) }], count: { sealed: -2, succeeded: 2 } });
      expect(await counted()).toEqual([5, 3, 0, 2]);
      // The last segment goes before any commit has counted it.
      await store.append([await world.segment(opened, account)]);
      await change(store, account, { settleContent: [{ from: at(6), to: at(6) }], count: { pending: -1, succeeded: 1 } });
      expect(await counted()).toEqual([6, 3, 0, 3]);
      await store.append([await world.segment(opened, account)]);
      expect(await counted()).toEqual([7, 4, 0, 3]);
      await world.reopen();
      const again = await world.open();
      const counts = (await again.store.readAccount(account))?.counts ?? NO_COUNTS;
      expect(counts.enqueued).toEqual(COUNTERS.reduce((sum, counter) => sum + (counter === "enqueued" ? 0 : counts[counter]), 0));
    },
  },
  {
    title: "meta values are written, replaced and removed with the commit; what belongs to the store is not theirs to write",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const [one, two] = [world.random.bytes(3), world.random.bytes(5)];
      await change(store, ann(opened), {
        putMeta: [
          { key: "a", value: one },
          { key: "b", value: one },
        ],
      });
      await change(store, ann(opened), {
        putMeta: [
          { key: "a", value: two },
          { key: "b", value: null },
        ],
      });
      expect([await store.readMeta("a"), await store.readMeta("b"), await store.readMeta("c")]).toEqual([two, undefined, undefined]);
      expect(await codeOf(change(store, ann(opened), { putMeta: [{ key: "tag_key", value: one }] }))).toEqual("TypeError");
    },
  },
  {
    title: "A5 a commit of one account cannot write rows of another",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const foreign = state(opened, bob(opened), 1);
      expect(await codeOf(store.commit({ account: ann(opened), expectRevision: 0, putStates: [foreign] }))).toEqual("TypeError");
      expect(await store.listAccounts()).toEqual([]);
    },
  },
];
