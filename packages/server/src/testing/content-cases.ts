/** What operations do to entities: bases, tombstones, patches, schemas, permissions, named operations. */
import assert from "node:assert/strict";
import type { JsonObject, OperationResult, WireOperation } from "@guardian-sync/protocol";
import { serverCase } from "./contract-case.ts";
import type { ContractClient } from "./contract-world.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

const said = ({ status, outcome, error }: OperationResult): unknown[] => [status, outcome, ...(error === undefined ? [] : [error.code])];
async function device(client: ContractClient, payload: JsonObject = { name: "lamp" }): Promise<string> {
  const id = client.world.id();
  assert.equal((await client.op({ entity_id: id, payload })).outcome, "applied");
  return id;
}
const update = (entity_id: string, payload: JsonObject, more: Partial<WireOperation> = {}): Partial<WireOperation> => ({
  type: "UPDATE",
  entity_id,
  payload,
  ...more,
});
const remove = (entity_id: string, more: Partial<WireOperation> = {}): Partial<WireOperation> => ({
  type: "DELETE",
  entity_id,
  payload: null,
  ...more,
});

export const contentCases: readonly ContractCase<OpenStorage>[] = [
  serverCase("a document is served with the server's fields", async (world) => {
    const ada = world.client();
    const id = world.id();
    const now = new Date(world.timer.now()).toISOString();
    const result = await ada.op({ entity_id: id, payload: { name: "lamp", version: 77, created_at: "never" } });
    assert.deepEqual(result.data, { id, name: "lamp", version: 1, created_at: now, updated_at: now });
    world.timer.advance(1000);
    const later = new Date(world.timer.now()).toISOString();
    const updated = await ada.op(update(id, { size: 3 }));
    assert.deepEqual(updated.data, { id, name: "lamp", size: 3, version: 2, created_at: now, updated_at: later });
  }),

  serverCase("an update replaces top-level fields whole, and null is a value", async (world) => {
    const ada = world.client();
    const id = await device(ada, { name: "lamp", size: 1, settings: { a: 1, b: 2 } });
    const result = await ada.op(update(id, { settings: { c: 3 }, size: null }));
    assert.deepEqual([result.data?.settings, result.data?.size], [{ c: 3 }, null]);
  }),

  serverCase("an update that changes nothing is a noop and consumes no seq", async (world) => {
    const ada = world.client();
    const id = await device(ada, { name: "lamp", settings: { b: 1, a: 2 } });
    const result = await ada.op(update(id, { settings: { a: 2, b: 1 } }));
    assert.deepEqual([...said(result), result.version, result.commit_seq], [200, "noop", 1, 1]);
    assert.equal((await ada.changes()).head_seq, 1);
  }),

  serverCase("B2 a base by version holds or conflicts, and the conflict shows what is there", async (world) => {
    const ada = world.client();
    const id = world.id();
    const created = ada.operation({ entity_id: id });
    await ada.ops([created]);
    const first = ada.operation(update(id, { size: 1 }, { base: { version: 1 } }));
    assert.equal((await ada.ops([first]))[0]?.version, 2);
    const stale = await world.client("bob@home").op(update(id, { size: 2 }, { base: { version: 1 } }));
    assert.deepEqual(said(stale), [409, "conflict", "CONFLICT"]);
    assert.deepEqual([stale.current?.version, stale.current?.data?.size, stale.current?.deleted], [2, 1, false]);
    assert.equal(stale.current?.last_operation_id, first.operation_id);
    const { conflict_type, server_version, client_version, last_modified_by } = stale.error?.details ?? {};
    assert.deepEqual([conflict_type, server_version, client_version, last_modified_by], ["version_mismatch", 2, 1, "ada"]);
  }),

  serverCase("B2 a base by predecessor holds only right after that predecessor", async (world) => {
    const ada = world.client();
    const id = world.id();
    const create = ada.operation({ entity_id: id });
    const second = ada.operation(update(id, { size: 1 }, { base: { after: create.key } }));
    const third = ada.operation(update(id, { size: 2 }, { base: { after: second.key } }));
    const results = await ada.ops([create, second, third]);
    assert.deepEqual(
      results.map(({ version }) => version),
      [1, 2, 3],
    );
    for (const after of [create.key, second.key, world.id()]) {
      assert.equal((await ada.op(update(id, { size: 5 }, { base: { after } }))).outcome, "conflict");
    }
    const elsewhere = ada.operation();
    await ada.ops([elsewhere]);
    const wrongEntity = await ada.op(update(id, { size: 5 }, { base: { after: elsewhere.key } }));
    assert.equal(wrongEntity.error?.details?.conflict_type, "predecessor_unknown");
    assert.equal((await ada.op(update(id, { size: 5 }, { base: { after: third.key } }))).outcome, "applied");
  }),

  serverCase("a predecessor that changed nothing, or was refused, decides as it left things", async (world) => {
    const ada = world.client();
    const id = await device(ada);
    const noop = ada.operation(update(id, { name: "lamp" }));
    const refused = ada.operation(update(id, { name: 1 }));
    await ada.ops([noop]);
    await ada.ops([refused]);
    assert.equal((await ada.op(update(id, { size: 1 }, { base: { after: refused.key } }))).outcome, "conflict");
    assert.equal((await ada.op(update(id, { size: 1 }, { base: { after: noop.key } }))).outcome, "applied");
  }),

  serverCase("B2 creating what exists is a conflict, also when it is equal", async (world) => {
    const ada = world.client();
    const id = await device(ada);
    const again = await ada.op({ entity_id: id });
    assert.deepEqual([...said(again), again.current?.version], [409, "conflict", "CONFLICT", 1]);
    assert.equal(again.error?.details?.conflict_type, "already_exists");
  }),

  serverCase("nothing creates on update, and what was deleted stays deleted", async (world) => {
    const ada = world.client();
    assert.deepEqual(said(await ada.op(update(world.id(), { name: "x" }))), [404, "rejected", "RESOURCE_NOT_FOUND"]);
    assert.deepEqual(said(await ada.op(remove(world.id()))), [404, "rejected", "RESOURCE_NOT_FOUND"]);
    const id = await device(ada);
    const removed = await ada.op(remove(id));
    assert.deepEqual([...said(removed), removed.version, removed.data], [204, "applied", 2, undefined]);
    const late = await ada.op(update(id, { name: "x" }));
    assert.deepEqual(
      [...said(late), late.current],
      [410, "rejected", "GONE", { version: 2, data: null, deleted: true, last_operation_id: late.current?.last_operation_id }],
    );
    assert.deepEqual(said(await ada.op(remove(id))), [410, "rejected", "GONE"]);
    assert.deepEqual(said(await ada.op({ entity_id: id })), [410, "rejected", "GONE"]);
  }),

  serverCase("only a creation that knows of the deletion brings an id back", async (world) => {
    const ada = world.client();
    const id = await device(ada);
    const removal = ada.operation(remove(id));
    const back = ada.operation({ entity_id: id, payload: { name: "again" }, base: { after: removal.key } });
    const results = await ada.ops([removal, back]);
    assert.deepEqual(
      results.map(({ outcome, version }) => [outcome, version]),
      [
        ["applied", 2],
        ["applied", 3],
      ],
    );
    await ada.op(remove(id, { base: { version: 3 } }));
    assert.equal((await ada.op({ entity_id: id, base: { version: 3 } })).outcome, "conflict");
    assert.equal((await ada.op({ entity_id: id, base: { version: 4 } })).version, 5);
  }),

  serverCase("B2 a stale delete is a conflict", async (world) => {
    const ada = world.client();
    const id = await device(ada);
    await ada.op(update(id, { size: 1 }));
    assert.equal((await ada.op(remove(id, { base: { version: 1 } }))).outcome, "conflict");
    assert.equal((await ada.op(remove(id, { base: { version: 2 } }))).outcome, "applied");
  }),

  serverCase("invalid documents are refused with field and constraint", async (world) => {
    const ada = world.client();
    const id = await device(ada);
    for (const [payload, field, constraint] of [
      [{ name: 4 }, "name", "invalid_type"],
      [{ unheard: 1 }, "unheard", "unrecognized"],
      [{ id: world.id() }, "id", "immutable"],
    ] as const) {
      const result = await ada.op(update(id, payload));
      assert.deepEqual([...said(result), result.error?.details], [422, "rejected", "VALIDATION_ERROR", { field, constraint }]);
    }
    assert.equal((await ada.op({ payload: {} })).error?.details?.field, "name");
  }),

  serverCase("unknown collections and operations are refused", async (world) => {
    const ada = world.client();
    assert.deepEqual(said(await ada.op({ entity_type: "spaceship" })), [404, "rejected", "RESOURCE_NOT_FOUND"]);
    assert.deepEqual(said(await ada.op({ type: "device.fly" })), [422, "rejected", "VALIDATION_ERROR"]);
    assert.deepEqual(said(await ada.op({ type: "REPLACE" })), [422, "rejected", "VALIDATION_ERROR"]);
  }),

  serverCase("a missing permission is a stored refusal", async (world) => {
    const ada = world.client();
    const refused = await ada.op({ entity_type: "lock", payload: { name: "door" } });
    assert.deepEqual([...said(refused), refused.error?.details], [403, "rejected", "FORBIDDEN", { required_permission: "locks:write" }]);
    assert.equal((await ada.verdict(refused.key)).verdict, "rejected");
    const owner = world.client("eve@home#owner");
    assert.equal((await owner.op({ entity_type: "lock", payload: { name: "door" } })).outcome, "applied");
  }),

  serverCase("a collection that requires versions takes no unconditional change", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.op({ entity_type: "room", entity_id: id, payload: { name: "hall" } });
    const blind = await ada.op(update(id, { name: "attic" }, { entity_type: "room" }));
    assert.deepEqual([...said(blind), blind.current?.version], [428, "conflict", "PRECONDITION_REQUIRED", 1]);
    const seen = await ada.op(update(id, { name: "attic" }, { entity_type: "room", base: { version: 1 } }));
    assert.equal(seen.outcome, "applied");
  }),

  serverCase("what is recorded is never changed", async (world) => {
    const ada = world.client();
    const id = world.id();
    const reading = { entity_type: "reading", entity_id: id, payload: { value: 60 } };
    assert.equal((await ada.op(reading)).outcome, "applied");
    assert.deepEqual(said(await ada.op({ ...reading, type: "UPDATE" })), [403, "rejected", "FORBIDDEN"]);
    assert.deepEqual(said(await ada.op({ ...reading, type: "DELETE" })), [403, "rejected", "FORBIDDEN"]);
    assert.equal((await ada.op(reading)).outcome, "conflict");
  }),

  serverCase("a named operation reads and writes inside its transaction, once", async (world) => {
    const ada = world.client();
    const id = await device(ada);
    const rename = ada.operation({ type: "device.rename", entity_id: id, payload: { name: "torch" } });
    const [result] = await ada.ops([rename]);
    assert.deepEqual([result?.status, result?.outcome, result?.version, result?.data?.name], [200, "applied", 2, "torch"]);
    assert.equal((await ada.ops([rename]))[0]?.replayed, true);
    assert.deepEqual(said(await ada.op({ type: "device.rename", entity_id: id, payload: { name: "torch" } })), [200, "noop"]);
    assert.deepEqual(said(await ada.op({ type: "device.rename", entity_id: id, payload: {} })), [422, "rejected", "VALIDATION_ERROR"]);
    assert.deepEqual(said(await ada.op({ type: "device.rename", payload: { name: "x" } })), [404, "rejected", "RESOURCE_NOT_FOUND"]);
    const stale = await ada.op({ type: "device.rename", entity_id: id, payload: { name: "y" }, base: { version: 1 } });
    assert.equal(stale.outcome, "conflict");
  }),

  serverCase("a named operation may touch several entities in one transaction of the feed", async (world) => {
    const ada = world.client();
    const [left, right] = [world.id(), world.id()];
    const result = await ada.op({ type: "device.pair", entity_id: left, payload: { other: right } });
    assert.deepEqual([...said(result), result.commit_seq], [201, "applied", 2]);
    const { changes } = await ada.changes();
    assert.deepEqual(
      changes.map(({ txn, entity_id }) => [txn, entity_id]),
      [
        [1, left],
        [1, right],
      ],
    );
    const busy = await ada.op({ type: "device.busy", payload: {} });
    assert.deepEqual(said(busy), [409, "conflict", "CONFLICT"]);
  }),

  serverCase("a named operation may delete, leaving a tombstone, or drop, leaving nothing", async (world) => {
    const ada = world.client();
    const [first, second] = [await device(ada), await device(ada)];
    const retire = (entity_id: string, how: string): Promise<OperationResult> =>
      ada.op({ type: "device.retire", entity_id, payload: { how } });
    assert.deepEqual(said(await retire(first, "del")), [204, "applied"]);
    assert.deepEqual(said(await retire(second, "drop")), [200, "applied"]);
    const { changes } = await ada.changes();
    assert.deepEqual(
      changes.slice(2).map(({ op, entity_id, version, txn, data }) => [op, entity_id, version, txn, data === null]),
      [
        ["del", first, 2, 3, true],
        ["put", first, 1, 3, false],
        ["drop", second, 1, 5, true],
        ["put", second, 1, 5, false],
      ],
    );
    assert.deepEqual(said(await ada.op(update(first, { size: 1 }))), [410, "rejected", "GONE"]);
    assert.deepEqual(said(await ada.op(update(second, { size: 1 }))), [404, "rejected", "RESOURCE_NOT_FOUND"]);
    // The reading that it records is there already, and never changes: the whole operation is refused.
    assert.deepEqual(said(await retire(second, "drop")), [409, "conflict", "CONFLICT"]);
    assert.equal((await ada.op({ entity_id: second })).version, 1);
  }),

  serverCase("a batch sees its own earlier operations", async (world) => {
    const ada = world.client();
    const id = world.id();
    const results = await ada.ops([
      ada.operation({ entity_id: id }),
      ada.operation({ type: "device.rename", entity_id: id, payload: { name: "torch" } }),
      ada.operation(remove(id, { base: { version: 2 } })),
    ]);
    assert.deepEqual(
      results.map(({ outcome, commit_seq }) => [outcome, commit_seq]),
      [
        ["applied", 1],
        ["applied", 2],
        ["applied", 3],
      ],
    );
  }),
];
