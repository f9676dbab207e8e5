import type { LockRow } from "../ports/index.ts";
import { lockRow, type StoreCase } from "./store-contract-world.ts";

const fence = (value: number): LockRow["fence"] => value as LockRow["fence"];

export const lockCases: readonly StoreCase[] = [
  {
    title: "L1 the lock row changes only for who has seen it as it is: by fence and by beats",
    run: async (world, expect) => {
      const { store } = await world.open();
      const first = lockRow({ acquiredAt: 1000.25, holdsFastLock: true });
      expect(await store.writeLock({ fence: fence(1), beats: 0 }, first)).toEqual(false);
      expect(await store.readLock()).toEqual(undefined);
      expect(await store.writeLock(null, first)).toEqual(true);
      expect(await store.writeLock(null, lockRow({ owner: "two" }))).toEqual(false);
      expect(await store.readLock()).toEqual(first);
      const beat = lockRow({ beats: 1, heartbeatAt: 2000 });
      expect(await store.writeLock({ fence: fence(1), beats: 0 }, beat, true)).toEqual(true);
      // Somebody who saw the row before that heartbeat.
      expect(await store.writeLock({ fence: fence(1), beats: 0 }, lockRow({ owner: "two", fence: fence(2) }))).toEqual(false);
      expect(await store.writeLock({ fence: fence(2), beats: 1 }, lockRow({ owner: "two", fence: fence(3) }))).toEqual(false);
      expect(await store.readLock()).toEqual(beat);
      const taken = lockRow({ owner: "two", fence: fence(2), leaseId: "lease-2", released: true });
      expect(await store.writeLock({ fence: fence(1), beats: 1 }, taken)).toEqual(true);
      expect(await (await world.reopen()).store.readLock()).toEqual(taken);
    },
  },
  {
    title: "L1 a lock taken with full durability stays so after a relaxed heartbeat",
    run: async (world, expect) => {
      const { store } = await world.open();
      await store.writeLock(null, lockRow());
      for (let beats = 0; beats < 5; beats++) {
        expect(await store.writeLock({ fence: fence(1), beats }, lockRow({ beats: beats + 1 }), true)).toEqual(true);
      }
      expect((await store.readLock())?.beats).toEqual(5);
      expect((await (await world.reopen()).store.readLock())?.fence).toEqual(1);
    },
  },
  {
    title: "L1 the fast lock, where there is one, has one holder at a time and can be given back",
    run: async (world, expect) => {
      const one = (await world.open()).fastLock;
      const two = (await world.open()).fastLock;
      if (one === null || two === null) return;
      expect([await one.tryAcquire(), await two.tryAcquire(), await one.tryAcquire()]).toEqual([true, false, true]);
      await two.release();
      expect(await two.tryAcquire()).toEqual(false);
      await one.release();
      await one.release();
      expect([await two.tryAcquire(), await one.tryAcquire()]).toEqual([true, false]);
      await two.release();
    },
  },
];
