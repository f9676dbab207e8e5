import { describe, expect, test } from "vitest";
import { type CommitHooks, MemoryDisk, memoryStorage } from "../storage/memory.ts";
import { ContractWorld } from "../testing/contract-world.ts";

class Crash extends Error {}
const crash = (): never => {
  throw new Crash();
};

/** A server that dies at its commit number `at`, and the same one started again on the same disk. */
function lives(at: number, side: keyof CommitHooks): { readonly dying: ContractWorld; readonly reborn: ContractWorld } {
  const disk = new MemoryDisk();
  const hook = ({ number }: { readonly number: number }): void => {
    if (number === at) crash();
  };
  const dying = new ContractWorld(memoryStorage({ disk, hooks: { [side]: hook } }), {}, 1);
  return { dying, reborn: new ContractWorld(memoryStorage({ disk }), {}, 2) };
}

describe("a server killed", () => {
  test("B1 before its commit leaves nothing: the same batch again is executed", async () => {
    const { dying, reborn } = lives(1, "beforeCommit");
    const ada = dying.client();
    const batch = [ada.operation(), ada.operation()];
    expect((await ada.batch(batch)).status).toBe(500);
    const again = reborn.client();
    expect((await again.changes()).head_seq).toBe(0);
    expect((await again.verdict(batch[0]?.key ?? "")).verdict).toBe("unknown");
    const results = await again.ops(batch);
    expect(results.map(({ outcome, replayed }) => [outcome, replayed])).toEqual([
      ["applied", undefined],
      ["applied", undefined],
    ]);
  });

  test("B1 after its commit loses only the answer: the same batch again is replayed", async () => {
    const { dying, reborn } = lives(1, "afterCommit");
    const ada = dying.client();
    const batch = [ada.operation(), ada.operation()];
    expect((await ada.batch(batch)).status).toBe(500);
    const again = reborn.client();
    expect((await again.verdict(batch[1]?.key ?? "")).verdict).toBe("applied");
    const results = await again.ops(batch);
    expect(results.map(({ outcome, replayed }) => [outcome, replayed])).toEqual([
      ["applied", true],
      ["applied", true],
    ]);
    expect((await again.changes()).head_seq).toBe(2);
  });

  test("answers nothing any more", async () => {
    const { dying } = lives(1, "beforeCommit");
    const ada = dying.client();
    await ada.batch([ada.operation()]);
    expect((await ada.batch([ada.operation()])).status).toBe(503);
    expect((await ada.pull()).status).toBe(503);
  });

  test("B1 at any commit, on either side, applies each operation exactly once in the end", async () => {
    for (const side of ["beforeCommit", "afterCommit"] as const) {
      for (let at = 1; at <= 6; at++) {
        const { dying, reborn } = lives(at, side);
        const [ada, again] = [dying.client(), reborn.client()];
        const id = dying.id();
        const batches = [
          [ada.operation({ entity_id: id })],
          [ada.operation({ type: "UPDATE", entity_id: id, payload: { size: 1 }, base: { version: 1 } })],
          [ada.operation({ group: "g" }), ada.operation({ group: "g" })],
          [ada.operation({ type: "DELETE", entity_id: id, payload: null })],
          [ada.operation({ type: "UPDATE", entity_id: id })],
          [ada.operation({ cancelled: true })],
        ];
        for (const batch of batches) await ada.batch(batch);
        const outcomes = [];
        for (const batch of batches) outcomes.push(...(await again.ops(batch)).map(({ outcome }) => outcome));
        expect(outcomes, `${side} ${at}`).toEqual(["applied", "applied", "applied", "applied", "applied", "rejected", "cancelled"]);
        expect((await again.changes()).head_seq).toBe(5);
      }
    }
  });

  test("while a commit waits, its work vanishes when the plug is pulled", async () => {
    const disk = new MemoryDisk();
    const storage = memoryStorage({ disk, hooks: { beforeCommit: () => new Promise(() => {}) } });
    const ada = new ContractWorld(storage).client();
    void ada.batch([ada.operation()]);
    await new Promise((resolve) => setImmediate(resolve));
    storage.kill();
    expect(disk.spaces.get("home")).toBeUndefined();
  });
});

test("a restored snapshot of the disk is the earlier moment", async () => {
  const disk = new MemoryDisk();
  const ada = new ContractWorld(memoryStorage({ disk })).client();
  await ada.op({});
  const backup = disk.snapshot();
  await ada.op({});
  disk.restore(backup);
  const world = new ContractWorld(memoryStorage({ disk }), {}, 3);
  const { cursor, head_seq } = await world.client().changes();
  expect(head_seq).toBe(1);
  await world.server.renewGeneration();
  expect((await world.client().pull({ cursor })).status).toBe(410);
});

test("equal worlds give equal bytes", async () => {
  const run = async (): Promise<string> => {
    const world = new ContractWorld(memoryStorage());
    const clients = [world.client("ada@home"), world.client("bob@home"), world.client("eve@cabin")];
    const answers = await Promise.all(
      clients.flatMap((client) => [
        client.batch([client.operation(), client.operation()]),
        client.pull(),
        client.rest("POST", "devices", { payload: { name: "x" } }),
      ]),
    );
    return JSON.stringify(answers);
  };
  expect(await run()).toBe(await run());
});
