/** The REST face: the same ledger and the same rules in the words of HTTP. */
import assert from "node:assert/strict";
import { type JsonObject, REPLAY_WINDOW_MS } from "@guardian-sync/protocol";
import { serverCase } from "./contract-case.ts";
import type { RestAnswer } from "./contract-world.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

const said = ({ status, error }: RestAnswer): unknown[] => [status, error?.code];
const currentOf = ({ error }: RestAnswer): JsonObject => error?.details?.current as JsonObject;

export const restCases: readonly ContractCase<OpenStorage>[] = [
  serverCase("B1 POST creates with the client's id, once for its key", async (world) => {
    const ada = world.client();
    const [id, key] = [world.id(), world.id()];
    const first = await ada.rest("POST", "devices", { key, payload: { id, name: "lamp" } });
    assert.deepEqual(
      [first.status, first.headers.Location, first.headers.ETag, first.headers["Idempotent-Replayed"]],
      [201, `/api/v1/devices/${id}`, '"v1"', undefined],
    );
    assert.deepEqual([first.data?.id, first.data?.version], [id, 1]);
    const again = await ada.rest("POST", "devices", { key, payload: { id, name: "lamp" } });
    assert.deepEqual([again.status, again.headers["Idempotent-Replayed"], again.data], [201, "true", first.data]);
    const other = await ada.rest("POST", "devices", { key, payload: { id, name: "else" } });
    assert.deepEqual(said(other), [422, "IDEMPOTENCY_MISMATCH"]);
    assert.equal((await ada.changes()).head_seq, 1);
  }),

  serverCase("POST without an id takes the key for one, so that a repetition finds the same entity", async (world) => {
    const ada = world.client();
    const key = world.id();
    const first = await ada.rest("POST", "devices", { key, payload: { name: "lamp" } });
    assert.equal(first.headers.Location, `/api/v1/devices/${key}`);
    world.timer.advance(REPLAY_WINDOW_MS + 1);
    const late = await ada.rest("POST", "devices", { key, payload: { name: "lamp" } });
    assert.deepEqual([late.status, late.data, late.headers.ETag], [201, { id: key, version: 1, commit_seq: 1 }, '"v1"']);
  }),

  serverCase("a write without a key, or with a malformed one, is 400; upper case and quotes are fine", async (world) => {
    const ada = world.client();
    for (const key of [null, "", "1", world.id().slice(1), "00000000-0000-1000-8000-000000000000"]) {
      const answer = await ada.rest("POST", "devices", { key, payload: { name: "lamp" } });
      assert.deepEqual([...said(answer), answer.error?.details?.field], [400, "VALIDATION_ERROR", "Idempotency-Key"]);
    }
    const key = world.id();
    await ada.rest("POST", "devices", { key, payload: { name: "lamp" } });
    const quoted = await ada.rest("POST", "devices", { key: `"${key.toUpperCase()}"`, payload: { name: "lamp" } });
    assert.equal(quoted.headers["Idempotent-Replayed"], "true");
  }),

  serverCase("B1 both faces share one ledger", async (world) => {
    const ada = world.client();
    const create = ada.operation();
    await ada.ops([create]);
    const rest = await ada.rest("POST", "devices", { key: create.key, payload: { id: create.entity_id, name: "lamp" } });
    assert.deepEqual([rest.status, rest.headers["Idempotent-Replayed"]], [201, "true"]);
    const key = world.id();
    await ada.rest("PATCH", `devices/${create.entity_id}`, { key, payload: { size: 1, version: 1 } });
    const update = { key, type: "UPDATE", entity_id: create.entity_id, payload: { size: 1 }, base: { version: 1 } };
    assert.equal((await ada.op(update)).replayed, true);
  }),

  serverCase("a cancelled key is refused on the REST face too", async (world) => {
    const ada = world.client();
    const key = world.id();
    await ada.cancel(key);
    const late = await ada.rest("POST", "devices", { key, payload: { name: "lamp" } });
    assert.deepEqual([...said(late), late.error?.details?.conflict_type], [409, "CONFLICT", "cancelled"]);
  }),

  serverCase("PATCH merges deeply and null removes, PUT replaces the client's fields", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.rest("POST", "devices", { payload: { id, name: "lamp", size: 1, settings: { a: 1, b: { c: 2 } } } });
    const patched = await ada.rest("PATCH", `devices/${id}`, { payload: { size: null, settings: { b: { c: null, d: 3 } } } });
    assert.deepEqual([patched.status, patched.headers.ETag], [200, '"v2"']);
    const { settings, size } = patched.data ?? {};
    assert.deepEqual([settings, size], [{ a: 1, b: { d: 3 } }, undefined]);
    const put = await ada.rest("PUT", `devices/${id}`, { payload: { name: "torch" } });
    assert.deepEqual([put.data?.name, put.data?.settings, put.data?.version], ["torch", undefined, 3]);
    const same = await ada.rest("PUT", `devices/${id}`, { payload: { name: "torch" } });
    assert.deepEqual([same.status, same.headers.ETag], [200, '"v3"']);
    assert.equal((await ada.rest("PUT", `devices/${id}`, { payload: {} })).status, 422);
  }),

  serverCase("GET answers the document with its ETag, and 304 to who has it", async (world) => {
    const ada = world.client();
    const id = world.id();
    const created = await ada.rest("POST", "devices", { payload: { id, name: "lamp" } });
    const read = await ada.rest("GET", `devices/${id}`);
    assert.deepEqual([read.status, read.headers.ETag, read.data], [200, '"v1"', created.data]);
    for (const tag of ['"v1"', 'W/"v1"', '"v7", "v1"', "*"]) {
      const fresh = await ada.rest("GET", `devices/${id}`, { headers: { "if-none-match": tag } });
      assert.deepEqual([fresh.status, fresh.text, fresh.headers.ETag], [304, "", '"v1"']);
    }
    assert.equal((await ada.rest("GET", `devices/${id}`, { headers: { "if-none-match": '"v2"' } })).status, 200);
    assert.equal((await world.client("eve@cabin").rest("GET", `devices/${id}`)).status, 404);
  }),

  serverCase("missing is 404, deleted is 410, for every method", async (world) => {
    const ada = world.client();
    const [never, id] = [world.id(), world.id()];
    await ada.rest("POST", "devices", { payload: { id, name: "lamp" } });
    const removed = await ada.rest("DELETE", `devices/${id}`);
    assert.deepEqual([removed.status, removed.text], [204, ""]);
    for (const [method, payload] of [["GET"], ["PATCH", { size: 1 }], ["PUT", { name: "x" }], ["DELETE"]] as const) {
      const more = payload === undefined ? {} : { payload };
      const missing = await ada.rest(method, `devices/${never}`, more);
      assert.deepEqual(
        [...said(missing), missing.error?.details],
        [404, "RESOURCE_NOT_FOUND", { resource_type: "device", resource_id: never }],
      );
      assert.deepEqual(said(await ada.rest(method, `devices/${id}`, more)), [410, "GONE"]);
    }
    assert.deepEqual(said(await ada.rest("POST", "devices", { payload: { id, name: "x" } })), [410, "GONE"]);
  }),

  serverCase("B2 a stale If-Match is 412, a stale version in the payload 409, both with what is there", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.rest("POST", "devices", { payload: { id, name: "lamp" } });
    await ada.rest("PATCH", `devices/${id}`, { payload: { size: 1 } });
    for (const method of ["PATCH", "PUT", "DELETE"]) {
      const payload = { name: "stale" };
      const failed = await ada.rest(method, `devices/${id}`, { payload, headers: { "if-match": '"v1"' } });
      assert.deepEqual(said(failed), [412, "PRECONDITION_FAILED"]);
      assert.deepEqual([failed.error?.details?.current_etag, failed.error?.details?.provided_etag], ['"v2"', '"v1"']);
      assert.deepEqual([currentOf(failed).version, (currentOf(failed).data as JsonObject).size], [2, 1]);
      const conflict = await ada.rest(method, `devices/${id}`, { payload: { ...payload, version: 1 } });
      assert.deepEqual([...said(conflict), conflict.error?.details?.conflict_type], [409, "CONFLICT", "version_mismatch"]);
      assert.equal(currentOf(conflict).version, 2);
    }
    for (const tag of ['"v2"', "*", '"v1", "v2"']) {
      const key = world.id();
      const done = await ada.rest("PATCH", `devices/${id}`, { key, payload: { size: 1 }, headers: { "if-match": tag } });
      assert.equal(done.status, 200, tag);
    }
    assert.equal((await ada.rest("PATCH", `devices/${id}`, { payload: {}, headers: { "if-match": 'W/"v2"' } })).status, 412);
    assert.equal((await ada.rest("PATCH", `devices/${id}`, { payload: {}, headers: { "if-match": "v2" } })).status, 400);
    assert.equal((await ada.rest("PATCH", `devices/${id}`, { payload: { version: "2" } })).status, 422);
    assert.equal((await ada.rest("DELETE", `devices/${id}`, { headers: { "if-match": '"v2"' } })).status, 204);
  }),

  serverCase("a refused precondition is not stored: the key is free to be used again", async (world) => {
    const ada = world.client();
    const [id, key] = [world.id(), world.id()];
    await ada.rest("POST", "devices", { payload: { id, name: "lamp" } });
    await ada.rest("PATCH", `devices/${id}`, { key, payload: { size: 1 }, headers: { "if-match": '"v9"' } });
    assert.equal((await ada.verdict(key)).verdict, "unknown");
  }),

  serverCase("a collection that requires versions answers 428 to those who name none", async (world) => {
    const ada = world.client();
    const id = world.id();
    await ada.rest("POST", "rooms", { payload: { id, name: "hall" } });
    assert.deepEqual(said(await ada.rest("PATCH", `rooms/${id}`, { payload: { name: "x" } })), [428, "PRECONDITION_REQUIRED"]);
    assert.deepEqual(said(await ada.rest("DELETE", `rooms/${id}`)), [428, "PRECONDITION_REQUIRED"]);
    const payload = { name: "attic" };
    assert.equal((await ada.rest("PATCH", `rooms/${id}`, { payload, headers: { "if-match": '"v1"' } })).status, 200);
  }),

  serverCase("a list comes in pages by id", async (world) => {
    const ada = world.client();
    const ids = Array.from({ length: 5 }, () => world.id()).toSorted();
    for (const id of ids) await ada.rest("POST", "devices", { payload: { id, name: "lamp" } });
    await ada.rest("DELETE", `devices/${ids[1]}`);
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const query: { [name: string]: string } = { limit: "2", ...(typeof cursor === "string" ? { cursor } : {}) };
      const page = await ada.send({ path: "/api/v1/devices", query });
      seen.push(...((page.data?.items ?? []) as JsonObject[]).map(({ id }) => id));
      cursor = page.data?.next_cursor;
    } while (cursor !== undefined);
    assert.deepEqual(seen, [ids[0], ids[2], ids[3], ids[4]]);
    for (const query of [{ limit: "0" }, { limit: "x" }, { cursor: "nonsense" }, { cursor: "l1:%zz" }] as const) {
      assert.equal((await ada.send({ path: "/api/v1/devices", query })).status, 400);
    }
  }),

  serverCase("a named operation has its own route, its path parameters in the input", async (world) => {
    const ada = world.client();
    const [id, key] = [world.id(), world.id()];
    await ada.rest("POST", "devices", { payload: { id, name: "lamp" } });
    const renamed = await ada.rest("POST", `devices/${id}/rename`, { key, payload: { name: "torch" } });
    assert.deepEqual([renamed.status, renamed.data?.name, renamed.headers.ETag], [200, "torch", '"v2"']);
    const byName = { key, type: "device.rename", entity_id: id, payload: { name: "torch", device_id: id } };
    assert.equal((await ada.op(byName)).replayed, true);
    assert.equal((await ada.rest("POST", `devices/${id}/rename`, { key: null, payload: { name: "x" } })).status, 400);
    assert.equal((await ada.rest("POST", `devices/${world.id()}/rename`, { payload: { name: "x" } })).status, 404);
  }),

  serverCase("a best-effort route needs no key and remembers nothing; with a key it is remembered", async (world) => {
    const ada = world.client();
    const id = world.id();
    const ping = async (key: string | null): Promise<unknown> => {
      world.timer.advance(1000);
      return (await ada.rest("POST", `devices/${id}/ping`, { key, payload: {} })).data?.version;
    };
    assert.deepEqual([await ping(null), await ping(null)], [1, 2]);
    const key = world.id();
    assert.deepEqual([await ping(key), await ping(key)], [3, 3]);
  }),

  serverCase("what is recorded offers no method to change it", async (world) => {
    const ada = world.client();
    const id = world.id();
    const created = await ada.rest("POST", "health/readings", { payload: { id, value: 60 } });
    assert.deepEqual([created.status, created.headers.Location], [201, `/api/v1/health/readings/${id}`]);
    for (const method of ["PATCH", "PUT", "DELETE"]) {
      const answer = await ada.rest(method, `health/readings/${id}`, { payload: { value: 1 } });
      assert.deepEqual([answer.status, answer.headers.Allow], [405, "GET"]);
    }
    assert.equal((await ada.rest("GET", `health/readings/${id}`)).data?.value, 60);
  }),

  serverCase("a fence on the REST face guards as on the sync face", async (world) => {
    const ada = world.client();
    const headers = { "sync-fence": "3", "sync-lease": ada.lease };
    const write = (more: { readonly [name: string]: string }): Promise<RestAnswer> =>
      ada.rest("POST", "devices", { payload: { name: "lamp" }, headers: more });
    assert.equal((await write(headers)).status, 201);
    assert.deepEqual(said(await write({ ...headers, "sync-fence": "2" })), [409, "STALE_FENCE"]);
    assert.deepEqual(said(await write({ ...headers, "sync-lease": world.id() })), [409, "CLIENT_FORKED"]);
    assert.equal((await write({})).status, 201);
    for (const bad of [
      { "sync-fence": "x", "sync-lease": ada.lease },
      { "sync-fence": "3" },
      { "sync-lease": ada.lease },
      { "x-device-id": "me" },
    ] as const) {
      assert.equal((await write(bad as never)).status, 400);
    }
  }),

  serverCase("unknown collections and ids that are none are refused", async (world) => {
    const ada = world.client();
    for (const path of ["spaceships", "spaceships/1", "devices/a/b/c", "sync/nothing", ""]) {
      assert.deepEqual(said(await ada.rest("GET", path)), [404, "RESOURCE_NOT_FOUND"], path);
    }
    assert.deepEqual(said(await ada.rest("POST", "devices", { payload: { id: 5, name: "x" } })), [422, "VALIDATION_ERROR"]);
    assert.deepEqual(said(await ada.rest("POST", "devices", { payload: { id: "x".repeat(300), name: "x" } })), [422, "VALIDATION_ERROR"]);
    assert.equal((await ada.rest("PATCH", "devices", { payload: {} })).status, 405);
  }),
];
