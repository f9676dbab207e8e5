import type { NewSegment } from "../ports/index.ts";
import { ann, at, bob, change, codeOf, dump, linesOf, type StoreCase } from "./store-contract-world.ts";

export const appendCases: readonly StoreCase[] = [
  {
    title: "Q1 what append resolved with is there after a restart, in order, with the same identity",
    run: async (world, expect) => {
      const first = await world.open();
      const account = ann(first);
      const segments = [await world.segment(first, account, 3), await world.segment(first, account, 1)];
      expect(await first.store.append(segments)).toEqual([1, 4]);
      expect(await first.store.append([await world.segment(first, account, 2)])).toEqual([5]);
      const before = await dump(first.store, [account]);

      const again = await world.reopen();
      expect(again.store.storeId).toEqual(first.store.storeId);
      expect([...again.tagKey]).toEqual([...first.tagKey]);
      expect(await dump(again.store, [account])).toEqual(before);
      const rows = await again.store.readSegments(account, at(1), 10);
      expect(rows.map(({ seqFrom, count, live }) => [seqFrom, count, live])).toEqual([
        [1, 3, 3],
        [4, 1, 1],
        [5, 2, 2],
      ]);
      expect((await linesOf(again, rows[0] as (typeof rows)[0])).length).toEqual(3);
      expect(rows[0]?.entityTags).toEqual(segments[0]?.entityTags);
    },
  },
  {
    title: "the first append of an account makes its row at revision 1 and its global lane at that seq",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      await store.append([await world.segment(opened, ann(opened), 2), await world.segment(opened, bob(opened), 3)]);
      const row = await store.readAccount(bob(opened));
      expect([row?.revision, row?.counts.enqueued, row?.counts.pending, row?.detail]).toEqual([1, 3, 3, null]);
      expect(await store.readLanes(bob(opened))).toEqual([
        { account: bob(opened), lane: "", head: 3, dueAt: 0, failures: 0, blockedBy: 0 },
      ]);
      await store.append([await world.segment(opened, bob(opened))]);
      expect((await store.readAccount(bob(opened)))?.revision).toEqual(1);
      expect((await store.readLanes(bob(opened))).map(({ head }) => head)).toEqual([3]);
    },
  },
  {
    title: "Q2 seqs rise over all accounts and are never given out again, even when everything has settled and the store was reopened",
    run: async (world, expect) => {
      let opened = await world.open();
      await opened.store.append([await world.segment(opened, ann(opened), 2), await world.segment(opened, bob(opened), 2)]);
      await change(opened.store, ann(opened), { settleContent: [{ from: at(1), to: at(2) }] });
      await change(opened.store, bob(opened), { settleContent: [{ from: at(3), to: at(4) }] });
      expect(await opened.store.readSegments(bob(opened), at(1), 10)).toEqual([]);
      opened = await world.reopen();
      expect(await opened.store.append([await world.segment(opened, ann(opened))])).toEqual([5]);
      await change(opened.store, ann(opened), { settleContent: [{ from: at(5), to: at(5) }] });
      expect(await opened.store.append([await world.segment(opened, bob(opened))])).toEqual([6]);
      opened = await world.reopen();
      expect(await opened.store.append([await world.segment(opened, bob(opened))])).toEqual([7]);
      const counts = (await opened.store.listAccounts()).map((row) => row.counts.enqueued);
      expect([Math.min(...counts), Math.max(...counts)]).toEqual([3, 4]);
    },
  },
  {
    title: "Q4 an append of several segments is all or nothing",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      await store.append([await world.segment(opened, account)]);
      const before = await dump(store, [account, bob(opened)]);
      const good = await world.segment(opened, account, 2);
      const other = await world.segment(opened, bob(opened));
      const broken: NewSegment = {
        ...other,
        get body(): Uint8Array {
          throw new Error("this segment cannot be written");
        },
      };
      expect(await codeOf(store.append([good, broken]))).toEqual("Error");
      expect(await dump(store, [account, bob(opened)])).toEqual(before);
      expect(await store.append([good])).toEqual([2]);
    },
  },
  {
    title: "Q8 segments that contradict themselves are refused",
    run: async (world, expect) => {
      const opened = await world.open();
      const good = await world.segment(opened, ann(opened), 2);
      for (const bad of [
        { ...good, count: 0 },
        { ...good, count: 3 },
        { ...good, entityTags: good.entityTags.slice(1) },
      ]) {
        expect(await codeOf(opened.store.append([bad]))).toEqual("TypeError");
      }
      expect(await opened.store.listAccounts()).toEqual([]);
      expect(await opened.store.append([])).toEqual([]);
    },
  },
  {
    title: "what a caller does with its bytes after append changes nothing",
    run: async (world, expect) => {
      const opened = await world.open();
      const segment = await world.segment(opened, ann(opened), 2);
      await opened.store.append([segment]);
      segment.body.fill(0);
      const [row] = await opened.store.readSegments(ann(opened), at(1), 1);
      expect(row === undefined ? 0 : (await linesOf(opened, row)).length).toEqual(2);
    },
  },
  {
    title: "a closed store refuses every call, and closing twice is nothing",
    run: async (world, expect) => {
      const opened = await world.open();
      const segment = await world.segment(opened, ann(opened));
      await opened.store.close();
      await opened.store.close();
      expect(await codeOf(opened.store.append([segment]))).toEqual("STORAGE_UNAVAILABLE");
      expect(await codeOf(opened.store.readAccount(ann(opened)))).toEqual("STORAGE_UNAVAILABLE");
    },
  },
];
