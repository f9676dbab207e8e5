import { SyncError } from "@guardian-sync/protocol";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { openSegment, parseContent } from "../format/index.ts";
import type { NewSegment, SegmentRow, Seq } from "../ports/index.ts";
import { type StoreTaps, tappedStore } from "../testing/tapped-store.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
afterEach(() => {
  expect(world.timeline.waiting).toBe(0);
});

/** A queue of which every commit of segments is noted: how many operations each segment had. */
async function open(taps: StoreTaps = {}): Promise<{ queue: TestQueue; commits: number[][]; segments: NewSegment[] }> {
  world = new TestWorld();
  const commits: number[][] = [];
  const segments: NewSegment[] = [];
  const store = tappedStore(world.store, {
    ...taps,
    append: async (all) => {
      commits.push(all.map(({ count }) => count));
      await taps.append?.(all);
      segments.push(...all);
    },
  });
  return { queue: await TestQueue.open(world, store), commits, segments };
}
const settled = <T>(all: readonly Promise<T>[]): Promise<readonly PromiseSettledResult<T>[]> => world.run(Promise.allSettled(all));
const codeOf = (result: PromiseSettledResult<unknown> | undefined): string => {
  if (result?.status !== "rejected") return "fulfilled";
  return result.reason instanceof SyncError ? result.reason.code : String(result.reason);
};
/** What stands on the disk, in order of seq. */
async function stored(queue: TestQueue): Promise<readonly string[]> {
  const { operations } = await (await queue.view()).from(1 as Seq, 10_000);
  return operations.map(({ content }) => content.entityId);
}

describe("callers of one turn", () => {
  test("Q2 share one commit; call order is seq order", async () => {
    const { queue, commits } = await open();
    const calls = ["a", "b", "c", "d"].map((entityId) => queue.append(queue.content(entityId)));
    expect(commits).toEqual([]);
    expect(await world.run(Promise.all(calls))).toEqual([[1], [2], [3], [4]]);
    expect(commits).toEqual([[4]]);
    expect(await stored(queue)).toEqual(["a", "b", "c", "d"]);
  });

  test("Q2 who comes while a commit runs shares the next one", async () => {
    let whileItRuns = (): void => {};
    const { queue, commits } = await open({ append: () => whileItRuns() });
    const later: Promise<readonly Seq[]>[] = [];
    whileItRuns = () => {
      whileItRuns = () => {};
      for (const entityId of ["c", "d", "e"]) later.push(queue.append(queue.content(entityId)));
    };
    const first = [queue.append(queue.content("a")), queue.append(queue.content("b"))];
    await settled(first);
    expect(await settled(later)).toHaveLength(3);
    expect(commits).toEqual([[2], [3]]);
    expect(await stored(queue)).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("Q1 several operations of one caller get their seqs in order", async () => {
    const { queue, commits } = await open();
    const calls = [queue.append(queue.content("a"), queue.content("b")), queue.append(queue.content("c")), queue.append()];
    expect(await world.run(Promise.all(calls))).toEqual([[1, 2], [3], []]);
    expect(commits).toEqual([[3]]);
  });

  test("Q1 `settle` waits for everything that was appended before", async () => {
    const { queue } = await open();
    let isStored = false;
    void queue.append(queue.content("a")).then(() => {
      isStored = true;
    });
    await world.run(queue.queue.appender.settle());
    expect(isStored).toBe(true);
  });

  test("Q1 `settle` sleeps while a slow disk writes: it does not keep asking", async () => {
    const slow = (): Promise<void> => new Promise((resolve) => void world.timeline.after(50, resolve));
    const { queue } = await open({ append: slow });
    const call = queue.append(queue.content("a"));
    let turns = 0;
    let isSettled = false;
    void queue.queue.appender.settle().then(() => {
      isSettled = true;
    });
    await world.timeline.run({ stop: () => ++turns > 100 });
    expect(isSettled).toBe(true);
    expect(turns).toBeLessThan(20);
    expect(await call).toEqual([1]);
  });

  test("Q1 operations of different accounts stand in segments of their own, in call order", async () => {
    const { queue, segments } = await open();
    const bob = await queue.as({ space: "home", principal: "bob" });
    const calls = [queue, queue, bob, queue, bob, bob].map((one, index) => one.append(one.content(`e${index}`)));
    expect((await world.run(Promise.all(calls))).flat()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(segments.map(({ account, count }) => `${account === bob.account ? "bob" : "ada"} ${count}`)).toEqual([
      "ada 2",
      "bob 1",
      "ada 1",
      "bob 2",
    ]);
    expect(await stored(bob)).toEqual(["e2", "e4", "e5"]);
  });
});

describe("a commit that fails", () => {
  const full = (): never => {
    throw new SyncError("STORAGE_FULL", "no room");
  };

  test("Q1 shared bad luck is nobody's: the members are tried alone", async () => {
    let hasFailed = false;
    const { queue, commits } = await open({
      append: () => {
        if (hasFailed) return;
        hasFailed = true;
        full();
      },
    });
    const calls = ["a", "b", "c"].map((entityId) => queue.append(queue.content(entityId)));
    expect((await settled(calls)).map(codeOf)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect(commits).toEqual([[3], [1], [1], [1]]);
    expect(await stored(queue)).toEqual(["a", "b", "c"]);
  });

  test("Q1 each member gets its own verdict; what failed left nothing behind", async () => {
    const { queue } = await open({
      append: (segments) => {
        if (segments.some(({ count }) => count !== 1)) full();
      },
    });
    const calls = [
      queue.append(queue.content("a")),
      queue.append(queue.content("b"), queue.content("c")),
      queue.append(queue.content("d")),
    ];
    const verdicts = await settled(calls);
    expect(verdicts.map(codeOf)).toEqual(["fulfilled", "STORAGE_FULL", "fulfilled"]);
    expect(await stored(queue)).toEqual(["a", "d"]);
    expect(await queue.counts()).toMatchObject({ enqueued: 2, pending: 2 });
  });

  test("Q1 the several operations of one caller are stored together or not at all", async () => {
    const { queue } = await open({ append: full });
    expect(codeOf((await settled([queue.append(queue.content("a"), queue.content("b"))]))[0])).toBe("STORAGE_FULL");
    expect(await stored(queue)).toEqual([]);
    expect(await queue.counts()).toMatchObject({ enqueued: 0, pending: 0 });
  });

  test("Q8 a failure that nobody named is STORAGE_UNAVAILABLE, says that nothing was queued, and keeps its cause", async () => {
    const cause = new Error("EIO");
    const { queue } = await open({
      append: () => {
        throw cause;
      },
    });
    const [result] = await settled([queue.append(queue.content("a"))]);
    const error = (result as PromiseRejectedResult).reason as SyncError;
    expect([error.code, error.retryable, error.cause]).toEqual(["STORAGE_UNAVAILABLE", true, cause]);
    expect(error.message).toContain("Nothing was queued");
  });

  test("Q1 the next callers are not harmed by the failure before them", async () => {
    let isBroken = true;
    const { queue } = await open({
      append: () => {
        if (isBroken) full();
      },
    });
    await settled([queue.append(queue.content("a"))]);
    isBroken = false;
    expect((await settled([queue.append(queue.content("b"))])).map(codeOf)).toEqual(["fulfilled"]);
    expect(await stored(queue)).toEqual(["b"]);
  });
});

describe("the bounds of a segment", () => {
  test("Q7 at most 1000 operations, and one commit for 1000 operations of several callers", async () => {
    const { queue, commits } = await open();
    const many = (count: number): Promise<readonly Seq[]> =>
      queue.append(...Array.from({ length: count }, (_, index) => queue.content(`e${index}`)));
    await settled([many(600), many(400), many(1), many(2500)]);
    expect(commits).toEqual([[1000], [1], [1000, 1000, 500]]);
    expect((await queue.counts()).enqueued).toBe(3501);
  });

  test("Q7 at most 1 MiB of text", async () => {
    const { queue, commits } = await open();
    const payload = { text: "x".repeat(400 * 1024) };
    await settled([1, 2, 3, 4, 5].map((index) => queue.append(queue.content(`e${index}`, { payload }))));
    expect(commits).toEqual([[2, 2, 1]]);
  });

  test("Q1 ids and tags of a segment are those of its operations", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 }), { minLength: 1, maxLength: 6 }),
        async (calls) => {
          const { queue, segments } = await open();
          const contents = calls.map((ids) => ids.map((entityId) => queue.content(entityId)));
          const seqs = (await world.run(Promise.all(contents.map((all) => queue.append(...all))))).flat();
          expect(seqs).toEqual(seqs.map((_, index) => index + 1));
          const { keys, store } = queue.queue.opened;
          const lines = segments.flatMap((segment) => openSegment(keys, store.storeId, segment as SegmentRow) as readonly string[]);
          expect(lines.map(parseContent)).toEqual(contents.flat());
          const ids = contents.flat().map(({ id }) => id);
          for (const { idMin, idMax, entityTags, count } of segments) {
            const own = ids.splice(0, count);
            expect([idMin, idMax]).toEqual([own.toSorted().at(0), own.toSorted().at(-1)]);
            expect(entityTags).toHaveLength(count);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
