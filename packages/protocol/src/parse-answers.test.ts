import { describe, expect, test } from "vitest";
import type { ChangesPage, HandshakeResponse, SnapshotPage } from "./messages.ts";
import { readBody } from "./parse-body.ts";
import { parseProblem, problemOf } from "./parse-error.ts";
import { parseChangesPage, parseSnapshotPage } from "./parse-feed.ts";
import { parseHandshakeRequest, parseHandshakeResponse } from "./parse-handshake.ts";
import { parseVerdict } from "./parse-verdict.ts";
import type { Parsed } from "./parsed.ts";

const KEY = "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30";
const AT = "2025-11-22T09:15:31.000Z";
const pathOf = (parsed: Parsed<unknown>): string | undefined => (parsed.ok ? undefined : parsed.path);

describe("handshake", () => {
  const response: HandshakeResponse = {
    protocol: { min: 1, max: 1 },
    idempotency: { honoured: true, replay_window_s: 86_400, key_window_s: 7_776_000 },
    batch: { max_operations: 500, max_bytes: 1_048_576 },
    operations: ["device.rename"],
    collections: { device: "devices" },
    feed: { changes: true, snapshot: true, max_wait_s: 25 },
    realtime: { socket: true },
    cancel: true,
    server_time: AT,
    generation: "g1",
    account: { space: "t1", principal: "u1" },
  };

  test("an answer is read whole, and what it adds later is ignored", () => {
    expect(parseHandshakeResponse({ ...response, later: true })).toEqual({ ok: true, value: response });
  });

  test.each<[string, unknown]>([
    ["protocol.max", { ...response, protocol: { min: 2, max: 1 } }],
    ["protocol.min", { ...response, protocol: { min: 0, max: 1 } }],
    ["idempotency.honoured", { ...response, idempotency: { ...response.idempotency, honoured: "yes" } }],
    ["batch.max_operations", { ...response, batch: { max_operations: 0, max_bytes: 1 } }],
    ["operations[1]", { ...response, operations: ["a", 2] }],
    ["collections.device", { ...response, collections: { device: "../admin" } }],
    ["collections.device", { ...response, collections: { device: ".." } }],
    ["collections", { ...response, collections: JSON.parse('{"__proto__":"devices"}') as unknown }],
    ["feed", { ...response, feed: null }],
    ["realtime.socket", { ...response, realtime: {} }],
    ["server_time", { ...response, server_time: "now" }],
    ["account.principal", { ...response, account: { space: "t1" } }],
    ["", "hello"],
  ])("refused at %j", (path, value) => {
    expect(pathOf(parseHandshakeResponse(value))).toBe(path);
  });

  test("a request needs only the versions it speaks", () => {
    expect(parseHandshakeRequest({ protocol: { min: 1, max: 2 } }).ok).toBe(true);
    const full = { protocol: { min: 1, max: 1 }, app_version: "1.2.3", client_id: KEY, account: { space: "t", principal: "p" } };
    expect(parseHandshakeRequest(full)).toEqual({ ok: true, value: full });
    expect(pathOf(parseHandshakeRequest({ ...full, client_id: "phone" }))).toBe("client_id");
    expect(pathOf(parseHandshakeRequest({}))).toBe("protocol");
  });
});

describe("feed", () => {
  const change = { seq: 11, txn: 5, op: "put" as const, entity_type: "device", entity_id: "d1", version: 2, data: { id: "d1" } };
  const origin = { client_id: KEY, operation_id: null };
  const page: ChangesPage = {
    from_seq: 10,
    to_seq: 14,
    head_seq: 20,
    generation: "g1",
    cursor: "opaque",
    has_more: true,
    complete: true,
    changes: [
      { ...change, origin },
      { ...change, seq: 14, op: "del", data: null, origin },
    ],
  };

  test("a page is read, holes and all; origin and the data of a deletion may be absent", () => {
    expect(parseChangesPage(page)).toEqual({ ok: true, value: page });
    const bare = { ...page, changes: [{ ...change, op: "drop", data: undefined }] };
    expect(parseChangesPage(bare)).toMatchObject({
      ok: true,
      value: { changes: [{ op: "drop", data: null, origin: { client_id: null, operation_id: null } }] },
    });
  });

  test.each<[string, unknown]>([
    ["changes[1].seq", { ...page, changes: [page.changes[1], page.changes[0]] }],
    ["changes[1].seq", { ...page, changes: [page.changes[0], page.changes[0]] }],
    ["changes[0].seq", { ...page, from_seq: 11 }],
    ["changes", { ...page, to_seq: 13 }],
    ["changes", { ...page, to_seq: 9, changes: [] }],
    ["changes[0].data", { ...page, changes: [{ ...change, data: null, origin }] }],
    ["changes[0].data.__proto__", { ...page, changes: [{ ...change, data: JSON.parse('{"__proto__":1}') as unknown, origin }] }],
    ["changes[0].op", { ...page, changes: [{ ...change, op: "upsert", origin }] }],
    ["cursor", { ...page, cursor: "" }],
    ["has_more", { ...page, has_more: 1 }],
    ["generation", { ...page, generation: 5 }],
    ["changes", { ...page, changes: Array.from({ length: 10_001 }) }],
  ])("a page is refused at %s", (path, value) => {
    expect(pathOf(parseChangesPage(value))).toBe(path);
  });

  test("a snapshot page is read; first and last carry their marks", () => {
    const first: SnapshotPage = {
      generation: "g1",
      as_of: 5,
      cursor: "c",
      next_page: "p2",
      items: [{ entity_type: "d", entity_id: "1", version: 1, seq: 3, data: {} }],
    };
    const last: SnapshotPage = { generation: "g1", until: 9, cursor: "c", items: [] };
    for (const value of [first, last]) expect(parseSnapshotPage(value)).toEqual({ ok: true, value });
    expect(pathOf(parseSnapshotPage({ ...first, items: [{ ...first.items[0], data: [] }] }))).toBe("items[0].data");
    expect(pathOf(parseSnapshotPage({ ...first, as_of: -1 }))).toBe("as_of");
  });
});

describe("verdict", () => {
  const verdict = {
    key: KEY,
    verdict: "applied",
    known_since: AT,
    result: { key: KEY, status: 200, outcome: "applied", version: 2, replayed: true },
  };
  test("is read, for the key that was asked for", () => {
    expect(parseVerdict(verdict, KEY)).toEqual({ ok: true, value: verdict });
    expect(parseVerdict({ key: KEY, verdict: "unknown", known_since: AT, result: null }, KEY).ok).toBe(true);
    expect(pathOf(parseVerdict(verdict, "e4a81d52-7c3f-4b06-a1d9-5f2e8c6b0d74"))).toBe("key");
    expect(pathOf(parseVerdict({ ...verdict, verdict: "maybe" }))).toBe("verdict");
    expect(pathOf(parseVerdict({ ...verdict, known_since: undefined }))).toBe("known_since");
    expect(pathOf(parseVerdict({ ...verdict, result: { ...verdict.result, outcome: "done" } }))).toBe("result.outcome");
  });
});

describe("problem+json", () => {
  test("of ours comes back as it went", () => {
    const error = { code: "VALIDATION_ERROR", message: "name is empty", details: { field: "name" } };
    const document = problemOf(error, 422, KEY);
    expect(document).toMatchObject({ type: "about:blank", status: 422, detail: "name is empty", trace_id: KEY });
    expect(parseProblem(JSON.parse(JSON.stringify(document)), 422)).toEqual({ ok: true, value: error });
  });

  test("of others takes its code from the status of the answer", () => {
    const value = { type: "https://example.com/out-of-credit", title: "Out of credit", status: 200 };
    expect(parseProblem(value, 403)).toEqual({ ok: true, value: { code: "FORBIDDEN", message: "Out of credit" } });
    expect(parseProblem({ ...value, code: "not ours" }, 409)).toMatchObject({ value: { code: "CONFLICT" } });
    expect(parseProblem({}, 200)).toMatchObject({ value: { code: "MALFORMED_RESPONSE", message: "" } });
    expect(parseProblem("no", 400).ok).toBe(false);
  });
});

describe("the first look at a body", () => {
  test.each([
    ["application/json", '{"a":1}', "json"],
    ["application/problem+json; charset=utf-8", '{"title":"x"}', "problem"],
    ["application/problem+json", "[]", "json"],
    ["text/plain", '{"a":1}', "json"],
    [null, '{"a":1}', "json"],
    ["application/json", "1", "json"],
    ["text/plain", "1", "other"],
    ["application/json", '{"a":', "other"],
    ["text/plain", "404 page not found", "other"],
    ["application/json", "<!DOCTYPE html><html>", "html"],
    ["application/json", "\n\n  <HTML>", "html"],
    ["application/xhtml+xml", "<?xml", "html"],
    ["text/html", "hello", "html"],
    ["text/html", "", "empty"],
    ["application/json", " \r\n", "empty"],
  ])("%s %j is %s", (contentType, text, kind) => {
    expect(readBody(contentType, text).kind).toBe(kind);
  });
});
