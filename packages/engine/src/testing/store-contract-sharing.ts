import { ann, at, bob, change, codeOf, dump, lockRow, state, type StoreCase } from "./store-contract-world.ts";

/** Two connections to one place: two processes, or two tabs. */
export const sharingCases: readonly StoreCase[] = [
  {
    title: "Q5 a frozen queue is the one of its moment, whatever is written meanwhile",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store, freeze } = opened;
      const accounts = [ann(opened)];
      await store.append([await world.segment(opened, ann(opened), 2)]);
      const before = await dump(store, accounts);
      const frozen = await freeze?.();
      if (frozen === undefined) return;
      await store.append([await world.segment(opened, ann(opened), 1)]);
      await change(store, ann(opened), { putStates: [state(opened, ann(opened), 1)] });
      expect(await dump(frozen, accounts)).toEqual(before);
      await frozen.close();
      await store.compact();
    },
  },
  {
    title: "Q2 two that append at once get different seqs, each in the order of its own calls, and both see everything",
    run: async (world, expect) => {
      const [one, two] = [await world.open(), await world.open()];
      const account = ann(one);
      const seqs = new Set<number>();
      const last = [0, 0];
      for (let i = 0; i < 40; i++) {
        const results = await Promise.all([
          one.store.append([await world.segment(one, account, 1 + (i % 3))]),
          two.store.append([await world.segment(two, i % 4 === 0 ? bob(two) : account, 2)]),
        ]);
        for (const [who, [seq = 0]] of results.entries()) {
          expect(seq > (last[who] as number) && !seqs.has(seq)).toEqual(true);
          last[who] = seq;
          seqs.add(seq);
        }
        if (i % 7 === 0) await change(two.store, account, { settleContent: [{ from: at(1), to: at(3 * i) }] });
      }
      expect(await dump(one.store, [account, bob(one)])).toEqual(await dump(two.store, [account, bob(one)]));
      const enqueued = (await one.store.listAccounts()).reduce((sum, { counts }) => sum + counts.enqueued, 0);
      const [next] = await one.store.append([await world.segment(one, account)]);
      expect(next).toEqual(enqueued + 1);
    },
  },
  {
    title: "dataVersion changes when the other one wrote, and only then",
    run: async (world, expect) => {
      const [one, two] = [await world.open(), await world.open()];
      await one.store.append([await world.segment(one, ann(one))]);
      const before = await two.store.dataVersion();
      expect(await two.store.dataVersion()).toEqual(before);
      await two.store.append([await world.segment(two, ann(two))]);
      expect(await two.store.dataVersion()).toEqual(before);
      await one.store.append([await world.segment(one, ann(one))]);
      const after = await two.store.dataVersion();
      expect(after === before).toEqual(false);
      await one.store.writeLock(null, lockRow());
      expect((await two.store.dataVersion()) === after).toEqual(false);
    },
  },
  {
    title: "Q4 of two commits at one revision, one wins and the other is told",
    run: async (world, expect) => {
      const [one, two] = [await world.open(), await world.open()];
      await one.store.append([await world.segment(one, ann(one), 2)]);
      const results = await Promise.all([
        one.store.commit({ account: ann(one), expectRevision: 1, count: { pending: -1, failed: 1 } }),
        two.store.commit({ account: ann(one), expectRevision: 1, count: { pending: -1, parked: 1 } }),
      ]);
      expect(results.filter(({ ok }) => ok).length).toEqual(1);
      expect(results.map(({ revision }) => revision)).toEqual([2, 2]);
      const counts = (await one.store.readAccount(ann(one)))?.counts;
      expect([counts?.enqueued, counts?.pending, (counts?.failed ?? 0) + (counts?.parked ?? 0)]).toEqual([2, 1, 1]);
    },
  },
  {
    title: "L2 a holder whose lock another one took is refused from the next write on",
    run: async (world, expect) => {
      const [one, two] = [await world.open(), await world.open()];
      const account = ann(one);
      const mine = { fence: lockRow().fence, leaseId: "lease-1" };
      await one.store.writeLock(null, lockRow());
      expect((await one.store.commit({ account, expectRevision: 0, fence: mine })).ok).toEqual(true);
      const next = lockRow({ owner: "two", fence: (mine.fence + 1) as typeof mine.fence, leaseId: "lease-2" });
      await two.store.writeLock({ fence: mine.fence, beats: 0 }, next);
      expect(await codeOf(one.store.commit({ account, expectRevision: 1, fence: mine }))).toEqual("STALE_LOCK");
      expect((await two.store.commit({ account, expectRevision: 1, fence: { fence: next.fence, leaseId: "lease-2" } })).ok).toEqual(true);
    },
  },
];
