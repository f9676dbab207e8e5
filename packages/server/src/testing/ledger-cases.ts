/** What the ledger promises: an operation takes effect at most once, whatever is sent how often. */
import assert from "node:assert/strict";
import { LEDGER_WINDOW_MS, REPLAY_WINDOW_MS } from "@guardian-sync/protocol";
import { serverCase } from "./contract-case.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

export const ledgerCases: readonly ContractCase<OpenStorage>[] = [
  serverCase("B1 a repeated operation is answered from the ledger and not executed again", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    const [first] = await ada.ops([create]);
    const [again] = await ada.ops([create]);
    assert.deepEqual([first?.status, first?.outcome, first?.version, first?.commit_seq], [201, "applied", 1, 1]);
    assert.deepEqual(again, { ...first, replayed: true });
    assert.equal((await ada.changes()).changes.length, 1);
  }),

  serverCase("B1 duplicates in flight at once: one executes, the others replay", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    const results = await Promise.all(Array.from({ length: 8 }, () => ada.ops([create])));
    const outcomes = results.map(([result]) => result);
    assert.equal(outcomes.filter((result) => result?.replayed === undefined).length, 1);
    assert.ok(outcomes.every((result) => result?.outcome === "applied" && result.commit_seq === 1));
    assert.equal((await ada.changes()).head_seq, 1);
  }),

  serverCase("B1 one key with other content is refused and changes nothing", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create]);
    for (const other of [
      { payload: { name: "else" } },
      { entity_id: world.id() },
      { type: "UPDATE" },
      { base: { version: 1 } },
      { group: "g" },
    ]) {
      const [result] = await ada.ops([{ ...create, ...other }]);
      assert.deepEqual([result?.status, result?.outcome, result?.error?.code], [422, "rejected", "IDEMPOTENCY_MISMATCH"]);
    }
    const [still] = await ada.ops([{ ...create, trace_id: world.id(), lane: "other", operation_id: world.id() }]);
    assert.equal(still?.outcome, "applied");
  }),

  serverCase("the id of the entity inside the payload does not change what an operation is", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create]);
    const [again] = await ada.ops([{ ...create, payload: { id: create.entity_id, name: "lamp" } }]);
    assert.equal(again?.replayed, true);
  }),

  serverCase("B1 keys belong to a principal and a space", async (world) => {
    const create = world.client().operation();
    const [ada, bob, elsewhere] = ["ada@home", "bob@home", "ada@cabin"].map((account) => world.client(account));
    await ada?.ops([create]);
    const [byBob] = (await bob?.ops([{ ...create, entity_id: world.id() }])) ?? [];
    assert.deepEqual([byBob?.outcome, byBob?.replayed], ["applied", undefined]);
    assert.equal((await elsewhere?.verdict(create.key))?.verdict, "unknown");
  }),

  serverCase("B1 definite rejections are stored and replayed", async (world) => {
    const ada = world.client();
    const update = ada.operation({ type: "UPDATE" });
    const [first] = await ada.ops([update]);
    assert.deepEqual([first?.status, first?.outcome, first?.error?.code], [404, "rejected", "RESOURCE_NOT_FOUND"]);
    // Also after the reason for it is gone: the client was told that this one has failed.
    await ada.op({ entity_id: update.entity_id });
    const [again] = await ada.ops([update]);
    assert.deepEqual(again, { ...first, replayed: true });
    assert.equal((await ada.verdict(update.key)).verdict, "rejected");
  }),

  serverCase("B1 a conflict is not stored: the same operation may succeed later", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.op({ entity_id: id });
    const update = ada.operation({ type: "UPDATE", entity_id: id, payload: { name: "new" }, base: { version: 2 } });
    const [early] = await ada.ops([update]);
    assert.deepEqual([early?.status, early?.outcome, early?.error?.code], [409, "conflict", "CONFLICT"]);
    assert.equal((await ada.verdict(update.key)).verdict, "unknown");
    await ada.op({ type: "UPDATE", entity_id: id, payload: { size: 1 } });
    const [later] = await ada.ops([update]);
    assert.deepEqual([later?.outcome, later?.version], ["applied", 3]);
  }),

  serverCase("a handler that throws is retried, not stored, and says nothing of its insides", async (world) => {
    const ada = world.client();
    const operation = ada.operation({ type: "device.broken", payload: {} });
    const answer = await ada.batch([operation]);
    assert.ok(!answer.text.includes("secret"));
    const [result] = await ada.ops([operation]);
    assert.deepEqual([result?.status, result?.outcome, result?.error?.code], [500, "retry", "INTERNAL_ERROR"]);
    assert.equal((await ada.verdict(operation.key)).verdict, "unknown");
    assert.equal(world.faults.length, 2);
  }),

  serverCase("after the replay window the ledger still knows the outcome, without the document", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create]);
    world.timer.advance(REPLAY_WINDOW_MS + 1);
    const expected = { key: create.key, status: 201, outcome: "applied", version: 1, commit_seq: 1, replayed: true };
    assert.deepEqual(await ada.ops([create]), [expected]);
    // The same when upkeep has thrown the stored answer away.
    const report = await world.server.maintain();
    assert.deepEqual([report.responses, report.operations, report.isDone], [1, 0, true]);
    assert.deepEqual(await ada.ops([create]), [expected]);
  }),

  serverCase("after the ledger's window a key is unknown, and the verdict says since when keys are known", async (world) => {
    const ada = world.client();
    const startedAt = new Date(world.timer.now()).toISOString();
    const create = ada.operation();
    await ada.ops([create]);
    assert.equal((await ada.verdict(create.key)).known_since, startedAt);
    world.timer.advance(LEDGER_WINDOW_MS + 1);
    await world.server.maintain();
    const verdict = await ada.verdict(create.key);
    assert.equal(verdict.verdict, "unknown");
    assert.equal(verdict.known_since, new Date(world.timer.now() - LEDGER_WINDOW_MS).toISOString());
    assert.ok(verdict.known_since > startedAt);
  }),

  serverCase("a verdict carries the stored result", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    const [result] = await ada.ops([create]);
    const verdict = await ada.verdict(create.key);
    assert.deepEqual([verdict.verdict, verdict.result], ["applied", { ...result, replayed: true }]);
  }),

  serverCase("B1 a cancelled key is never executed, however late its operation arrives", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    assert.equal((await ada.cancel(create.key)).verdict, "cancelled");
    const [late] = await ada.ops([create]);
    assert.deepEqual([late?.outcome, late?.replayed], ["cancelled", true]);
    assert.equal((await ada.cancel(create.key)).verdict, "cancelled");
    assert.equal((await ada.verdict(create.key)).verdict, "cancelled");
    assert.equal((await ada.changes()).head_seq, 0);
  }),

  serverCase("what was applied cannot be cancelled", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create]);
    const verdict = await ada.cancel(create.key);
    assert.deepEqual([verdict.verdict, verdict.result?.commit_seq], ["applied", 1]);
  }),

  serverCase("B1 an operation that supersedes another one blocks its late copy", async (world) => {
    const ada = world.client();
    const old = ada.operation();
    const renewed = ada.operation({ entity_id: old.entity_id, payload: { name: "new" }, supersedes: [old.key] });
    assert.equal((await ada.ops([renewed]))[0]?.outcome, "applied");
    assert.equal((await ada.ops([old]))[0]?.outcome, "cancelled");
    assert.equal((await ada.verdict(old.key)).verdict, "cancelled");
  }),

  serverCase("B1 an operation whose predecessor was applied says so and writes nothing", async (world) => {
    const ada = world.client();
    const old = ada.operation();
    await ada.ops([old]);
    const renewed = ada.operation({ entity_id: old.entity_id, payload: { name: "new" }, supersedes: [world.id(), old.key] });
    for (let tries = 0; tries < 2; tries++) {
      const [result] = await ada.ops([renewed]);
      const expected = { key: renewed.key, status: 200, outcome: "applied_before", applied_key: old.key, version: 1, commit_seq: 1 };
      assert.deepEqual(result, expected);
    }
    assert.equal((await ada.changes()).head_seq, 1);
    assert.equal((await ada.verdict(renewed.key)).verdict, "unknown");
  }),

  serverCase("a refused predecessor is no obstacle, and an outcome that is not stored leaves no marker", async (world) => {
    const ada = world.client();
    const id = world.id();
    const refused = ada.operation({ type: "UPDATE", entity_id: id });
    await ada.ops([refused]);
    await ada.op({ entity_id: id });
    const sent = world.id();
    const conflicting = ada.operation({ type: "UPDATE", entity_id: id, base: { version: 9 }, supersedes: [refused.key, sent] });
    assert.equal((await ada.ops([conflicting]))[0]?.outcome, "conflict");
    assert.equal((await ada.verdict(sent)).verdict, "unknown");
    assert.equal((await ada.verdict(refused.key)).verdict, "rejected");
    const good = ada.operation({ type: "UPDATE", entity_id: id, payload: { size: 2 }, supersedes: [refused.key, sent] });
    assert.equal((await ada.ops([good]))[0]?.outcome, "applied");
    assert.equal((await ada.verdict(sent)).verdict, "cancelled");
  }),

  serverCase("a cancelled operation leaves its marker, unless it was applied", async (world) => {
    const ada = world.client();
    const cancelled = ada.operation({ cancelled: true, supersedes: [world.id()] });
    const [result] = await ada.ops([cancelled]);
    assert.deepEqual([result?.outcome, result?.replayed], ["cancelled", undefined]);
    const { cancelled: _, ...copy } = cancelled;
    assert.equal((await ada.ops([copy]))[0]?.outcome, "cancelled");
    assert.equal((await ada.verdict(cancelled.supersedes?.[0] ?? "")).verdict, "cancelled");

    const applied = ada.operation();
    await ada.ops([applied]);
    assert.deepEqual((await ada.ops([{ ...applied, cancelled: true }]))[0]?.outcome, "applied");
    const [before] = await ada.ops([ada.operation({ cancelled: true, supersedes: [applied.key] })]);
    assert.deepEqual([before?.outcome, before?.applied_key], ["applied_before", applied.key]);
  }),

  serverCase("a restored backup claims to know nothing of before", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    const first = await ada.opsResponse([create]);
    world.timer.advance(5000);
    await world.server.renewGeneration();
    const verdict = await ada.verdict(world.id());
    assert.equal(verdict.known_since, new Date(world.timer.now()).toISOString());
    assert.notEqual((await ada.opsResponse([ada.operation()])).generation, first.generation);
  }),
];
