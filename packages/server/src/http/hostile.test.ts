import { type Json, parseResponseEnvelope, type WireOperation } from "@guardian-sync/protocol";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { memoryStorage } from "../storage/memory.ts";
import { type ContractClient, ContractWorld, type RestAnswer } from "../testing/contract-world.ts";

const world = new ContractWorld(memoryStorage());
const ada = world.client();
const anything = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
const json = { "content-type": "application/json" };
const runs = { numRuns: 300 };

/** Whatever came in: an answer in the envelope, and never a fault of the server. */
function expectSane(answer: RestAnswer): void {
  expect(answer.status).toBeLessThan(500);
  if (answer.text === "") return;
  const parsed = parseResponseEnvelope(JSON.parse(answer.text), (value) => ({ ok: true, value }));
  expect(parsed).toMatchObject({ ok: true });
}

const POSTS = ["/api/v1/sync/ops", "/api/v1/sync/handshake", "/api/v1/devices", "/api/v1/devices/x/rename", "/api/v1/devices/x/ping"];

test("A1 any JSON at all, at any address", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...POSTS), anything, async (path, body) => {
      expectSane(await ada.send({ method: "POST", path, json: body, headers: { ...json, "idempotency-key": world.id() } }));
    }),
    runs,
  );
});

test("A1 any payload in a good envelope", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...POSTS), anything, async (path, payload) => {
      const headers = { ...json, "idempotency-key": world.id() };
      expectSane(await ada.send({ method: "POST", path, json: ada.envelope(payload), headers }));
    }),
    runs,
  );
});

test("A1 a good batch with one member made strange", async () => {
  const members = Object.keys(ada.operation()) as (keyof WireOperation)[];
  const all = [...members, "base", "supersedes", "lane", "depends_on", "group", "op_number", "cancelled", "txn_token"] as const;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...all), anything, fc.constantFrom("global", "entity"), async (member, value, ordering) => {
      const client: ContractClient = world.client();
      const operations = [{ ...client.operation({ op_number: 1 }), [member]: value }, client.operation({ op_number: 2 })];
      expectSane(await client.batch(operations, { ordering }));
    }),
    runs,
  );
});

test("A1 bytes that are no JSON", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...POSTS),
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom("", "gzip", "identity"),
      async (path, body, encoding) => {
        const headers = { ...json, "content-encoding": encoding, "idempotency-key": world.id() };
        expectSane(await ada.send({ method: "POST", path, body, headers }));
      },
    ),
    runs,
  );
});

test("A1 any headers, queries, cursors and page tokens", async () => {
  const names = [
    "if-match",
    "if-none-match",
    "idempotency-key",
    "sync-fence",
    "sync-lease",
    "x-device-id",
    "x-app-version",
    "accept",
    "trace-id",
  ];
  const text = fc.string({ maxLength: 60 });
  const queries = ["cursor", "limit", "page", "entity_types"];
  const paths = ["/api/v1/sync/changes", "/api/v1/sync/snapshot", "/api/v1/devices", "/api/v1/devices/x", "/api/v1/sync/ops/x"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "POST", "PATCH", "PUT", "DELETE"),
      fc.constantFrom(...paths),
      fc.dictionary(fc.constantFrom(...names), text),
      fc.dictionary(
        fc.constantFrom(...queries),
        fc.oneof(
          text,
          text.map((rest) => `c1:${rest}`),
          text.map((rest) => `p1:${rest}`),
        ),
      ),
      async (method, path, headers, query) => {
        expectSane(await ada.send({ method, path, query, headers, ...(method === "GET" ? {} : { json: ada.envelope({}) }) }));
      },
    ),
    runs,
  );
});

test("and the server still does its work", async () => {
  expect((await world.client().op({})).outcome).toBe("applied");
  expect(world.faults.filter((fault) => !(fault instanceof Error && fault.message === "secret inside"))).toEqual([]);
});
