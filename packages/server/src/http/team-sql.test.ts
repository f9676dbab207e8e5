import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OperationRejected } from "../core/refusal.ts";
import { emit, type OperationDefinition } from "../core/registry.ts";
import type { Storage } from "../core/storage.ts";
import { memoryStorage } from "../storage/memory.ts";
import { sqliteStorage } from "../storage/sqlite.ts";
import { contractOperations, ContractWorld } from "../testing/contract-world.ts";

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "guardian-team-"));
  storage = sqliteStorage({ path: join(folder, "server.db") });
  await storage.write(async ({ sql }) => await sql?.run("CREATE TABLE moves (account TEXT, amount INTEGER)"));
});
afterEach(async () => {
  await storage.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes into the team's own table first, and decides afterwards. */
const move: OperationDefinition = {
  handler: async (tx, input, { entityId }) => {
    const { amount } = input as { amount: number };
    await tx.run("INSERT INTO moves VALUES (?, ?)", [entityId, amount]);
    const row = await tx.get("SELECT sum(amount) AS total FROM moves WHERE account = ?", [entityId]);
    const total = Number(row?.total);
    if (total < 0) throw new OperationRejected({ status: 422, code: "VALIDATION_ERROR", message: "not enough" });
    if (amount === 13) throw new Error("a bug");
    return emit.put("device", entityId, { name: "account", size: amount === 7 ? "wrong" : total });
  },
};
const worldOn = (on: Storage): ContractWorld => new ContractWorld(on, { operations: { ...contractOperations, move } });
const amounts = async (): Promise<unknown[]> =>
  (await storage.read(async ({ sql }) => (await sql?.all("SELECT amount FROM moves ORDER BY rowid")) ?? [])).map(({ amount }) => amount);

test("B1 the team's SQL takes effect with its operation, once", async () => {
  const ada = worldOn(storage).client();
  const deposit = ada.operation({ type: "move", payload: { amount: 5 } });
  const results = await Promise.all([1, 2, 3].map(() => ada.ops([deposit])));
  expect(results.map(([result]) => result?.data?.size)).toEqual([5, 5, 5]);
  expect(await amounts()).toEqual([5]);
});

test("B1 the team's SQL vanishes with an operation that is refused, invalid or broken", async () => {
  const ada = worldOn(storage).client();
  const entity_id = ada.world.id();
  const outcomes = [];
  for (const amount of [5, -9, 13, 7, 1]) outcomes.push((await ada.op({ type: "move", entity_id, payload: { amount } })).outcome);
  expect(outcomes).toEqual(["applied", "rejected", "retry", "rejected", "applied"]);
  expect(await amounts()).toEqual([5, 1]);
});

test("the team's SQL vanishes with the group of its operation", async () => {
  const ada = worldOn(storage).client();
  const results = await ada.ops([
    ada.operation({ type: "move", payload: { amount: 5 }, group: "g" }),
    ada.operation({ payload: { name: 1 }, group: "g" }),
    ada.operation({ type: "move", payload: { amount: 6 } }),
  ]);
  expect(results.map(({ outcome }) => outcome)).toEqual(["skipped", "rejected", "applied"]);
  expect(await amounts()).toEqual([6]);
});

test("a storage without SQL says so, in the log and not to the client", async () => {
  const world = worldOn(memoryStorage());
  const result = await world.client().op({ type: "move", payload: { amount: 5 } });
  expect([result.outcome, result.error?.code]).toEqual(["retry", "INTERNAL_ERROR"]);
  expect(world.faults).toMatchObject([{ message: expect.stringContaining("no SQL") }]);
});
