import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packSealed, sealJson } from "../format/index.ts";
import type { EntityTag, Seq } from "../ports/index.ts";
import { TestQueue } from "../testing/test-queue.ts";
import { TestWorld } from "../testing/test-world.ts";
import { stampText } from "./sealed-text.ts";
import { syncHash } from "../testing/test-world.ts";

const open = (): Promise<TestQueue> => TestQueue.open(new TestWorld());
const seqs = (operations: readonly { readonly seq: Seq }[]): readonly number[] => operations.map(({ seq }) => seq);
const ids = (operations: readonly { readonly content: { readonly entityId: string } }[]): readonly string[] =>
  operations.map(({ content }) => content.entityId);

/** Changes bytes on the disk, as a bad sector would. */
function flip(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 20] = (copy[copy.length - 20] ?? 0) ^ 0xff;
  return copy;
}
function damageSegment(queue: TestQueue, seqFrom: number): void {
  const { disk } = queue.world;
  disk.transaction({ ownWrites: 0 }, () => {
    for (const row of [...disk.segments.from(seqFrom)].slice(0, 1)) disk.segments.set(row.seqFrom, { ...row, body: flip(row.body) });
  });
}
async function seal(queue: TestQueue, numbered: readonly (readonly [seq: Seq, opNumber: number, text: string])[]): Promise<void> {
  const { keys, store } = queue.queue.opened;
  const texts = await Promise.all(numbered.map(([, , text]) => stampText(syncHash, text)));
  const pack = await packSealed(keys, store.storeId, queue.queue.newUuid(), texts);
  await queue.change(async (view, change) => {
    change.putPack(pack);
    for (const [packIndex, [seq, opNumber]] of numbered.entries()) {
      for (const operation of await view.bySeq([seq]))
        change.move(operation, "seal", { opNumber, pack: { packId: pack.packId, packIndex } });
    }
  });
}

describe("windows", () => {
  const calls = fc.array(fc.record({ isBob: fc.boolean(), count: fc.integer({ min: 1, max: 5 }) }), { minLength: 1, maxLength: 12 });

  test("Q2 Q7 any split into windows shows each account its own operations, all, once, in order of seq", async () => {
    await fc.assert(
      fc.asyncProperty(calls, fc.integer({ min: 1, max: 12 }), async (all, limit) => {
        const ada = await open();
        const bob = await ada.as({ space: "home", principal: "bob" });
        let made = 0;
        const expected = { ada: [] as string[], bob: [] as string[] };
        for (const { isBob, count } of all) {
          const names = Array.from({ length: count }, () => `e${made++}`);
          expected[isBob ? "bob" : "ada"].push(...names);
          await (isBob ? bob : ada).add(...names);
        }
        for (const [queue, names] of [
          [ada, expected.ada],
          [bob, expected.bob],
        ] as const) {
          const view = await queue.view();
          const seen: string[] = [];
          for (let from = 1 as Seq; ; ) {
            const { operations, next } = await view.from(from, limit);
            expect(operations.length).toBeLessThanOrEqual(limit);
            if (next === from) break;
            expect(seqs(operations)).toEqual(seqs(operations).toSorted((a, b) => a - b));
            seen.push(...ids(operations));
            from = next;
          }
          expect(seen).toEqual(names);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("Q2 a fresh window begins at the head, and shows what was looked at nowhere", async () => {
    const queue = await open();
    await queue.add("a", "b", "c");
    await queue.add("d", "e");
    await queue.headTo(3);
    const view = await queue.view();
    expect(ids(await view.fresh(2))).toEqual(["c", "d"]);
    expect(ids((await view.from(1 as Seq, 50)).operations)).toEqual(["c", "d", "e"]);
  });

  test("Q2 an operation below the head is in the queue only while it has a row", async () => {
    const queue = await open();
    const [first, second, third] = (await queue.add("a", "b", "c")) as [Seq, Seq, Seq];
    await queue.move(second, "block", { blockedBy: first });
    await queue.headTo(3);
    const view = await queue.view();
    expect(seqs(await view.bySeq([third, second, first]))).toEqual([3, 2]);
    expect(seqs(await view.bySeq([99 as Seq]))).toEqual([]);
  });
});

describe("by phase", () => {
  test("Q2 phases and blockers are read in order of seq, in pages; tombstones are none of them", async () => {
    const queue = await open();
    const all = await queue.add("a", "a", "a", "b", "c");
    for (const seq of all.slice(1, 4)) await queue.move(seq, "block", { blockedBy: all[0] as Seq });
    await queue.move(all[4] as Seq, "cancel_requested");
    const view = await queue.view();
    expect(seqs(await view.inPhase(["blocked", "cancelled"], 0, 10))).toEqual([2, 3, 4]);
    expect(seqs(await view.inPhase(["blocked"], 2 as Seq, 1))).toEqual([3]);
    expect(seqs(await view.blockedBy(all[0] as Seq, 2))).toEqual([2, 3]);
    expect(seqs(await view.blockedBy(7 as Seq, 2))).toEqual([]);
    const tag = queue.queue.entityTag(queue.account, "device", "a");
    expect(await view.holderOf(tag, 1 as Seq)).toBeUndefined();
    expect(await view.lanes([])).toEqual(new Map());
    expect([...(await view.lanes([tag, tag, "0000000000000000" as EntityTag])).keys()]).toEqual([]);
  });
});

describe("sealed operations", () => {
  test("X1 come in the order of their numbers, before those without one, with the bytes that were sealed", async () => {
    const queue = await open();
    await queue.add("a", "b", "c", "d");
    await seal(queue, [
      [2 as Seq, 7, "two"],
      [1 as Seq, 8, "one"],
    ]);
    await seal(queue, [
      [4 as Seq, 6, "four"],
      [3 as Seq, 0, "three"],
    ]);
    const records = await (await queue.view()).sealed(10);
    expect(records.map(({ operation, text }) => [operation.seq, text])).toEqual([
      [4, "four"],
      [2, "two"],
      [1, "one"],
    ]);
    expect(records.every(({ sentBefore }) => sentBefore)).toBe(true);
    expect((await (await queue.view()).sealed(2)).map(({ text }) => text)).toEqual(["four", "two"]);
  });

  test("X1 without any number come by seq", async () => {
    const queue = await open();
    await queue.add("a", "b");
    await seal(queue, [
      [2 as Seq, 0, "two"],
      [1 as Seq, 0, "one"],
    ]);
    expect((await (await queue.view()).sealed(10)).map(({ text }) => text)).toEqual(["one", "two"]);
  });

  test("X8 bytes that are not those that were sealed are no bytes: damaged, missing, or changed behind the hash", async () => {
    const queue = await open();
    await queue.add("a", "b", "c");
    await seal(queue, [[1 as Seq, 1, "one"]]);
    await seal(queue, [[2 as Seq, 2, "two"]]);
    await seal(queue, [[3 as Seq, 3, "three"]]);
    const { disk } = queue.world;
    const { keys, store } = queue.queue.opened;
    const packs = [...disk.packs.values()];
    const forged = await packSealed(keys, store.storeId, packs[2]?.packId ?? "", [
      (await stampText(syncHash, "three")).replace("three", "3three"),
    ]);
    disk.transaction({ ownWrites: 0 }, () => {
      for (const pack of packs.slice(0, 1)) disk.packs.set(pack.packId, { ...pack, body: flip(pack.body) });
      for (const pack of packs.slice(1, 2)) disk.packs.delete(pack.packId);
      disk.packs.set(forged.packId, forged);
    });
    expect((await (await queue.view()).sealed(10)).map(({ text }) => text)).toEqual([null, null, null]);
  });
});

describe("what cannot be read", () => {
  test("Q1 a damaged segment still has its operations: counted, tagged, marked as unreadable; its neighbours are unharmed", async () => {
    const queue = await open();
    await queue.add("a", "b");
    await queue.add("c");
    damageSegment(queue, 1);
    const operations = await (await queue.view()).fresh(10);
    expect(operations.map(({ seq, readable, content }) => [seq, readable, content.type])).toEqual([
      [1, false, "UNREADABLE"],
      [2, false, "UNREADABLE"],
      [3, true, "UPDATE"],
    ]);
    expect(operations.map(({ entityTag }) => entityTag)).toEqual(
      ["a", "b", "c"].map((id) => queue.queue.entityTag(queue.account, "device", id)),
    );
  });

  test("Q1 an operation that was alone in a damaged segment is found by its id", async () => {
    const queue = await open();
    const content = queue.content("a");
    await queue.world.run(queue.append(content));
    damageSegment(queue, 1);
    expect(await (await queue.view()).byId(content.id)).toMatchObject({
      operation: { seq: 1, readable: false, content: { id: content.id } },
    });
  });

  test("Q1 a line that is no content makes one operation unreadable, not the queue", async () => {
    const queue = await open();
    const strange = { ...queue.content("b"), key: "no uuid" as never };
    await queue.world.run(queue.append(queue.content("a"), strange, queue.content("c")));
    const operations = await (await queue.view()).fresh(10);
    expect(operations.map(({ readable }) => readable)).toEqual([true, false, true]);
  });

  test("Q1 so does a damaged detail: its key is in there, and without it nothing can be sent", async () => {
    const queue = await open();
    await queue.add("a", "b");
    await queue.move(1 as Seq, "park", { detail: { code: "OUTCOME_UNKNOWN", key: "k2" } });
    const { disk } = queue.world;
    disk.transaction({ ownWrites: 0 }, () => {
      for (const row of Array.from(disk.states.from(1)))
        if (row.detail !== null) disk.states.set(row.seq, { ...row, detail: flip(row.detail) });
    });
    const [operation] = await (await queue.view()).inPhase(["parked"], 0, 10);
    expect(operation).toMatchObject({ seq: 1, readable: false, phase: "parked", detail: {} });
  });

  test("X2 damaged receipts are as good as none: the operations themselves are what counts", async () => {
    const queue = await open();
    const all = await queue.add("a", "b", "c");
    const { content } = await queue.operation(all[2] as Seq);
    await queue.change(async (view, change) => {
      for (const operation of await view.bySeq([all[0], all[2]] as Seq[])) change.move(operation, "cancel_requested");
    });
    const { disk } = queue.world;
    disk.transaction({ ownWrites: 0 }, () => {
      for (const [key, row] of Array.from(disk.receipts.entries())) disk.receipts.set(key, { ...row, body: flip(row.body) });
    });
    const view = await queue.view();
    expect(await view.receiptsFor(await view.bySeq(all))).toEqual(new Map());
    expect(await view.byId(content.id)).toBeUndefined();
  });
});

describe("by id", () => {
  test("Q6 in the queue, then as a receipt, and not at all when nobody knows it", async () => {
    const queue = await open();
    const contents = ["a", "b", "c"].map((entityId) => queue.content(entityId));
    await queue.world.run(queue.append(...contents));
    const id = contents[1]?.id ?? "";
    expect(await (await queue.view()).byId(id)).toMatchObject({ operation: { seq: 2, phase: "pending", content: contents[1] as object } });
    await queue.move(2 as Seq, "cancel_requested", { receipt: { outcome: "expired", code: "EXPIRED" } });
    expect(await (await queue.view()).byId(id)).toMatchObject({ receipt: { seq: 2, outcome: "expired", code: "EXPIRED" } });
    expect(await (await queue.view()).byId(queue.content("z").id)).toBeUndefined();
  });

  test("Q6 an id that is only mentioned by another operation is not that operation", async () => {
    const queue = await open();
    const [first, last] = [queue.content("a"), queue.content("b")];
    const mentioned = queue.content("x").id;
    // Between the two in the range of the segment, and inside a payload.
    await queue.world.run(queue.append(first, { ...last, payload: { note: mentioned }, id: queue.content("y").id }));
    expect(await (await queue.view()).byId(mentioned)).toBeUndefined();
  });

  test("A5 an account sees neither the operations nor the receipts of another", async () => {
    const ada = await open();
    const bob = await ada.as({ space: "home", principal: "bob" });
    const content = ada.content("a");
    await ada.world.run(ada.append(content));
    expect(await (await bob.view()).byId(content.id)).toBeUndefined();
    await ada.move(1 as Seq, "cancel_requested");
    expect(await (await bob.view()).byId(content.id)).toBeUndefined();
    expect(await (await bob.view()).fresh(10)).toEqual([]);
  });
});

test("Q3 the detail of an account is bound to its place: bytes of another account do not open", async () => {
  const ada = await open();
  const bob = await ada.as({ space: "home", principal: "bob" });
  const { keys, store } = ada.queue.opened;
  const place = { table: "accounts", id: ada.account, field: "detail" };
  const moved = await sealJson(keys, store.storeId, place, { space: "home", principal: "ada", clientId: "c", nextOpNumber: 1 });
  const row = await store.readAccount(bob.account);
  await store.commit({ account: bob.account, expectRevision: row?.revision ?? 0, putAccountDetail: moved });
  await expect(bob.view()).rejects.toMatchObject({ code: "UNREADABLE" });
});
