import type { Json, Verdict } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { askBeforeFailing, contains, type EndInput, endByLook, endByVerdict } from "./verdict.ts";

const KEY = "11111111-1111-4111-8111-111111111111";
const KNOWN_SINCE = Date.parse("2026-01-01T00:00:00.000Z");
const verdict = (name: Verdict["verdict"], status?: number): Verdict => ({
  key: KEY,
  verdict: name,
  known_since: "2026-01-01T00:00:00.000Z",
  ...(status === undefined ? {} : { result: { key: KEY, status, outcome: "rejected" } }),
});

describe("before an operation fails", () => {
  const base: EndInput = { why: "rejected", level: 4, canCancel: true, sentBefore: true, fromLedger: false };
  test.each<[string, Partial<EndInput>, string]>([
    ["X1 a first send that was refused needs no question", { sentBefore: false }, "none"],
    ["X1 the ledger's own refusal needs no question", { fromLedger: true }, "none"],
    ["X1 a refusal after an earlier send asks, and shuts out delayed copies", {}, "cancel"],
    ["X1 without cancel the ledger is asked", { canCancel: false }, "ledger"],
    ["X1 a backend that cannot say is looked at", { level: 3 }, "get_compare"],
    ["X1 after the last try the key is cancelled", { why: "exhausted" }, "cancel"],
    ["X1 even when it was sent only once", { why: "exhausted", sentBefore: false }, "cancel"],
    ["X1 exhausted without cancel", { why: "exhausted", canCancel: false }, "ledger"],
    ["X1 exhausted below level 4", { why: "exhausted", level: 0 }, "get_compare"],
  ])("%s", (_title, more, question) => {
    expect(askBeforeFailing({ ...base, ...more })).toBe(question);
  });
});

describe("the ledger's answer", () => {
  const rejected = { why: "rejected", code: "FORBIDDEN" } as const;
  const exhausted = { why: "exhausted", code: "INTERNAL_ERROR" } as const;
  const fresh = KNOWN_SINCE + 1000;
  const old = KNOWN_SINCE - 1;
  const end = (event: string, code: string | null): unknown => ({ kind: "end", event, code });

  test.each([
    ["applied", rejected, fresh, end("applied", null)],
    ["applied", exhausted, old, end("applied", null)],
    ["rejected", rejected, fresh, end("reject", "FORBIDDEN")],
    ["rejected", exhausted, fresh, end("reject", "REQUEST_REJECTED")],
    ["cancelled", rejected, fresh, end("reject", "FORBIDDEN")],
    ["cancelled", exhausted, fresh, end("reject", "RETRIES_EXHAUSTED")],
    ["cancelled", exhausted, old, end("park", "OUTCOME_UNKNOWN")],
    ["cancelled", exhausted, 0, end("park", "OUTCOME_UNKNOWN")],
    ["unknown", rejected, old, end("park", "OUTCOME_UNKNOWN")],
    ["unknown", exhausted, old, end("park", "OUTCOME_UNKNOWN")],
    ["unknown", rejected, fresh, end("reject", "FORBIDDEN")],
  ] as const)("X1 %s after %j", (name, cause, firstSendAt, expected) => {
    for (const question of ["ledger", "cancel"] as const)
      expect(endByVerdict(cause, verdict(name), firstSendAt, question)).toEqual(expected);
  });
  test("X1 unknown within the ledger's memory: with a marker it ends, without one a delayed copy may still arrive", () => {
    expect(endByVerdict(exhausted, verdict("unknown"), fresh, "cancel")).toEqual(end("reject", "RETRIES_EXHAUSTED"));
    expect(endByVerdict(exhausted, verdict("unknown"), fresh, "ledger")).toEqual(end("park", "OUTCOME_UNKNOWN"));
  });
  test("X1 a stored refusal tells its kind", () => {
    expect(endByVerdict(exhausted, verdict("rejected", 422), fresh, "ledger")).toEqual(end("reject", "VALIDATION_ERROR"));
    expect(endByVerdict(exhausted, verdict("rejected", 403), fresh, "ledger")).toEqual(end("reject", "REQUEST_REJECTED"));
  });
  test("X1 no answer: the origin is failing, and nothing moves", () => {
    expect(endByVerdict(exhausted, undefined, fresh, "cancel")).toEqual({ kind: "origin_failing" });
    expect(endByLook("UPDATE", {}, undefined)).toEqual({ kind: "origin_failing" });
  });
  test("X1 a memory of unknown length counts as none", () => {
    expect(endByVerdict(rejected, { ...verdict("unknown"), known_since: "soon" }, fresh, "ledger")).toEqual(end("park", "OUTCOME_UNKNOWN"));
  });
});

describe("get and compare", () => {
  const found = (document: Json) => ({ kind: "found", document }) as const;
  const gone = { kind: "gone" } as const;
  const applied = { kind: "end", event: "applied", code: null };
  const unknown = { kind: "end", event: "park", code: "OUTCOME_UNKNOWN" };
  test.each([
    ["DELETE", null, gone, applied],
    ["DELETE", null, found({ id: 1 }), unknown],
    ["UPDATE", { name: "x" }, found({ id: 1, name: "x", version: 9 }), applied],
    ["UPDATE", { name: "x" }, found({ id: 1, name: "y" }), unknown],
    ["UPDATE", { name: "x" }, found({ id: 1 }), unknown],
    ["UPDATE", { name: "x" }, gone, unknown],
    ["UPDATE", { name: null }, found({ id: 1 }), applied],
    ["UPDATE", { name: null }, found({ id: 1, name: null }), applied],
    ["CREATE", { a: { b: [1, { c: 2 }] } }, found({ a: { b: [1, { c: 2 }] }, more: 1 }), applied],
    ["CREATE", { a: { b: 1, c: 2 } }, found({ a: { c: 2, b: 1 } }), applied],
    ["CREATE", { a: { b: 1 } }, found({ a: { b: 1, c: 2 } }), unknown],
    ["CREATE", { a: 1 }, found([1]), unknown],
    ["CREATE", "text", found({ a: 1 }), unknown],
    ["CREATE", { toString: 1 }, found({}), unknown],
  ] as const)("X1 %s of %j, seen %j", (type, sent, look, expected) => {
    expect(endByLook(type, sent as Json, look)).toEqual(expected);
  });
  test("X1 a document contains itself, and itself with more", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.jsonValue()), (document) => {
        expect(contains({ ...document, Extra: 1 } as Json, document as Json)).toBe(true);
      }),
    );
  });
});
