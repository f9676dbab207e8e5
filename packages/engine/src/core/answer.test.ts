import { type JsonObject, NETWORK_FAILURES, type OperationResult, RESULT_OUTCOMES } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Exchange } from "../ports/index.ts";
import { type Judgement, judgeExchange, judgeResult, type OperationVerdict, type RequestFault, type SentOperation } from "./answer.ts";

const TRACE = "6f1a1e04-9f0e-4c55-8a63-0d8f6a1b2c3d";
const KEY = "11111111-1111-4111-8111-111111111111";
const KEY2 = "22222222-2222-4222-8222-222222222222";
const echo = { trace_id: TRACE };
const meta = { trace_id: TRACE, timestamp: "2026-03-01T12:00:00.000Z" };
const redact = (text: string): string => text.replaceAll("eve@example.com", "[REDACTED_EMAIL]");
const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

function answer(status: number, body: unknown = "", headers: Record<string, string> = JSON_TYPE): Exchange {
  return { kind: "answer", status, headers, body: typeof body === "string" ? body : JSON.stringify(body), elapsedMs: 5 };
}
const error = (code: string, details?: JsonObject): unknown => ({
  meta,
  error: { code, message: "no", ...(details === undefined ? {} : { details }) },
});
const rest = (
  exchange: Exchange,
  type = "UPDATE",
  more: Partial<{ level: 0 | 4; overrides: SentOperation["overrides"] }> = {},
): Judgement =>
  judgeExchange(
    exchange,
    { face: "rest", operation: { key: KEY, type, ...(more.overrides ? { overrides: more.overrides } : {}) }, echo, level: more.level ?? 4 },
    redact,
  );
const sync = (exchange: Exchange, types: readonly string[] = ["UPDATE", "UPDATE"]): Judgement =>
  judgeExchange(exchange, { face: "sync", operations: types.map((type, i) => ({ key: i === 0 ? KEY : KEY2, type })), echo }, redact);
const batch = (...results: unknown[]): unknown => ({ meta, data: { generation: "g1", head_seq: 9, results } });

/** `applied`, `reject VALIDATION_ERROR`, or `! retry INTERNAL_ERROR` for a fault of the request. */
function brief(judgement: Judgement): string {
  if (judgement.kind === "request") return `! ${judgement.step} ${judgement.code}`;
  return judgement.results.map(({ event, code }) => (code === null ? event : `${event} ${code}`)).join(", ");
}
const fault = (judgement: Judgement): RequestFault => {
  if (judgement.kind !== "request") throw new Error(`expected a fault, got ${brief(judgement)}`);
  return judgement;
};
const verdict = (judgement: Judgement): OperationVerdict => {
  if (judgement.kind !== "operations" || judgement.results.length !== 1) throw new Error(`expected one verdict, got ${brief(judgement)}`);
  return judgement.results[0] as OperationVerdict;
};

describe("one operation on the REST face", () => {
  test.each([
    [200, { meta, data: { id: "1" } }, "applied"],
    [201, { meta, data: { id: "1" } }, "applied"],
    [204, "", "applied"],
    [205, "", "applied"],
    [202, { meta, data: {} }, "! confirm NOT_CONFIRMED"],
    [200, { hello: 1 }, "! retry MALFORMED_RESPONSE"],
    [200, "OK", "! retry MALFORMED_RESPONSE"],
    [200, "{", "! retry MALFORMED_RESPONSE"],
    [200, error("VALIDATION_ERROR"), "! retry MALFORMED_RESPONSE"],
    [203, { meta, data: {} }, "! wait LOGIN_REQUIRED"],
    [206, { meta, data: {} }, "! wait LOGIN_REQUIRED"],
    [304, "", "! wait LOGIN_REQUIRED"],
    [407, "", "! wait LOGIN_REQUIRED"],
    [511, "", "! wait LOGIN_REQUIRED"],
    [100, "", "! ignore null"],
    [300, "", "! retry REQUEST_REJECTED"],
    [307, "", "! retry REQUEST_REJECTED"],
    [400, error("VALIDATION_ERROR"), "reject VALIDATION_ERROR"],
    [400, "", "reject VALIDATION_ERROR"],
    [400, error("CLOCK_SKEW"), "! correct_clock CLOCK_SKEW"],
    [415, "", "reject UNSUPPORTED_MEDIA_TYPE"],
    [422, error("VALIDATION_ERROR"), "reject VALIDATION_ERROR"],
    [422, error("IDEMPOTENCY_MISMATCH"), "reject IDEMPOTENCY_MISMATCH"],
    [401, error("UNAUTHORIZED"), "! authenticate UNAUTHORIZED"],
    [419, "", "! authenticate UNAUTHORIZED"],
    [440, "", "! authenticate UNAUTHORIZED"],
    [403, error("FORBIDDEN"), "reject FORBIDDEN"],
    [403, error("PRINCIPAL_MISMATCH"), "! pause PRINCIPAL_MISMATCH"],
    [408, "", "! retry TIMEOUT"],
    [425, "", "! retry TIMEOUT"],
    [409, error("CONFLICT"), "conflict CONFLICT"],
    [409, "", "conflict CONFLICT"],
    [409, error("CONCURRENT_REQUEST"), "! concurrent CONCURRENT_REQUEST"],
    [409, error("OUT_OF_ORDER", { expected: 7 }), "! rewind OUT_OF_ORDER"],
    [409, error("STALE_FENCE"), "! lock_lost STALE_FENCE"],
    [409, error("CLIENT_FORKED"), "! lock_lost CLIENT_FORKED"],
    [412, error("PRECONDITION_FAILED"), "conflict PRECONDITION_FAILED"],
    [428, "", "conflict PRECONDITION_REQUIRED"],
    [413, error("PAYLOAD_TOO_LARGE"), "reject PAYLOAD_TOO_LARGE"],
    [424, error("BLOCKED"), "unseal BLOCKED"],
    [424, error("DEPENDENCY_FAILED"), "unseal DEPENDENCY_FAILED"],
    [424, "", "reject REQUEST_REJECTED"],
    [426, error("CLIENT_TOO_OLD"), "! pause CLIENT_TOO_OLD"],
    [429, error("RATE_LIMITED"), "! rate_limit RATE_LIMITED"],
    [418, "", "reject REQUEST_REJECTED"],
    [451, error("SOMETHING_NEW"), "reject REQUEST_REJECTED"],
    [403, "not json", "! retry MALFORMED_RESPONSE"],
    [500, error("INTERNAL_ERROR"), "! retry INTERNAL_ERROR"],
    [501, "", "! retry INTERNAL_ERROR"],
    [502, "<html>bad gateway</html>", "! retry INTERNAL_ERROR"],
    [504, "", "! retry TIMEOUT"],
    [503, "", "! retry SERVICE_UNAVAILABLE"],
    [599, "", "! retry INTERNAL_ERROR"],
    [600, "", "! retry MALFORMED_RESPONSE"],
  ])("R3 %i %j: %s", (status, body, meaning) => {
    expect(brief(rest(answer(status, body)))).toBe(meaning);
  });

  test.each(["CREATE", "UPDATE", "DELETE", "device.rename"])("R3 404 and 410 for %s", (type) => {
    const meanings: Record<string, readonly string[]> = {
      CREATE: ["reject RESOURCE_NOT_FOUND", "reject GONE"],
      UPDATE: ["conflict RESOURCE_NOT_FOUND", "conflict GONE"],
      DELETE: ["noop", "noop"],
      "device.rename": ["conflict RESOURCE_NOT_FOUND", "conflict GONE"],
    };
    expect([404, 410].map((status) => brief(rest(answer(status, error(status === 404 ? "RESOURCE_NOT_FOUND" : "GONE")), type)))).toEqual(
      meanings[type],
    );
  });

  test.each([200, 302, 400, 403, 404])("R3 a page instead of JSON with %i is a portal or a deploy", (status) => {
    expect(brief(rest(answer(status, "<!doctype html><title>Login</title>", {})))).toBe("! wait LOGIN_REQUIRED");
  });
  test("R3 a redirect to another origin is a portal, whatever its body", () => {
    const portal: Exchange = {
      kind: "answer",
      status: 302,
      headers: { location: "https://login.example" },
      body: "",
      crossOrigin: true,
      elapsedMs: 1,
    };
    expect(brief(rest(portal))).toBe("! wait LOGIN_REQUIRED");
  });

  test("R2 Retry-After travels with the fault; on 503 it makes the wait free", () => {
    const headers = { ...JSON_TYPE, "retry-after": "30" };
    expect(fault(rest(answer(503, "", headers)))).toMatchObject({ step: "wait", burnsAttempt: false, retryAfterMs: 30_000 });
    expect(fault(rest(answer(503, "", { "retry-after": "soon" })))).toMatchObject({ step: "retry", burnsAttempt: true });
    expect(fault(rest(answer(429, "", headers)))).toMatchObject({ step: "rate_limit", retryAfterMs: 30_000, countsForBreaker: false });
    const dated = { date: "Sun, 01 Mar 2026 12:00:00 GMT", "retry-after": "Sun, 01 Mar 2026 12:01:00 GMT" };
    expect(fault(rest(answer(429, "", dated))).retryAfterMs).toBe(60_000);
    expect(fault(rest(answer(429, error("RATE_LIMITED", { retry_after_seconds: 9 })))).retryAfterMs).toBe(9000);
    expect(fault(rest(answer(429, error("RATE_LIMITED", { retry_after_seconds: -9 })))).retryAfterMs).toBeUndefined();
  });

  test("R3 what the table says of an answer is passed on", () => {
    expect(fault(rest(answer(500)))).toMatchObject({
      status: 500,
      errorClass: "ServerException",
      mayHaveHappened: true,
      burnsAttempt: true,
      countsForBreaker: true,
      halve: false,
      chargeIfReachable: false,
    });
    expect(verdict(rest(answer(422, error("VALIDATION_ERROR", { field: "name" }))))).toMatchObject({
      key: KEY,
      status: 422,
      errorClass: "ValidationException",
      fromLedger: false,
      details: { field: "name" },
    });
  });

  test("R3 202 says where to ask", () => {
    expect(fault(rest(answer(202, "", { location: "/jobs/1" }))).location).toBe("/jobs/1");
    expect(fault(rest(answer(500, "", { location: "/jobs/1" }))).location).toBeUndefined();
  });

  test("A1 a success brings document, version and whether it was replayed", () => {
    const headers = { ...JSON_TYPE, etag: '"v7"', "idempotent-replayed": "true" };
    expect(verdict(rest(answer(200, { meta, data: { name: "x" } }, headers)))).toMatchObject({
      event: "applied",
      version: 7,
      etag: '"v7"',
      replayed: true,
      data: { name: "x" },
    });
    expect(verdict(rest(answer(200, { meta, data: { version: 3 } })))).toMatchObject({ version: 3, replayed: false });
    expect(verdict(rest(answer(200, { meta, data: { version: "3" } }))).version).toBeUndefined();
    expect(verdict(rest(answer(200, { meta, data: null }), "DELETE"))).toMatchObject({ event: "applied", data: null });
  });
  test("A1 409 and 412 bring what stands on the server", () => {
    const current = { version: 4, data: { name: "theirs" }, deleted: false };
    expect(verdict(rest(answer(412, error("PRECONDITION_FAILED", { current })))).current).toEqual(current);
    expect(verdict(rest(answer(409, error("CONFLICT", { current: { version: "4" } })))).current).toBeUndefined();
    expect(verdict(rest(answer(409))).current).toBeUndefined();
  });

  test("A1 an answer to another request decides nothing, whatever it says", () => {
    const other = { trace_id: KEY, timestamp: meta.timestamp };
    expect(brief(rest(answer(200, { meta: other, data: {} })))).toBe("! retry MALFORMED_RESPONSE");
    expect(brief(rest(answer(422, { meta: other, error: { code: "VALIDATION_ERROR", message: "" } })))).toBe("! retry MALFORMED_RESPONSE");
    expect(brief(rest(answer(422, { meta: other, error: "broken" })))).toBe("! retry MALFORMED_RESPONSE");
    expect(brief(rest(answer(422, { meta: { ...meta, txn_token: "txn-x" }, error: { code: "VALIDATION_ERROR", message: "" } })))).toBe(
      "! retry MALFORMED_RESPONSE",
    );
    const problem = { status: 422, title: "no", trace_id: KEY };
    expect(brief(rest(answer(422, problem, { "content-type": "application/problem+json" })))).toBe("! retry MALFORMED_RESPONSE");
  });
  test("R3 a damaged error in JSON is judged by its status alone", () => {
    expect(brief(rest(answer(422, { meta, error: { code: "CLOCK_SKEW" }, data: {} })))).toBe("reject VALIDATION_ERROR");
    expect(brief(rest(answer(400, { unrelated: true })))).toBe("reject VALIDATION_ERROR");
  });
  test("R3 problem+json is understood", () => {
    const problem = { type: "about:blank", title: "Conflict", status: 409, detail: "still running", code: "CONCURRENT_REQUEST" };
    const judged = fault(rest(answer(409, problem, { "content-type": "application/problem+json" })));
    expect(judged).toMatchObject({ step: "concurrent", message: "still running" });
    expect(brief(rest(answer(404, { title: "gone" }, { "content-type": "application/problem+json" }), "DELETE"))).toBe("noop");
    expect(brief(rest(answer(400, "7", { "content-type": "application/problem+json" })))).toBe("reject VALIDATION_ERROR");
  });

  test("R3 a route's own rows come first", () => {
    const overrides = [
      {
        name: "teapot",
        when: { kind: "http", statuses: [418] },
        errorClass: "none",
        next: "succeed",
        mayHaveHappened: false,
        burnsAttempt: false,
        countsForBreaker: false,
        code: null,
      },
    ] as const;
    expect(brief(rest(answer(418), "UPDATE", { overrides }))).toBe("applied");
  });

  test("E1 messages are redacted and hold nothing that breaks a line", () => {
    const told = fault(rest(answer(500, { meta, error: { code: "INTERNAL_ERROR", message: "eve@example.com\nfailed" } })));
    expect(told.message).toBe("[REDACTED_EMAIL] failed");
  });
});

describe("a backend without our envelope", () => {
  const foreign = (exchange: Exchange, type = "UPDATE"): Judgement => rest(exchange, type, { level: 0 });
  test.each([
    [200, { id: 1, name: "x" }, "UPDATE", "applied"],
    [201, { id: 1, code: "a field called code" }, "CREATE", "applied"],
    [204, "", "DELETE", "applied"],
    [200, [], "DELETE", "applied"],
    [200, { ok: true }, "device.rename", "applied"],
    [200, [], "UPDATE", "! retry MALFORMED_RESPONSE"],
    [200, "done", "UPDATE", "! retry MALFORMED_RESPONSE"],
    [400, { message: "bad" }, "UPDATE", "reject VALIDATION_ERROR"],
    [404, { error: { code: "not_found" } }, "UPDATE", "conflict RESOURCE_NOT_FOUND"],
    [409, { error: { code: "CONCURRENT_REQUEST", message: "m", details: {} } }, "UPDATE", "! concurrent CONCURRENT_REQUEST"],
    [409, { code: "CONCURRENT_REQUEST" }, "UPDATE", "! concurrent CONCURRENT_REQUEST"],
    [404, "no such page", "UPDATE", "! retry MALFORMED_RESPONSE"],
    [500, { error: "x" }, "UPDATE", "! retry INTERNAL_ERROR"],
  ])("X3 %i %j for %s: %s", (status, body, type, meaning) => {
    expect(brief(foreign(answer(status, body), type))).toBe(meaning);
  });
  test("X3 its ETag is kept as it is", () => {
    expect(verdict(foreign(answer(200, { id: 1 }, { ...JSON_TYPE, etag: 'W/"abc"' })))).toMatchObject({ etag: 'W/"abc"' });
  });
  test("A2 a route can say what it answers and how it refuses", () => {
    const judged = judgeExchange(
      answer(422, { errors: ["name"] }),
      {
        face: "rest",
        operation: { key: KEY, type: "UPDATE" },
        echo,
        level: 1,
        shape: { readError: () => ({ code: "IDEMPOTENCY_MISMATCH", message: "said the route" }) },
      },
      redact,
    );
    expect(verdict(judged)).toMatchObject({ step: "mismatch", message: "said the route" });
    const shaped = (body: unknown): Judgement =>
      judgeExchange(
        answer(200, body),
        {
          face: "rest",
          operation: { key: KEY, type: "UPDATE" },
          echo,
          level: 1,
          shape: { readDocument: (value, path) => (value === "ok" ? { ok: true, value } : { ok: false, path, problem: "must be ok" }) },
        },
        redact,
      );
    expect(brief(shaped('"ok"'))).toBe("applied");
    expect(brief(shaped({ id: 1 }))).toBe("! retry MALFORMED_RESPONSE");
  });
});

describe("a batch on the sync face", () => {
  const applied = { key: KEY, status: 200, outcome: "applied", version: 2, commit_seq: 5 };
  const second = { ...applied, key: KEY2 };

  test("X7 every operation gets its own verdict, in the order sent", () => {
    const rejected = { key: KEY2, status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "name" } };
    const judged = sync(answer(200, batch(rejected, applied)));
    expect(judged).toMatchObject({ kind: "operations", generation: "g1", headSeq: 9 });
    expect(brief(judged)).toBe("applied, reject VALIDATION_ERROR");
    expect(judged.kind === "operations" && judged.results[0]).toMatchObject({ key: KEY, version: 2, commitSeq: 5, fromLedger: true });
  });

  test.each([
    ["a result is missing", batch(applied)],
    ["a result is not ours", batch(applied, { ...second, key: "33333333-3333-4333-8333-333333333333" })],
    ["a key comes twice", batch(applied, applied)],
    ["the trace is another's", { ...(batch(applied, second) as object), meta: { ...meta, trace_id: KEY } }],
    ["there is nothing", ""],
    ["there is no data", { meta, data: {} }],
    ["an outcome is unknown", batch(applied, { ...second, outcome: "perhaps" })],
  ])("A1 when %s the whole answer is malformed, and charged to nobody", (_why, body) => {
    expect(fault(sync(answer(200, body)))).toMatchObject({ step: "retry", code: "MALFORMED_RESPONSE", halve: true, burnsAttempt: false });
  });

  test("X7 a failure of the whole batch is charged to nobody and halves it; alone, it is charged", () => {
    expect(fault(sync(answer(500)))).toMatchObject({ halve: true, burnsAttempt: false, countsForBreaker: true });
    expect(fault(sync(answer(500), ["UPDATE"]))).toMatchObject({ halve: false, burnsAttempt: true });
  });

  test.each([
    [400, error("VALIDATION_ERROR"), "! split VALIDATION_ERROR", "reject VALIDATION_ERROR"],
    [403, error("FORBIDDEN"), "! split FORBIDDEN", "reject FORBIDDEN"],
    [422, error("IDEMPOTENCY_MISMATCH"), "! split IDEMPOTENCY_MISMATCH", "reject IDEMPOTENCY_MISMATCH"],
    [413, error("PAYLOAD_TOO_LARGE"), "! split PAYLOAD_TOO_LARGE", "reject PAYLOAD_TOO_LARGE"],
    [404, error("RESOURCE_NOT_FOUND"), "! pause BACKEND_CHANGED", "! pause BACKEND_CHANGED"],
    [410, error("GONE"), "! pause BACKEND_CHANGED", "! pause BACKEND_CHANGED"],
    [405, "", "! pause BACKEND_CHANGED", "! pause BACKEND_CHANGED"],
    [409, error("CONFLICT"), "! retry MALFORMED_RESPONSE", "! retry MALFORMED_RESPONSE"],
    [412, "", "! retry MALFORMED_RESPONSE", "! retry MALFORMED_RESPONSE"],
    [424, error("BLOCKED"), "! retry MALFORMED_RESPONSE", "! retry MALFORMED_RESPONSE"],
    [204, "", "! retry MALFORMED_RESPONSE", "! retry MALFORMED_RESPONSE"],
    [401, error("UNAUTHORIZED"), "! authenticate UNAUTHORIZED", "! authenticate UNAUTHORIZED"],
    [409, error("STALE_FENCE"), "! lock_lost STALE_FENCE", "! lock_lost STALE_FENCE"],
    [400, error("CLOCK_SKEW"), "! correct_clock CLOCK_SKEW", "! correct_clock CLOCK_SKEW"],
    [426, error("CLIENT_TOO_OLD"), "! pause CLIENT_TOO_OLD", "! pause CLIENT_TOO_OLD"],
    [429, "", "! rate_limit RATE_LIMITED", "! rate_limit RATE_LIMITED"],
    [503, "", "! retry SERVICE_UNAVAILABLE", "! retry SERVICE_UNAVAILABLE"],
  ])("R3 %i %j said of two: %s; said of one: %s", (status, body, ofTwo, ofOne) => {
    expect(brief(sync(answer(status, body)))).toBe(ofTwo);
    expect(brief(sync(answer(status, body), ["UPDATE"]))).toBe(ofOne);
  });
});

describe("one result", () => {
  const one = (result: Partial<OperationResult>, type = "UPDATE"): OperationVerdict =>
    judgeResult({ key: KEY, status: 200, outcome: "applied", ...result }, { key: KEY, type }, redact);
  const failed = (outcome: OperationResult["outcome"], status: number, code?: string, details?: JsonObject): Partial<OperationResult> => ({
    outcome,
    status,
    ...(code === undefined ? {} : { error: { code, message: "m", ...(details === undefined ? {} : { details }) } }),
  });

  test.each([
    [{}, "UPDATE", "applied", "succeed"],
    [{ outcome: "noop" as const }, "UPDATE", "noop", "succeed"],
    [{ outcome: "applied_before" as const, applied_key: KEY2 }, "UPDATE", "applied_before", "succeed"],
    [failed("cancelled", 200), "UPDATE", "cancelled", "cancel"],
    [failed("skipped", 424, "BLOCKED"), "UPDATE", "unseal", "unseal"],
    [failed("conflict", 409, "CONFLICT"), "UPDATE", "conflict", "reconcile"],
    [failed("conflict", 412), "UPDATE", "conflict", "reconcile"],
    [failed("conflict", 404), "DELETE", "noop", "succeed"],
    [failed("conflict", 410), "UPDATE", "conflict", "gone"],
    [failed("conflict", 410), "CREATE", "reject", "fail"],
    [failed("rejected", 422, "VALIDATION_ERROR"), "UPDATE", "reject", "fail"],
    [failed("rejected", 422, "IDEMPOTENCY_MISMATCH"), "UPDATE", "reject", "mismatch"],
    [failed("rejected", 403, "FORBIDDEN"), "UPDATE", "reject", "fail"],
    [failed("rejected", 404), "DELETE", "noop", "succeed"],
    [failed("rejected", 404), "UPDATE", "conflict", "gone"],
    [failed("rejected", 404), "CREATE", "reject", "fail"],
    [failed("rejected", 410), "CREATE", "reject", "fail"],
    [failed("rejected", 413), "UPDATE", "reject", "fail"],
    [failed("rejected", 500), "UPDATE", "reject", "fail"],
    [failed("rejected", 200), "UPDATE", "reject", "fail"],
    [failed("retry", 409, "CONCURRENT_REQUEST"), "UPDATE", "retry_later", "concurrent"],
    [failed("retry", 409, "STALE_FENCE"), "UPDATE", "retry_later", "lock_lost"],
    [failed("retry", 409, "CLIENT_FORKED"), "UPDATE", "retry_later", "lock_lost"],
    [failed("retry", 429, "RATE_LIMITED"), "UPDATE", "retry_later", "rate_limit"],
    [failed("retry", 500, "INTERNAL_ERROR"), "UPDATE", "retry_later", "retry"],
    [failed("retry", 503), "UPDATE", "retry_later", "retry"],
    [failed("retry", 401), "UPDATE", "retry_later", "authenticate"],
    [failed("retry", 426), "UPDATE", "retry_later", "pause"],
    [failed("retry", 422), "UPDATE", "retry_later", "retry"],
  ] as const)("R3 %j of %s: %s", (result, type, event, step) => {
    expect(one(result, type)).toMatchObject({ event, step, fromLedger: true });
  });

  test("X7 OUT_OF_ORDER names the number that is expected", () => {
    expect(one(failed("retry", 409, "OUT_OF_ORDER", { expected: 41 }))).toMatchObject({ step: "rewind", expected: 41 });
    expect(one(failed("retry", 409, "OUT_OF_ORDER", { expected: "41" })).expected).toBeUndefined();
    expect(one(failed("retry", 409, "OUT_OF_ORDER", { expected: 0 })).expected).toBeUndefined();
  });
  test("R2 a rate limit inside a batch carries its wait in the details, at most 24 h", () => {
    expect(one(failed("retry", 429, "RATE_LIMITED", { retry_after_seconds: 12 })).retryAfterMs).toBe(12_000);
    expect(one(failed("retry", 429, "RATE_LIMITED", { retry_after_seconds: 1e9 })).retryAfterMs).toBe(86_400_000);
  });
  test("A1 a result's particulars are passed on", () => {
    const current = { version: 9, data: null, deleted: true };
    const result = {
      outcome: "applied_before",
      applied_key: KEY2,
      version: 8,
      commit_seq: 3,
      data: { a: 1 },
      current,
      replayed: true,
    } as const;
    expect(one(result)).toMatchObject({ appliedKey: KEY2, version: 8, commitSeq: 3, data: { a: 1 }, current, replayed: true });
  });
});

describe("failures on the way", () => {
  const failure = (kind: (typeof NETWORK_FAILURES)[number]): Exchange => ({
    kind: "failure",
    failure: kind,
    detail: "eve@example.com",
    elapsedMs: 9,
  });
  test.each([
    ["offline", "wait", "OFFLINE", false],
    ["dns_failed", "wait", "DNS_FAILED", true],
    ["connection_refused", "wait", "CONNECTION_REFUSED", true],
    ["unreachable", "wait", "OFFLINE", false],
    ["timeout", "retry", "TIMEOUT", true],
    ["reset", "retry", "CONNECTION_RESET", true],
    ["abort", "retry", "CONNECTION_RESET", false],
    ["tls_failed", "tls", "TLS_FAILED", true],
    ["pin_mismatch", "tls", "PIN_MISMATCH", true],
    ["cors_suspected", "pause", "CORS_SUSPECTED", false],
    ["login_required", "wait", "LOGIN_REQUIRED", false],
  ] as const)("R3 %s: %s %s", (kind, step, code, countsForBreaker) => {
    const judged = fault(sync(failure(kind)));
    expect(judged).toMatchObject({ step, code, countsForBreaker, burnsAttempt: false, message: "[REDACTED_EMAIL]" });
    expect(judged.status).toBeUndefined();
    const silent = kind === "timeout" || kind === "reset";
    expect(judged).toMatchObject({ halve: silent, chargeIfReachable: false });
    expect(fault(rest(failure(kind)))).toMatchObject({ halve: false, chargeIfReachable: silent });
    expect(fault(sync(failure(kind), ["UPDATE"]))).toMatchObject({ halve: false, chargeIfReachable: silent });
  });
  test("R3 every failure is in the table above", () => {
    expect(NETWORK_FAILURES).toHaveLength(11);
  });
});

test("R3 A1 every answer means something, and nothing but a clean 2xx, or what is gone already, is a success", () => {
  const bodies = fc.oneof(
    fc.constantFrom("", "OK", "{", "<html>", "null", "[]", JSON.stringify({ meta, data: {} }), JSON.stringify(error("CONFLICT"))),
    fc.json(),
  );
  const exchange = fc.record({
    status: fc.oneof(fc.integer({ min: 100, max: 599 }), fc.integer()),
    body: bodies,
    type: fc.constantFrom("CREATE", "UPDATE", "DELETE", "named"),
    level: fc.constantFrom(0 as const, 4 as const),
  });
  fc.assert(
    fc.property(exchange, ({ status, body, type, level }) => {
      const judged = rest(answer(status, body), type, { level });
      if (judged.kind === "operations" && ["applied", "noop"].includes(verdict(judged).event)) {
        expect([200, 201, 204, 205, 404, 410]).toContain(status);
        if (status >= 400) expect(type).toBe("DELETE");
      }
      const whole = sync(answer(status, body));
      expect(whole.kind).toBe("request");
      expect(fault(whole).burnsAttempt).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test("R3 every outcome of a result means something for every type and status", () => {
  for (const outcome of RESULT_OUTCOMES)
    for (const type of ["CREATE", "UPDATE", "DELETE", "named"])
      for (let status = 100; status < 600; status++) {
        const { event } = judgeResult({ key: KEY, status, outcome }, { key: KEY, type }, redact);
        if (outcome === "applied" || outcome === "noop" || outcome === "applied_before") expect(event).toBe(outcome);
        if (event === "applied" || event === "applied_before") expect(outcome).toBe(event);
      }
});

describe("X10 a request with nothing but one group", () => {
  const group = (exchange: Exchange): Judgement => {
    const operations = [KEY, KEY2].map((key) => ({ key, type: "UPDATE", groupId: "g" }));
    return judgeExchange(exchange, { face: "sync", operations, echo }, redact);
  };

  test("is refused as a whole like one operation: there is nothing smaller", () => {
    expect(brief(group(answer(413, error("PAYLOAD_TOO_LARGE"))))).toBe("reject PAYLOAD_TOO_LARGE, reject PAYLOAD_TOO_LARGE");
    expect(brief(group(answer(422, error("VALIDATION_ERROR"))))).toBe("reject VALIDATION_ERROR, reject VALIDATION_ERROR");
    expect(fault(group(answer(500, error("INTERNAL_ERROR"))))).toMatchObject({ burnsAttempt: true, halve: false });
    const silence = { kind: "failure", failure: "timeout", detail: "", elapsedMs: 0 } as const;
    expect(fault(group(silence))).toMatchObject({ chargeIfReachable: true, halve: false });
    expect(fault(sync(silence))).toMatchObject({ chargeIfReachable: false, halve: true });
  });
});
