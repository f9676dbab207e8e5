import { SyncError } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Fence, Seq, StoreCommit } from "../ports/index.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { Lease } from "./queue.ts";

const LEASE: Lease = { fence: 3 as Fence, leaseId: "lease-3" };
const lockRow = (more: object = {}): NonNullable<TestWorld["disk"]["lock"]> => ({
  owner: "me",
  ...LEASE,
  acquiredAt: 0,
  heartbeatAt: 0,
  beats: 0,
  holdsFastLock: false,
  released: false,
  ...more,
});

describe("a change", () => {
  test("Q4 that meets another writer is decided again, from what stands there now", async () => {
    const world = new TestWorld();
    const queue = await TestQueue.open(world);
    const other = await TestQueue.open(world);
    await queue.add("a", "b");
    const seen: number[] = [];
    await queue.change(async (view, change) => {
      seen.push(view.row.revision);
      if (seen.length <= 2) await other.change((theirs, more) => more.putGlobalLane({ ...theirs.global, failures: seen.length }));
      change.putGlobalLane({ ...view.global, head: 2 as Seq });
    });
    expect(seen.map((revision) => revision - (seen[0] ?? 0))).toEqual([0, 1, 2]);
    expect((await queue.view()).global).toMatchObject({ head: 2, failures: 2 });
  });

  test("Q2 does not meet appends: they only add at the end", async () => {
    const queue = await TestQueue.open(new TestWorld());
    await queue.add("a");
    let decided = 0;
    await queue.change(async (view, change) => {
      decided += 1;
      if (decided === 1) await queue.add("b", "c");
      for (const operation of await view.bySeq([1 as Seq])) change.move(operation, "cancel_requested");
    });
    expect(decided).toBe(1);
    expect(await queue.counts()).toMatchObject({ enqueued: 3, pending: 2, cancelled: 1 });
  });

  test("Q4 a view is what a fresh reading shows, whoever changed the account, and is read again only when somebody else did", async () => {
    const world = new TestWorld();
    let lanesRead = 0;
    const tapped = tappedStore(world.store, {
      readLanes: () => {
        lanesRead += 1;
      },
    });
    const [queue, other] = [await TestQueue.open(world, tapped), await TestQueue.open(world)];
    for (let i = 1; i <= 12; i++) {
      await (i % 3 === 0 ? other : queue).change((view, change) => {
        if (i % 2 === 0) change.putGlobalLane({ ...view.global, failures: i });
        else change.putAccountDetail({ ...view.detail, clockOffsetMs: i });
      });
      await queue.add("a");
      const [kept, fresh] = [await queue.view(), await (await TestQueue.open(world)).view()];
      expect([kept.row, kept.detail, kept.global]).toEqual([fresh.row, fresh.detail, fresh.global]);
    }
    expect(lanesRead).toBe(4);
  });

  test("Q1 two writers at any interleaving lose no change and no count", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 12 }), async (scheduler, seqs) => {
        const world = new TestWorld();
        const first = await TestQueue.open(world);
        await first.add("a", "b", "c", "d", "e", "f", "g", "h");
        const commit = scheduler.scheduleFunction(async (_change: StoreCommit) => {});
        const writers = await Promise.all([1, 2].map(() => TestQueue.open(world, tappedStore(world.store, { commit }))));
        const cancel = async (seq: number, index: number): Promise<void> => {
          await (writers[index % 2] as TestQueue).change(async (view, change) => {
            for (const operation of await view.bySeq([seq as Seq])) {
              if (operation.phase === "pending") change.move(operation, "cancel_requested");
            }
          });
        };
        await scheduler.waitFor(Promise.all(seqs.map(cancel)));
        const gone = new Set(seqs).size;
        expect(await first.counts()).toMatchObject({ enqueued: 8, pending: 8 - gone, cancelled: gone });
      }),
      { numRuns: 60 },
    );
  });

  test("Q4 that says nothing does not reach the store", async () => {
    const world = new TestWorld();
    let commits = 0;
    const store = tappedStore(world.store, {
      commit: () => {
        commits += 1;
      },
    });
    const queue = await TestQueue.open(world, store);
    const before = commits;
    expect(await queue.change(() => {})).toBe(false);
    expect(await queue.change((view, change) => change.putGlobalLane(view.global))).toBe(true);
    expect(commits - before).toBe(1);
  });

  test("Q4 that never gets through says so, and that nothing was lost", async () => {
    const world = new TestWorld();
    const queue = await TestQueue.open(world);
    const other = await TestQueue.open(world);
    await queue.add("a");
    let meetings = 0;
    const change = queue.change(async (view, own) => {
      meetings += 1;
      await other.change((theirs, more) => more.putGlobalLane({ ...theirs.global, failures: meetings }));
      own.putGlobalLane({ ...view.global, dueAt: 1 });
    });
    const error = await change.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(SyncError);
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", retryable: true });
    expect((error as SyncError).message).toMatch(/50 times in a row.*Nothing was lost/);
    expect((await queue.view()).global).toMatchObject({ dueAt: 0, failures: 50 });
  });

  test("Q4 whose decision throws changes nothing", async () => {
    const queue = await TestQueue.open(new TestWorld());
    await queue.add("a");
    const before = await queue.view();
    await expect(
      queue.change((view, change) => {
        change.putGlobalLane({ ...view.global, failures: 9 });
        throw new RangeError("no");
      }),
    ).rejects.toThrow(RangeError);
    expect((await queue.view()).row).toEqual(before.row);
  });
});

describe("a lease", () => {
  test.each([
    ["is the lock's", lockRow(), true],
    ["is of an older fence", lockRow({ fence: 4 }), false],
    ["is of another life with the same fence", lockRow({ leaseId: "other" }), false],
    ["was given back", lockRow({ released: true }), false],
    ["is of a lock that nobody ever had", undefined, false],
  ] as const)("L2 that %s", async (_title, lock, isAllowed) => {
    const world = new TestWorld();
    const queue = await TestQueue.open(world);
    await queue.add("a");
    world.disk.lock = lock;
    const change = queue.queue.change(queue.account, LEASE, (view, own) => own.putGlobalLane({ ...view.global, failures: 1 }));
    if (isAllowed) expect(await change).toBe(true);
    else await expect(change).rejects.toMatchObject({ code: "STALE_LOCK" });
    expect((await queue.view()).global.failures).toBe(isAllowed ? 1 : 0);
  });
});

describe("accounts", () => {
  test("A5 get a client id once, and are told apart by space and principal", async () => {
    const ada = await TestQueue.open(new TestWorld());
    const same = await ada.as({ space: "home", principal: "ada" });
    const others = [await ada.as({ space: "home", principal: "bob" }), await ada.as({ space: "work", principal: "ada" })];
    expect(same.account).toBe(ada.account);
    expect(new Set([ada, ...others].map(({ account }) => account)).size).toBe(3);
    const clientId = (await ada.view()).detail.clientId;
    expect((await same.view()).detail.clientId).toBe(clientId);
    expect((await ada.queue.accounts()).map(({ detail: { space, principal, nextOpNumber } }) => [space, principal, nextOpNumber])).toEqual([
      ["home", "ada", 1],
      ["home", "bob", 1],
      ["work", "ada", 1],
    ]);
    expect(new Set((await ada.queue.accounts()).map(({ detail }) => detail.clientId)).size).toBe(3);
  });

  test("A5 an account that nobody ever saw is empty", async () => {
    const queue = await TestQueue.open(new TestWorld());
    const view = await queue.queue.view(queue.queue.accountTag({ space: "x", principal: "y" }));
    expect([view.row.revision, view.row.counts.enqueued, view.global.head, view.detail.clientId]).toEqual([0, 0, 1, ""]);
    expect(await view.fresh(5)).toEqual([]);
  });
});
