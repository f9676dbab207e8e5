import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { inspectDocument, inspectPayload } from "./inspect-json.ts";
import { parseRequestEnvelope, parseResponseEnvelope } from "./parse-envelope.ts";
import { parseOpsRequest } from "./parse-ops-request.ts";
import { parseOpsResponse } from "./parse-ops-response.ts";
import { parsePendingOp } from "./pending-op.ts";

interface Case {
  readonly why: string;
  readonly value: unknown;
  /** Where it is refused; absent when it is good. */
  readonly path?: string;
}
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8"));
const envelopes = read("envelopes.json") as {
  requests: Case[];
  ops_requests: (Case & { operations?: string[] })[];
  responses: Case[];
  ops_responses: Case[];
  expected: { echo: { trace_id: string }; keys: string[] };
};

describe("request envelopes", () => {
  test.each(envelopes.requests)("$why", ({ value, path }) => {
    const parsed = parseRequestEnvelope(value, inspectPayload);
    expect(parsed.ok ? undefined : parsed.path).toBe(path);
  });

  test("keep what is known, drop what is not", () => {
    const value = { meta: { ...META, attempts: { [KEY]: 2, bad: 1, [KEY_2]: -1 }, extra: 1 }, payload: { a: 1 }, extra: 2 };
    const parsed = parseRequestEnvelope(value, inspectPayload);
    expect(parsed).toEqual({ ok: true, value: { meta: { ...META, attempts: { [KEY]: 2 } }, payload: { a: 1 } } });
  });
});

describe("batches", () => {
  test.each(envelopes.ops_requests)("$why", ({ value, path, operations }) => {
    const parsed = parseRequestEnvelope(value, parseOpsRequest);
    expect(parsed.ok ? undefined : parsed.path).toBe(path);
    if (parsed.ok) expect(parsed.value.payload.operations.map((op) => (op.ok ? "ok" : op.path))).toEqual(operations);
  });

  test("a refused operation still names its key, when that can be read", () => {
    const { value } = envelopes.ops_requests.find(({ why }) => why.startsWith("a malformed one"))!;
    const parsed = parseRequestEnvelope(value, parseOpsRequest);
    expect(parsed.ok && parsed.value.payload.operations[1]).toMatchObject({ ok: false, key: KEY_2 });
  });

  test("have at most 500 operations", () => {
    const operations = Array.from({ length: 501 }, () => ({}));
    const parsed = parseOpsRequest({ ordering: "entity", fence: 1, lease: KEY, operations });
    expect(parsed).toMatchObject({ ok: false, code: "PAYLOAD_TOO_LARGE" });
    expect(parseOpsRequest({ ordering: "entity", fence: 1, lease: KEY, operations: operations.slice(1) }).ok).toBe(true);
  });

  test("an operation is read member by member: nothing unknown passes, a delete may have no payload", () => {
    const { value } = envelopes.ops_requests[0]!;
    const parsed = parseRequestEnvelope(value, parseOpsRequest);
    const second = parsed.ok ? parsed.value.payload.operations[1] : undefined;
    expect(second).toMatchObject({
      ok: true,
      value: { type: "DELETE", payload: null, base: { after: KEY }, lane: "devices", group: "g-1" },
    });
    expect(second?.ok === true && "later" in second.value).toBe(false);
  });
});

describe("response envelopes", () => {
  test.each(envelopes.responses)("$why", ({ value, path }) => {
    const parsed = parseResponseEnvelope(value, inspectDocument, envelopes.expected.echo);
    expect(parsed.ok ? undefined : parsed.path).toBe(path);
  });

  test("the token must come back too, and nobody checks an echo that nobody expects", () => {
    const value = { meta: { ...META, txn_token: "txn-1" }, data: {} };
    const trace_id = META.trace_id;
    expect(parseResponseEnvelope(value, inspectDocument, { trace_id, txn_token: "txn-1" }).ok).toBe(true);
    expect(parseResponseEnvelope(value, inspectDocument, { trace_id, txn_token: "txn-2" }).ok).toBe(false);
    expect(parseResponseEnvelope({ meta: META, data: {} }, inspectDocument, { trace_id, txn_token: "txn-1" }).ok).toBe(false);
    expect(parseResponseEnvelope(value, inspectDocument).ok).toBe(true);
  });

  test("details that cannot be trusted go, the verdict stays", () => {
    const error = { code: "CONFLICT", message: "m".repeat(5000), details: JSON.parse('{"__proto__":{"a":1}}') as unknown };
    const parsed = parseResponseEnvelope({ meta: META, error }, inspectDocument);
    expect(parsed).toEqual({ ok: true, value: { meta: META, error: { code: "CONFLICT", message: "m".repeat(4096) } } });
  });
});

describe("batch answers", () => {
  test.each(envelopes.ops_responses)("$why", ({ value, path }) => {
    const parsed = parseOpsResponse(value, envelopes.expected.keys);
    expect(parsed.ok ? undefined : parsed.path).toBe(path);
    if (parsed.ok) expect(parsed.value.results.map(({ key }) => key)).toEqual(envelopes.expected.keys);
  });
});

describe("pending operations", () => {
  test.each(["pending_op_valid.json", "pending_op_retry_after.json"])("%s is one", (name) => {
    const value = read(name);
    expect(parsePendingOp(value)).toEqual({ ok: true, value });
  });

  test.each(read("pending_op_corrupt.json") as Case[])("corrupt: $why", ({ value, path }) => {
    expect(parsePendingOp(value)).toMatchObject({ ok: false, path });
  });

  test("what its form does not know is dropped", () => {
    const value = read("pending_op_valid.json") as object;
    expect(parsePendingOp({ ...value, password: "hunter2" })).toEqual({ ok: true, value });
  });
});

const KEY = "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30";
const KEY_2 = "e4a81d52-7c3f-4b06-a1d9-5f2e8c6b0d74";
const META = { trace_id: "5d0a2c7b-4e19-4f6d-8a3c-71b9e2d40c58", timestamp: "2025-11-22T09:15:31.000Z" };
