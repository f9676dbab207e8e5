/** Who may write, and in which order: fences, numbers, batches and groups. */
import assert from "node:assert/strict";
import type { OperationResult, WireOperation } from "@guardian-sync/protocol";
import { serverCase } from "./contract-case.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

const outcomes = (results: readonly OperationResult[]): string[] =>
  results.map(({ outcome, error }) => (error === undefined ? outcome : `${outcome} ${error.code}`));
const numbered = (operations: readonly WireOperation[], from = 1): WireOperation[] =>
  operations.map((operation, index) => ({ ...operation, op_number: from + index }));
const global = { ordering: "global" } as const;

export const orderCases: readonly ContractCase<OpenStorage>[] = [
  serverCase("a lower fence is stale, the same fence under another lease is a fork, a higher one takes over", async (world) => {
    const ada = world.client();
    assert.deepEqual(outcomes(await ada.ops([ada.operation()], { fence: 5 })), ["applied"]);
    assert.deepEqual(outcomes(await ada.ops([ada.operation()], { fence: 4 })), ["retry STALE_FENCE"]);
    assert.deepEqual(outcomes(await ada.ops([ada.operation()], { fence: 5, lease: world.id() })), ["retry CLIENT_FORKED"]);
    assert.deepEqual(outcomes(await ada.ops([ada.operation()], { fence: 6, lease: world.id() })), ["applied"]);
    assert.deepEqual(outcomes(await ada.ops([ada.operation()], { fence: 5 })), ["retry STALE_FENCE"]);
  }),

  serverCase("a newer fence counts also when its operation came to nothing", async (world) => {
    const ada = world.client();
    await ada.ops([ada.operation()], { fence: 1 });
    await ada.ops([ada.operation({ type: "device.busy", payload: {} })], { fence: 2 });
    assert.deepEqual(outcomes(await ada.ops([ada.operation()], { fence: 1 })), ["retry STALE_FENCE"]);
  }),

  serverCase("whoever lost the lock still learns what became of its operations", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create], { fence: 1 });
    await ada.ops([ada.operation()], { fence: 2 });
    const [again] = await ada.ops([create], { fence: 1 });
    assert.deepEqual([again?.outcome, again?.replayed], ["applied", true]);
  }),

  serverCase("A5 a client belongs to its principal", async (world) => {
    const ada = world.client();
    await ada.ops([ada.operation()]);
    const bob = world.client("bob@home");
    const answer = await bob.send({
      method: "POST",
      path: "/api/v1/sync/ops",
      headers: { authorization: "Bearer bob@home", "x-device-id": ada.clientId, "content-type": "application/json" },
      json: bob.envelope({ ordering: "entity", fence: 9, lease: bob.lease, operations: [bob.operation()] }),
    });
    assert.deepEqual([answer.status, answer.error?.code], [403, "PRINCIPAL_MISMATCH"]);
  }),

  serverCase("global order takes numbers in turn", async (world) => {
    const ada = world.client();
    const [a, b, c, d] = numbered([1, 2, 3, 4].map(() => ada.operation())) as [WireOperation, WireOperation, WireOperation, WireOperation];
    assert.deepEqual(outcomes(await ada.ops([b], global)), ["retry OUT_OF_ORDER"]);
    const [early] = await ada.ops([c], global);
    assert.deepEqual(early?.error?.details, { expected: 1, provided: 3 });
    assert.deepEqual(outcomes(await ada.ops([a, b], global)), ["applied", "applied"]);
    assert.deepEqual(outcomes(await ada.ops([a, b, c], global)), ["applied", "applied", "applied"]);
    assert.deepEqual(outcomes(await ada.ops([{ ...d, op_number: 3 }], global)), ["retry OUT_OF_ORDER"]);
    assert.deepEqual(outcomes(await ada.ops([d], global)), ["applied"]);
  }),

  serverCase("stored outcomes consume the number, others do not", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.ops(numbered([ada.operation({ entity_id: id })]), global);
    const steps: readonly (readonly [Partial<WireOperation>, string, boolean])[] = [
      [{ type: "UPDATE", entity_id: id, payload: { name: "lamp" } }, "noop", true],
      [{ type: "UPDATE", entity_id: id, payload: { name: 5 } }, "rejected VALIDATION_ERROR", true],
      [{ cancelled: true }, "cancelled CONFLICT", true],
      [{ type: "UPDATE", entity_id: id, payload: { size: 1 }, base: { version: 7 } }, "conflict CONFLICT", false],
      [{ type: "device.broken", payload: {} }, "retry INTERNAL_ERROR", false],
      [{ type: "UPDATE", entity_id: id, payload: { size: 1 } }, "applied", true],
    ];
    let next = 2;
    for (const [more, expected, consumes] of steps) {
      assert.deepEqual(outcomes(await ada.ops([ada.operation({ ...more, op_number: next })], global)), [expected]);
      if (consumes) next += 1;
    }
    assert.equal(next, 6);
  }),

  serverCase("a marker that was written without a number takes its turn when its operation is sent in its place", async (world) => {
    const ada = world.client();
    const [a, b, c] = numbered([1, 2, 3].map(() => ada.operation())) as [WireOperation, WireOperation, WireOperation];
    await ada.cancel(b.key);
    assert.deepEqual(outcomes(await ada.ops([{ ...b, cancelled: true }], global)), ["retry OUT_OF_ORDER"]);
    assert.deepEqual(outcomes(await ada.ops([a], global)), ["applied"]);
    assert.deepEqual(outcomes(await ada.ops([c], global)), ["retry OUT_OF_ORDER"]);
    assert.deepEqual(outcomes(await ada.ops([{ ...b, cancelled: true }, c], global)), ["cancelled CONFLICT", "applied"]);
    assert.deepEqual(outcomes(await ada.ops([{ ...b, cancelled: true }], global)), ["cancelled CONFLICT"]);
  }),

  serverCase("a late copy of a cancelled operation takes no number away from what comes in its place", async (world) => {
    const ada = world.client();
    const [late, next] = [ada.operation({ op_number: 1 }), ada.operation({ op_number: 1 })];
    await ada.cancel(late.key);
    assert.deepEqual(outcomes(await ada.ops([late, ada.operation({ op_number: 2 })], global)), ["cancelled CONFLICT", "skipped BLOCKED"]);
    assert.deepEqual(outcomes(await ada.ops([next], global)), ["applied"]);
    assert.deepEqual(outcomes(await ada.ops([late], global)), ["cancelled CONFLICT"]);
    const behind = ada.operation({ op_number: 2 });
    assert.deepEqual(outcomes(await ada.ops([late, behind], global)), ["cancelled CONFLICT", "skipped BLOCKED"]);
    assert.equal((await ada.verdict(behind.key)).verdict, "unknown");
  }),

  serverCase("applied_before in its place does not stop what follows", async (world) => {
    const ada = world.client();
    const [a] = numbered([ada.operation()]) as [WireOperation];
    await ada.ops([a], global);
    const renewed = ada.operation({ supersedes: [a.key], op_number: 1 });
    const next = ada.operation({ op_number: 2 });
    assert.deepEqual(outcomes(await ada.ops([renewed, next], global)), ["applied_before", "applied"]);
  }),

  serverCase("with global order the first conflict, retry or skipped one ends the batch", async (world) => {
    const ada = world.client();
    const id = world.id();
    const stopper = (more: Partial<WireOperation>): WireOperation => ada.operation({ entity_id: id, type: "UPDATE", ...more });
    await ada.ops(numbered([ada.operation({ entity_id: id })]), global);
    const cases: readonly (readonly [WireOperation, string])[] = [
      [stopper({ base: { version: 9 } }), "conflict CONFLICT"],
      [ada.operation({ type: "device.broken", payload: {} }), "retry INTERNAL_ERROR"],
    ];
    for (const [stop, outcome] of cases) {
      const results = await ada.ops(numbered([stop, ada.operation(), ada.operation()], 2), global);
      assert.deepEqual(outcomes(results), [outcome, "skipped BLOCKED", "skipped BLOCKED"]);
    }
    const rejected = stopper({ payload: { name: 1 } });
    const skipped = stopper({ payload: { name: "x" } });
    const results = await ada.ops(numbered([rejected, ada.operation(), skipped, ada.operation()], 2), global);
    assert.deepEqual(outcomes(results), ["rejected VALIDATION_ERROR", "applied", "skipped BLOCKED", "skipped BLOCKED"]);
    assert.deepEqual(outcomes(await ada.ops(numbered([skipped], 4), global)), ["applied"]);
  }),

  serverCase("a malformed operation is refused alone, stored nowhere, and ends a batch in global order", async (world) => {
    const ada = world.client();
    const bad = { ...ada.operation(), entity_type: 5, op_number: 2 } as unknown as WireOperation;
    const results = await ada.ops([ada.operation(), bad, ada.operation()]);
    assert.deepEqual(outcomes(results), ["applied", "rejected VALIDATION_ERROR", "applied"]);
    assert.equal(results[1]?.status, 400);
    assert.equal((await ada.verdict(bad.key)).verdict, "unknown");
    const inOrder = [ada.operation({ op_number: 1 }), bad, ada.operation({ op_number: 3 })];
    assert.deepEqual(outcomes(await ada.ops(inOrder, global)), ["applied", "rejected VALIDATION_ERROR", "skipped BLOCKED"]);
    assert.deepEqual(outcomes(await ada.ops([ada.operation({ op_number: 2 })], global)), ["applied"]);
  }),

  serverCase("a rejection holds later operations of its entity, and nothing else", async (world) => {
    const ada = world.client();
    const id = world.id();
    const results = await ada.ops([
      ada.operation({ entity_id: id, payload: { name: 1 } }),
      ada.operation({ entity_id: id, type: "UPDATE" }),
      ada.operation(),
      ada.operation({ entity_id: id, type: "DELETE", payload: null }),
    ]);
    assert.deepEqual(outcomes(results), ["rejected VALIDATION_ERROR", "skipped BLOCKED", "applied", "skipped BLOCKED"]);
    assert.equal(results[1]?.status, 424);
  }),

  serverCase("what depends on an operation without effect is skipped, in turn and across requests", async (world) => {
    const ada = world.client();
    const bad = ada.operation({ payload: { name: 1 } });
    const child = ada.operation({ depends_on: [bad.key] });
    const grandchild = ada.operation({ depends_on: [child.key] });
    const sibling = ada.operation({ entity_id: child.entity_id, type: "UPDATE" });
    const failed = "skipped DEPENDENCY_FAILED";
    assert.deepEqual(outcomes(await ada.ops([bad, child, grandchild, sibling])), [
      "rejected VALIDATION_ERROR",
      failed,
      failed,
      "skipped BLOCKED",
    ]);
    assert.deepEqual(outcomes(await ada.ops([child])), [failed]);
    const good = ada.operation();
    await ada.ops([good]);
    const orphan = ada.operation({ depends_on: [world.id()] });
    assert.deepEqual(outcomes(await ada.ops([ada.operation({ depends_on: [good.key] }), orphan])), ["applied", "applied"]);
  }),

  serverCase("a conflict stops its lane, other lanes go on", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.op({ entity_id: id });
    const conflicting = { type: "UPDATE", entity_id: id, base: { version: 9 }, lane: "a" };
    const results = await ada.ops([
      ada.operation(conflicting),
      ada.operation({ lane: "a" }),
      ada.operation({ lane: "b" }),
      ada.operation(),
    ]);
    assert.deepEqual(outcomes(results), ["conflict CONFLICT", "skipped BLOCKED", "applied", "applied"]);
  }),

  serverCase("what is skipped stops its explicit lane, too", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.op({ entity_id: id });
    const results = await ada.ops([
      ada.operation({ type: "UPDATE", entity_id: id, payload: { name: 1 } }),
      ada.operation({ type: "UPDATE", entity_id: id, lane: "a" }),
      ada.operation({ lane: "a" }),
      ada.operation({ lane: "b" }),
    ]);
    assert.deepEqual(outcomes(results), ["rejected VALIDATION_ERROR", "skipped BLOCKED", "skipped BLOCKED", "applied"]);
  }),

  serverCase(
    "with entity order a late copy of a cancelled operation stops its lane, one that is sent in its place does not",
    async (world) => {
      const ada = world.client();
      const [entity_id, other] = [world.id(), world.id()];
      const late = ada.operation({ entity_id, lane: "a" });
      await ada.cancel(late.key);
      const copy = [late, ada.operation({ entity_id }), ada.operation({ lane: "a" }), ada.operation({ entity_id: other })];
      assert.deepEqual(outcomes(await ada.ops(copy)), ["cancelled CONFLICT", "skipped BLOCKED", "skipped BLOCKED", "applied"]);
      assert.deepEqual(outcomes(await ada.ops([{ ...late, cancelled: true }, ada.operation({ entity_id })])), [
        "cancelled CONFLICT",
        "applied",
      ]);
    },
  ),

  serverCase("the same batch again replays what was applied and executes the rest", async (world) => {
    const ada = world.client();
    const id = world.id();
    const first = ada.operation({ entity_id: id });
    const second = ada.operation({ entity_id: id, type: "UPDATE", payload: { size: 1 }, base: { after: first.key } });
    await ada.ops([first]);
    const results = await ada.ops([first, second, ada.operation()]);
    assert.deepEqual(
      results.map(({ outcome, replayed }) => [outcome, replayed ?? false]),
      [
        ["applied", true],
        ["applied", false],
        ["applied", false],
      ],
    );
  }),

  serverCase("a group is one transaction, seen whole in the feed", async (world) => {
    const ada = world.client();
    const members = [1, 2, 3].map(() => ada.operation({ group: "g" }));
    assert.deepEqual(outcomes(await ada.ops([ada.operation(), ...members, ada.operation()])), Array(5).fill("applied"));
    const { changes } = await ada.changes();
    assert.deepEqual(
      changes.map(({ seq, txn }) => [seq, txn]),
      [
        [1, 1],
        [2, 2],
        [3, 2],
        [4, 2],
        [5, 5],
      ],
    );
  }),

  serverCase("a refused member undoes its group; its own verdict stays", async (world) => {
    const ada = world.client();
    const good = ada.operation({ group: "g" });
    const bad = ada.operation({ group: "g", payload: { name: 1 } });
    const last = ada.operation({ group: "g" });
    const undone = "skipped DEPENDENCY_FAILED";
    assert.deepEqual(outcomes(await ada.ops([good, bad, last, ada.operation()])), [undone, "rejected VALIDATION_ERROR", undone, "applied"]);
    assert.deepEqual([(await ada.verdict(good.key)).verdict, (await ada.verdict(bad.key)).verdict], ["unknown", "rejected"]);
    assert.equal((await ada.changes()).head_seq, 1);
    assert.deepEqual(outcomes(await ada.ops([good, bad, last])), [undone, "rejected VALIDATION_ERROR", undone]);
  }),

  serverCase("a group whose member is in conflict leaves nothing behind and can be sent again", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.op({ entity_id: id });
    const first = ada.operation({ group: "g" });
    const second = ada.operation({ group: "g", type: "UPDATE", entity_id: id, payload: { size: 1 }, base: { version: 2 } });
    assert.deepEqual(outcomes(await ada.ops([first, second])), ["skipped DEPENDENCY_FAILED", "conflict CONFLICT"]);
    assert.equal((await ada.verdict(first.key)).verdict, "unknown");
    await ada.op({ type: "UPDATE", entity_id: id, payload: { size: 9 } });
    assert.deepEqual(outcomes(await ada.ops([first, second])), ["applied", "applied"]);
  }),

  serverCase("a group in global order consumes all its numbers or none of them", async (world) => {
    const ada = world.client();
    const good = ada.operation({ group: "g" });
    const bad = ada.operation({ group: "g", payload: { name: 1 } });
    assert.deepEqual(outcomes(await ada.ops(numbered([good, bad, ada.operation()]), global)), [
      "skipped DEPENDENCY_FAILED",
      "rejected VALIDATION_ERROR",
      "skipped BLOCKED",
    ]);
    const better = ada.operation({ group: "g" });
    assert.deepEqual(outcomes(await ada.ops(numbered([good, better]), global)), ["applied", "applied"]);
    assert.deepEqual(outcomes(await ada.ops(numbered([ada.operation()], 3), global)), ["applied"]);
  }),

  serverCase("a refused first member of a group takes its turn, so that the rest can come again", async (world) => {
    const ada = world.client();
    const bad = ada.operation({ group: "g", payload: { name: 1 }, supersedes: [world.id()] });
    const good = ada.operation({ group: "g" });
    const results = await ada.ops(numbered([bad, good]), global);
    assert.deepEqual(outcomes(results), ["rejected VALIDATION_ERROR", "skipped DEPENDENCY_FAILED"]);
    assert.equal((await ada.verdict(bad.supersedes?.[0] ?? "")).verdict, "cancelled");
    assert.deepEqual(outcomes(await ada.ops(numbered([good], 2), global)), ["applied"]);
  }),

  serverCase("a member that was cancelled on purpose leaves its group, one that a marker stops undoes it", async (world) => {
    const ada = world.client();
    const [a, b, c] = [1, 2, 3].map(() => ada.operation({ group: "g" })) as [WireOperation, WireOperation, WireOperation];
    assert.deepEqual(outcomes(await ada.ops([a, { ...b, cancelled: true }])), ["applied", "cancelled CONFLICT"]);
    assert.deepEqual(outcomes(await ada.ops([c, b])), ["skipped DEPENDENCY_FAILED", "cancelled CONFLICT"]);
  }),

  serverCase("a torn group is refused where it was torn", async (world) => {
    const ada = world.client();
    const results = await ada.ops([ada.operation({ group: "g" }), ada.operation(), ada.operation({ group: "g" })]);
    assert.deepEqual(outcomes(results), ["applied", "applied", "rejected VALIDATION_ERROR"]);
  }),

  serverCase("B3 concurrent batches of many clients leave a feed without holes or doubles", async (world) => {
    const clients = Array.from({ length: 16 }, (_, index) => world.client(`p${index}@home`));
    await Promise.all(clients.flatMap((client) => [1, 2, 3].map(() => client.ops(Array.from({ length: 5 }, () => client.operation())))));
    const [first] = clients;
    const page = await first?.changes({ limit: "1000" });
    assert.equal(page?.head_seq, 240);
    assert.deepEqual(
      page?.changes.map(({ seq }) => seq),
      Array.from({ length: 240 }, (_, index) => index + 1),
    );
  }),
];
