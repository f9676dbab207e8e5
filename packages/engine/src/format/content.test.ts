import type { EpochMs, IdempotencyKey, OperationId, TraceId } from "@guardian-sync/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeReceipts,
  encodeContent,
  encodeReceipts,
  encodeStateDetail,
  MAX_HISTORY,
  type OperationContent,
  parseAccountDetail,
  parseContent,
  parseStateDetail,
  type Receipt,
} from "./index.ts";

const CONTENT: OperationContent = {
  id: "0199c82c-c000-7000-8000-000000000000" as OperationId,
  type: "UPDATE",
  version: 1,
  entityType: "device",
  entityId: "d1",
  payload: { name: "lamp" },
  key: "00000000-0000-4000-9000-000000000000" as IdempotencyKey,
  traceId: "00000000-0000-4000-a000-000000000000" as TraceId,
  txnToken: "txn-0199c82c-c000-7000-8000-000000000000",
  createdAt: 1_760_000_000_000 as EpochMs,
};

test("Q1 content of any kind comes back as it was, on one line", () => {
  const optional = { requiredKeys: [] as [] };
  const more = fc.record(
    {
      before: fc.jsonValue(),
      base: fc.oneof(fc.record({ version: fc.nat() }), fc.record({ after: fc.string() })),
      lane: fc.string({ unit: "grapheme" }),
      groupId: fc.string(),
      groupPlace: fc.record({ index: fc.nat(), size: fc.nat() }),
      dependsOn: fc.array(fc.string(), { maxLength: 3 }),
      priority: fc.integer(),
      expiresAt: fc.nat(),
      coalesce: fc.constant(false as const),
      txnToken: fc.string(),
      entityId: fc.string({ unit: "binary" }),
    },
    optional,
  );
  fc.assert(
    fc.property(more, fc.jsonValue(), (fields, payload) => {
      const content = { ...CONTENT, ...fields, payload } as OperationContent;
      const line = encodeContent(content);
      expect(line).not.toContain("\n");
      // JSON has no -0.
      expect(parseContent(line)).toEqual(JSON.parse(JSON.stringify(content)));
    }),
  );
});

test("content takes the JSON of its payload from a caller who has it", () => {
  expect(encodeContent(CONTENT, '{"name":"lamp"}')).toBe(encodeContent(CONTENT));
  expect(parseContent(encodeContent({ ...CONTENT, payload: { __proto__: null, a: 1 } })).payload).toEqual({ a: 1 });
});

test("A1 a line that is no content is UNREADABLE, whatever is wrong with it", () => {
  const written = JSON.parse(
    encodeContent({ ...CONTENT, base: { version: 1 }, dependsOn: ["a"], lane: "l", groupPlace: { index: 0, size: 2 } }),
  ) as Record<string, unknown>;
  const unreadable = (line: string): void => expect(() => parseContent(line)).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
  for (const line of ["", "{", "null", "[]", "7", '"text"', "{}"]) unreadable(line);
  for (const name of ["i", "t", "v", "e", "n", "k", "r", "c", "p"]) unreadable(JSON.stringify({ ...written, [name]: undefined }));
  for (const name of ["i", "t", "v", "e", "n", "k", "r", "c", "l", "d", "a", "h"])
    unreadable(JSON.stringify({ ...written, [name]: [[1]] }));
  unreadable(JSON.stringify({ ...written, a: { x: 1 } }));
  expect(parseContent(JSON.stringify({ ...written, later: true })).id).toBe(CONTENT.id);
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const line = JSON.stringify(value) ?? "";
      expect(() => parseContent(line)).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
    }),
  );
});

test("details keep what a later version wrote, and refuse what has another type", () => {
  const account = { space: "s", principal: "p", clientId: "c", nextOpNumber: 3, later: { x: 1 } };
  expect(parseAccountDetail(account)).toEqual(account);
  for (const bad of [null, [], {}, { ...account, nextOpNumber: "3" }, { ...account, pause: 1 }, { ...account, space: null }]) {
    expect(() => parseAccountDetail(bad)).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
  }
  const state = { code: "GONE", later: [1] };
  expect(parseStateDetail(state)).toEqual(state);
  for (const bad of [null, { code: 1 }, { history: {} }, { supersedes: [1] }, { status: "410" }]) {
    expect(() => parseStateDetail(bad)).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
  }
});

test("Q7 the detail of an operation stays small: 20 events, 512 characters of error", () => {
  const history = Array.from({ length: 30 }, (_, at) => ({ at, event: "retried" }));
  const encoded = parseStateDetail(encodeStateDetail({ history, lastError: "x".repeat(600) }));
  expect(encoded.history?.map(({ at }) => at)).toEqual(Array.from({ length: MAX_HISTORY }, (_, i) => i + 10));
  expect(encoded.lastError?.length).toBe(512);
  expect(encodeStateDetail({ code: "GONE" })).toEqual({ code: "GONE" });
});

test("receipts come back as they were; a list that is none is UNREADABLE", () => {
  const receipt: Receipt = { seq: 1, id: "i", key: "k", outcome: "superseded", appliedKey: "a", settledAt: 5 };
  expect(decodeReceipts(encodeReceipts([receipt]))).toEqual([receipt]);
  for (const bad of [null, {}, [1], [{ ...receipt, outcome: "lost" }], [{ ...receipt, seq: "1" }], [{ ...receipt, version: "2" }]]) {
    expect(() => decodeReceipts(bad as never)).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
  }
});
