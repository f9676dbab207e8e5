import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { conserved } from "../core/conservation.ts";
import { counterOf, type Event, EVENTS, type State, stateOf, TRANSITIONS } from "../core/lifecycle.ts";
import { packSealed } from "../format/index.ts";
import { COUNTERS, type Seq } from "../ports/index.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";
import { stateOfOperation } from "./change-set.ts";

const ENDED: ReadonlySet<State> = new Set<State>(["succeeded", "superseded", "cancelled"]);
const open = (): Promise<TestQueue> => TestQueue.open(new TestWorld());

/** Meets the event as the shell would: a seal comes with a pack. */
async function meet(queue: TestQueue, seq: Seq, event: Event): Promise<void> {
  const { keys, store } = queue.queue.opened;
  await queue.change(async (view, change) => {
    const [operation] = await view.bySeq([seq]);
    if (operation === undefined) throw new Error(`operation ${seq} is gone`);
    if (event === "seal") {
      const pack = await packSealed(keys, store.storeId, queue.queue.newUuid(), ["text"]);
      change.move(operation, "seal", { pack: { packId: pack.packId, packIndex: 0 }, opNumber: 1, firstSendAt: 7 });
      change.putPack(pack);
    } else change.move(operation, event);
  });
}

/** Where every operation stands; the ended ones are `undefined`. */
async function statesOf(queue: TestQueue, seqs: readonly Seq[]): Promise<readonly (State | undefined)[]> {
  const view = await queue.view();
  const all = await Promise.all(seqs.map((seq) => view.bySeq([seq])));
  return all.map(([operation]) => {
    const state = operation === undefined ? undefined : stateOfOperation(operation);
    return state === undefined || ENDED.has(state) ? undefined : state;
  });
}

describe("conservation", () => {
  const step = fc.record({ operation: fc.nat({ max: 5 }), event: fc.constantFrom(...EVENTS) });
  const walk = fc.record({ head: fc.integer({ min: 1, max: 7 }), steps: fc.array(step, { maxLength: 60 }) });

  test("Q1 Q4 any walk along the life cycle, below and beyond the head: counts, content, packs and receipts agree with the states", async () => {
    await fc.assert(
      fc.asyncProperty(walk, async ({ head, steps }) => {
        const queue = await open();
        const { disk } = queue.world;
        const seqs = [...(await queue.add("a", "b", "c")), ...(await queue.add("d", "e", "f"))];
        const ids = (await (await queue.view()).bySeq(seqs)).map(({ content }) => content.id);
        await queue.headTo(head);
        // What lies below the head without a row has ended: give those a row, as a look at them does.
        for (const seq of seqs.slice(0, head - 1)) await giveRow(queue, seq);
        for (const { operation, event } of steps) {
          const before = (await statesOf(queue, seqs))[operation];
          if (before === undefined) continue;
          const seq = seqs[operation] as Seq;
          const counts = await queue.counts();
          if (TRANSITIONS[before][event] === "illegal") {
            await expect(meet(queue, seq, event)).rejects.toThrow(RangeError);
            expect(await queue.counts()).toEqual(counts);
          } else await meet(queue, seq, event);
        }
        const states = await statesOf(queue, seqs);
        const counts = await queue.counts();
        expect(conserved(counts)).toEqual({ ok: true, difference: 0 });
        for (const counter of COUNTERS) {
          if (counter === "enqueued" || counter === "succeeded" || counter === "cancelled") continue;
          expect([counter, counts[counter]]).toEqual([
            counter,
            states.filter((state) => state !== undefined && counterOf(state) === counter).length,
          ]);
        }
        const alive = [0, 3].map((from) => states.slice(from, from + 3).filter((state) => state !== undefined).length);
        expect([...disk.segments.from(0)].map(({ live }) => live)).toEqual(alive.filter((live) => live > 0));
        const rows = [...disk.states.from(0)];
        for (const pack of disk.packs.values()) expect(pack.live).toBe(rows.filter(({ packId }) => packId === pack.packId).length);
        for (const { packId } of rows) if (packId !== null) expect(disk.packs.get(packId)).toBeDefined();
        const view = await queue.view();
        for (const [index, id] of ids.entries()) {
          const found = await view.byId(id);
          expect(found === undefined ? "nothing" : "operation" in found ? "operation" : "receipt").toBe(
            states[index] === undefined ? "receipt" : "operation",
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  async function giveRow(queue: TestQueue, seq: Seq): Promise<void> {
    await queue.change((view, change) => change.putGlobalLane({ ...view.global, head: 1 as Seq }));
    const head = seq + 1;
    await queue.change(async (view, change) => {
      const [operation] = await view.bySeq([seq]);
      change.putGlobalLane({ ...view.global, head: head as Seq });
      if (operation !== undefined) change.move(operation, "block", { blockedBy: 1 as Seq });
    });
  }
});

describe("the end of an operation", () => {
  test("Q4 below the head nothing is left of it but its receipt; beyond the head a tombstone keeps it from being read as pending", async () => {
    const queue = await open();
    const [first, second] = (await queue.add("a", "b", "c")) as [Seq, Seq];
    await queue.change(async (view, change) => {
      const [operation] = await view.bySeq([first]);
      change.putGlobalLane({ ...view.global, head: 2 as Seq });
      if (operation !== undefined) change.move(operation, "cancel_requested");
    });
    await queue.move(second, "cancel_requested");
    expect([...queue.world.disk.states.from(0)].map(({ seq, phase }) => [seq, phase])).toEqual([[2, "cancelled"]]);
    expect((await (await queue.view()).fresh(10)).map(({ seq, phase }) => [seq, phase])).toEqual([
      [2, "cancelled"],
      [3, "pending"],
    ]);
    expect(await queue.counts()).toMatchObject({ enqueued: 3, pending: 1, cancelled: 2 });
  });

  test("X2 a receipt says how, when, under which key, and what the server said", async () => {
    const queue = await open();
    const [seq] = (await queue.add("a")) as [Seq];
    const { content } = await queue.operation(seq);
    await queue.headTo(2);
    await queue.headTo(1);
    await meet(queue, seq, "seal");
    await queue.world.advance(5000);
    const said = { outcome: "applied_before" as const, status: 200, version: 4, commitSeq: 9, appliedKey: "k0" };
    await queue.move(seq, "applied_before", { receipt: said });
    const receipt = { seq, id: content.id, key: content.key, settledAt: queue.world.now, ...said };
    expect(await (await queue.view()).byId(content.id)).toEqual({ receipt });
  });

  test("X2 a receipt names the key that the operation ended under", async () => {
    const queue = await open();
    const [seq] = (await queue.add("a")) as [Seq];
    const { content } = await queue.operation(seq);
    await meet(queue, seq, "seal");
    await queue.move(seq, "unseal", { detail: { key: "k2", supersedes: [content.key] } });
    await meet(queue, seq, "seal");
    await queue.move(seq, "applied");
    expect(await (await queue.view()).byId(content.id)).toMatchObject({ receipt: { key: "k2", outcome: "applied" } });
  });

  test("Q7 what ends together has one row of receipts, found by each id and seq", async () => {
    const queue = await open();
    const seqs = await queue.add("a", "b", "c");
    const operations = await (await queue.view()).bySeq(seqs);
    await queue.change((_view, change) => {
      for (const operation of operations.toReversed()) change.move(operation, "cancel_requested", { receipt: { outcome: "cancelled" } });
    });
    const rows = [...queue.world.disk.receipts.from(0)];
    expect(rows.map(({ seqMin, seqMax }) => [seqMin, seqMax])).toEqual([[1, 3]]);
    const view = await queue.view();
    for (const { content, seq } of operations) {
      expect(await view.byId(content.id)).toMatchObject({ receipt: { seq, outcome: "cancelled" } });
    }
    expect([...(await view.receiptsFor(operations)).keys()].toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  });
});

describe("sealed bytes", () => {
  test("X8 a parked one keeps its bytes, for a person may send it again as it is; a definite end gives them back", async () => {
    const queue = await open();
    const [seq] = (await queue.add("a")) as [Seq];
    await meet(queue, seq, "seal");
    await queue.move(seq, "park");
    expect((await queue.operation(seq)).row).toMatchObject({ phase: "parked", firstSendAt: 7, opNumber: 0 });
    expect([...queue.world.disk.packs.values()]).toHaveLength(1);
    await queue.move(seq, "resend", { opNumber: 4 });
    expect((await queue.operation(seq)).row).toMatchObject({ phase: "sealed", opNumber: 4 });
    await queue.move(seq, "reject");
    expect([...queue.world.disk.packs.values()]).toHaveLength(0);
    expect((await queue.operation(seq)).row).toMatchObject({ phase: "failed", packId: null });
  });

  test("X8 the bytes of one request go when its last operation has left it", async () => {
    const queue = await open();
    const seqs = await queue.add("a", "b", "c");
    const { keys, store } = queue.queue.opened;
    const pack = await packSealed(keys, store.storeId, queue.queue.newUuid(), ["1", "2", "3"]);
    await queue.change(async (view, change) => {
      change.putPack(pack);
      for (const [packIndex, operation] of (await view.bySeq(seqs)).entries()) {
        change.move(operation, "seal", { pack: { packId: pack.packId, packIndex } });
      }
    });
    const live = (): readonly number[] => [...queue.world.disk.packs.values()].map((row) => row.live);
    await queue.move(1 as Seq, "applied");
    expect(live()).toEqual([2]);
    await queue.change(async (view, change) => {
      for (const operation of await view.bySeq([2, 3] as Seq[])) change.move(operation, "unseal");
    });
    expect(live()).toEqual([]);
  });
});

describe("small state", () => {
  test("R1 attempts, backoff and due time are kept until somebody says otherwise; a move makes it due at once", async () => {
    const queue = await open();
    const [seq] = (await queue.add("a")) as [Seq];
    await meet(queue, seq, "seal");
    const touched = { attempts: 3, backoffMs: 4000, dueAt: 99_000, detail: { lastError: "INTERNAL_ERROR 500" } };
    await queue.change(async (view, change) => {
      for (const operation of await view.bySeq([seq])) change.touch(operation, touched);
    });
    const operation = await queue.operation(seq);
    expect(operation.row).toMatchObject({ phase: "sealed", attempts: 3, backoffMs: 4000, dueAt: 99_000 });
    expect(operation.detail).toEqual({ lastError: "INTERNAL_ERROR 500" });
    await queue.move(seq, "park");
    const parked = await queue.operation(seq);
    expect(parked.row).toMatchObject({ attempts: 3, backoffMs: 4000, dueAt: 0 });
    expect(parked.detail).toEqual({ lastError: "INTERNAL_ERROR 500" });
  });

  test("Q7 what nobody has looked at has no row to touch", async () => {
    const queue = await open();
    const [seq] = (await queue.add("a")) as [Seq];
    await expect(
      queue.change(async (view, change) => {
        for (const operation of await view.bySeq([seq])) change.touch(operation, { attempts: 1 });
      }),
    ).rejects.toThrow("operation 1 has no state row to touch");
  });

  test("Q4 `after` shows the operation as the change leaves it; a change that says nothing writes nothing", async () => {
    const queue = await open();
    const [seq] = (await queue.add("a")) as [Seq];
    const wrote = await queue.change(async (view, change) => {
      const [operation] = await view.bySeq([seq]);
      if (operation === undefined) throw new Error("gone");
      expect(change.after(operation)).toBe(operation);
      expect(change.isEmpty).toBe(true);
    });
    expect(wrote).toBe(false);
    await queue.change(async (view, change) => {
      for (const operation of await view.bySeq([seq])) {
        change.move(operation, "block", { blockedBy: 9 as Seq, detail: { key: "k2" } });
        expect(change.after(operation)).toMatchObject({ phase: "blocked", row: { blockedBy: 9 }, detail: { key: "k2" } });
      }
    });
    expect(stateOf((await queue.operation(seq)).phase as "blocked")).toBe("blocked");
  });
});
