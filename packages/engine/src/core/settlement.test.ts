import { type EpochMs, NEXT_STEPS, type NextStep, type SyncErrorCode } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import type { Judgement, OperationVerdict, RequestFault } from "./answer.ts";
import { type InFlight, isLocal, settle, type Settlement, type SettlementInput } from "./settlement.ts";

const NOW = 1_000_000 as EpochMs;
const POLICY = { baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 5 };
/** Jitter 0.5 makes the factor 1: delays are 1 s, 2 s, 4 s… */
const DRAWS = { jitter: 0.5, spread: 0 };

const inFlight = (more: Partial<InFlight> = {}): InFlight => ({
  key: "k",
  attempts: 0,
  policy: POLICY,
  sentBefore: false,
  skewCorrected: false,
  ...more,
});
const fault = (step: NextStep, more: Partial<RequestFault> = {}): RequestFault => ({
  kind: "request",
  step,
  code: "INTERNAL_ERROR",
  errorClass: "ServerException",
  status: 500,
  mayHaveHappened: true,
  burnsAttempt: false,
  countsForBreaker: false,
  message: "",
  halve: false,
  chargeIfReachable: false,
  ...more,
});
const verdict = (event: OperationVerdict["event"], more: Partial<OperationVerdict> = {}): OperationVerdict => ({
  key: "k",
  event,
  step: event === "retry_later" ? "retry" : "succeed",
  code: null,
  errorClass: "none",
  status: 200,
  mayHaveHappened: false,
  burnsAttempt: false,
  countsForBreaker: false,
  message: "",
  fromLedger: true,
  consumesNumber: true,
  replayed: false,
  ...more,
});
const run = (judgement: Judgement, more: Partial<SettlementInput> = {}): Settlement =>
  settle({ operations: [inFlight()], judgement, failures: 0, tlsFailures: 0, refusals: 0, now: NOW, draws: DRAWS, ...more });
const three = [inFlight(), inFlight(), inFlight()];
const results = (...all: readonly OperationVerdict[]): Judgement => ({ kind: "operations", results: all });
/** Who moves where: `0 applied`. */
const moves = (settlement: Settlement): readonly string[] => settlement.moves.map(({ index, verdict: { event } }) => `${index} ${event}`);

/** What a fault does to the lane, in words. `problem` is always the fault itself. */
const words = ({ moves: none, problem: _problem, failed, batch, breaker, ...rest }: Settlement): object => {
  expect(none).toEqual([]);
  return { ...(failed ? { failed } : {}), ...(batch === "keep" ? {} : { batch }), ...(breaker === "none" ? {} : { breaker }), ...rest };
};
const wait = (reason: string, delayMs = 1000, wholeOrigin = false): object => ({ failed: true, wait: { delayMs, reason, wholeOrigin } });

test("a request without operations waits by the policy that the app set", () => {
  const policy = { baseMs: 50, maxDelayMs: 500, maxAttempts: 5 };
  expect(run(fault("retry"), { operations: [], policy }).wait).toMatchObject({ delayMs: 50 });
  expect(run(fault("retry"), { operations: [], policy, failures: 20 }).wait).toMatchObject({ delayMs: 500 });
});

describe("a fault of the whole request", () => {
  const table: Readonly<Record<NextStep, readonly [more: Partial<RequestFault>, expected: object]>> = {
    succeed: [{}, wait("INTERNAL_ERROR")],
    confirm: [{ code: "NOT_CONFIRMED" }, wait("NOT_CONFIRMED")],
    ignore: [{}, wait("INTERNAL_ERROR")],
    follow: [{}, wait("INTERNAL_ERROR")],
    retry: [{ countsForBreaker: true }, { ...wait("INTERNAL_ERROR"), breaker: "failure" }],
    wait: [{ code: "LOGIN_REQUIRED" }, wait("LOGIN_REQUIRED")],
    fail: [{}, wait("INTERNAL_ERROR")],
    cancel: [{}, wait("INTERNAL_ERROR")],
    reconcile: [{}, wait("INTERNAL_ERROR")],
    gone: [{}, wait("INTERNAL_ERROR")],
    unseal: [{}, wait("INTERNAL_ERROR")],
    mismatch: [{}, wait("INTERNAL_ERROR")],
    authenticate: [
      { code: "UNAUTHORIZED", status: 401, mayHaveHappened: false },
      { refused: true, breaker: "success" },
    ],
    pause: [
      { code: "CLIENT_TOO_OLD", status: 426, mayHaveHappened: false },
      { failed: true, breaker: "success", pause: { reason: "client_too_old", code: "CLIENT_TOO_OLD", security: false } },
    ],
    concurrent: [
      { code: "CONCURRENT_REQUEST", status: 409 },
      { wait: { delayMs: 2000, reason: "CONCURRENT_REQUEST", wholeOrigin: false } },
    ],
    rewind: [
      { code: "OUT_OF_ORDER", status: 409, mayHaveHappened: false, expected: 7 },
      { failed: true, breaker: "success", rewindTo: 7 },
    ],
    lock_lost: [
      { code: "STALE_FENCE", status: 409 },
      { failed: true, lockLost: true },
    ],
    split: [
      { code: "PAYLOAD_TOO_LARGE", status: 413, mayHaveHappened: false },
      { batch: "shrink", breaker: "success" },
    ],
    correct_clock: [
      { code: "CLOCK_SKEW", status: 400, mayHaveHappened: false },
      { breaker: "success", correctClock: true },
    ],
    rate_limit: [
      { code: "RATE_LIMITED", status: 429, mayHaveHappened: false },
      { ...wait("RATE_LIMITED", 1000, true), breaker: "success" },
    ],
    tls: [{ code: "TLS_FAILED" }, { ...wait("TLS_FAILED"), tlsFailed: true }],
  };

  test.each(NEXT_STEPS)("R3 step %s", (step) => {
    const [more, expected] = table[step];
    const judgement = fault(step, more);
    const settlement = run(judgement);
    expect(words(settlement)).toEqual(expected);
    expect(settlement.problem).toBe(judgement);
  });

  test("R3 a failure without any answer says nothing about the origin", () => {
    const { status: _none, ...silent } = fault("wait", { code: "OFFLINE", mayHaveHappened: false });
    expect(words(run(silent))).toEqual(wait("OFFLINE"));
  });

  test("R1 the wait grows with the failures in a row, and has an end", () => {
    const delays = [0, 1, 2, 3, 4, 5, 50].map((failures) => run(fault("retry"), { failures }).wait?.delayMs);
    expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  test("R2 Retry-After is the least, with up to 5 s more, and holds the whole origin", () => {
    const asked = (step: NextStep, retryAfterMs: number): unknown =>
      run(fault(step, { retryAfterMs }), { draws: { jitter: 0.5, spread: 0.999 } }).wait;
    for (const step of ["rate_limit", "wait", "retry"] as const)
      expect(asked(step, 20_000)).toEqual({ delayMs: 24_995, reason: "INTERNAL_ERROR", wholeOrigin: true });
    expect(asked("wait", 0)).toEqual({ delayMs: 5995, reason: "INTERNAL_ERROR", wholeOrigin: true });
  });

  test("R3 without operations (a handshake) nothing is charged to anybody", () => {
    expect(words(run(fault("retry", { burnsAttempt: true, chargeIfReachable: true }), { operations: [] }))).toEqual(wait("INTERNAL_ERROR"));
  });
});

describe("who is charged", () => {
  const burning = fault("retry", { burnsAttempt: true });
  const silent = fault("retry", { code: "TIMEOUT", chargeIfReachable: true });

  test("X7 one that was alone is charged, with its own backoff", () => {
    const settlement = run(burning, { operations: [inFlight({ attempts: 2 })], failures: 9 });
    expect(settlement.charge).toEqual({ index: 0, attempts: 3, delayMs: 4000 });
    expect(settlement.wait?.delayMs).toBe(4000);
  });
  test("X7 a whole batch is charged to nobody, and halved", () => {
    const settlement = run({ ...burning, halve: true }, { operations: three });
    expect(words(settlement)).toEqual({ ...wait("INTERNAL_ERROR"), batch: "halve" });
  });
  test("R3 silence is charged only if the origin answers something harmless", () => {
    const settlement = run(silent, { operations: [inFlight({ attempts: 1 })] });
    expect(settlement.charge).toBeUndefined();
    expect(settlement.chargeIfReachable).toEqual({ index: 0, attempts: 2, delayMs: 2000 });
  });
  test("X7 silence about a batch is charged to nobody", () => {
    const settlement = run({ ...silent, halve: true, chargeIfReachable: false }, { operations: three });
    expect([settlement.charge, settlement.chargeIfReachable, settlement.batch]).toEqual([undefined, undefined, "halve"]);
  });
  test.each(["wait", "rate_limit", "concurrent", "authenticate", "lock_lost", "rewind", "split", "tls", "pause"] as const)(
    "R3 %s burns no attempt, even of one that was alone",
    (step) => {
      const settlement = run(fault(step, { burnsAttempt: true, chargeIfReachable: true, expected: 3 }));
      expect([settlement.charge, settlement.chargeIfReachable]).toEqual([undefined, undefined]);
    },
  );
});

describe("what stops the engine", () => {
  test("R4 the second refusal of the token in a row pauses", () => {
    expect(run(fault("authenticate", { code: "UNAUTHORIZED" }), { refusals: 1 }).pause).toEqual({
      reason: "auth_required",
      code: "UNAUTHORIZED",
      security: false,
    });
  });
  test.each([
    ["CLIENT_TOO_OLD", "client_too_old"],
    ["PRINCIPAL_MISMATCH", "principal_mismatch"],
    ["CORS_SUSPECTED", "cors_suspected"],
    ["BACKEND_CHANGED", "backend_changed"],
  ] as const)("R3 %s pauses: %s", (code, reason) => {
    expect(run(fault("pause", { code })).pause).toEqual({ reason, code, security: false });
  });
  test.each([
    ["TLS_FAILED", "tls_failed"],
    ["PIN_MISMATCH", "pin_mismatch"],
  ] as const)("A4 the second %s pauses with a security event: %s", (code, reason) => {
    expect(run(fault("tls", { code })).pause).toBeUndefined();
    expect(run(fault("tls", { code }), { tlsFailures: 1 }).pause).toEqual({ reason, code, security: true });
  });
  test("R3 a clock is corrected at every refusal, but only the first is retried at once", () => {
    const judgement = fault("correct_clock", { code: "CLOCK_SKEW" });
    const settlement = run(judgement, { operations: [inFlight(), inFlight({ skewCorrected: true })] });
    expect([settlement.correctClock, settlement.wait?.delayMs]).toEqual([true, 1000]);
  });
  test("X1 an OUT_OF_ORDER that does not say what it waits for is waited out", () => {
    expect(words(run(fault("rewind", { code: "OUT_OF_ORDER" })))).toEqual(wait("OUT_OF_ORDER"));
  });
});

describe("results", () => {
  const rejected = verdict("reject", { step: "fail", code: "VALIDATION_ERROR", status: 422 });
  const stuck = verdict("retry_later", { step: "retry", code: "INTERNAL_ERROR", status: 500, burnsAttempt: true, mayHaveHappened: true });
  const skipped = verdict("unseal", { step: "unseal", code: "DEPENDENCY_FAILED", status: 424 });

  test("X7 each operation moves by its own result", () => {
    const settlement = run(results(verdict("applied"), rejected, verdict("noop")), { operations: three });
    expect(moves(settlement)).toEqual(["0 applied", "1 reject", "2 noop"]);
    expect(settlement).toMatchObject({ failed: false, batch: "grow", breaker: "success" });
    expect([settlement.wait, settlement.problem, settlement.ask]).toEqual([undefined, undefined, undefined]);
  });
  test("X8 what was skipped behind one that left opens its seal", () => {
    const conflict = verdict("conflict", { step: "reconcile", code: "CONFLICT", status: 409 });
    expect(moves(run(results(verdict("applied"), conflict, skipped), { operations: three }))).toEqual([
      "0 applied",
      "1 conflict",
      "2 unseal",
    ]);
  });
  test("X8 what was skipped behind one that is stuck stays sealed with it; the stuck one goes alone next, uncharged", () => {
    const settlement = run(results(verdict("applied"), stuck, skipped), { operations: three });
    expect(moves(settlement)).toEqual(["0 applied"]);
    expect(settlement).toMatchObject({ failed: true, batch: "halve", wait: { delayMs: 1000 } });
    expect(settlement.charge).toBeUndefined();
  });
  test("R3 the last try is charged only when a safe GET succeeds: an outage must not cost the operation that was first", () => {
    const alone = (attempts: number): Settlement =>
      run(fault("retry", { burnsAttempt: true, countsForBreaker: true }), { operations: [inFlight({ attempts })] });
    expect(alone(3).charge).toMatchObject({ attempts: 4 });
    expect(alone(4)).toMatchObject({ chargeIfReachable: { attempts: 5 }, wait: { delayMs: 1000 } });
    expect(alone(4).charge).toBeUndefined();
  });
  test("X7 one that was stuck alone is charged", () => {
    const settlement = run(results(stuck), { operations: [inFlight({ attempts: 4 })] });
    expect(settlement).toMatchObject({ moves: [], failed: true, batch: "keep", charge: { index: 0, attempts: 5, delayMs: 16_000 } });
  });
  test.each([
    ["rate_limit", "RATE_LIMITED", { wait: { wholeOrigin: true } }],
    ["concurrent", "CONCURRENT_REQUEST", { failed: false, wait: { delayMs: 2000 } }],
    ["authenticate", "UNAUTHORIZED", { refused: true }],
    ["split", "PAYLOAD_TOO_LARGE", { batch: "halve", failed: false }],
  ] as const)("R3 a result that says %s does to the request what the answer would", (step, code, expected) => {
    const settlement = run(results(verdict("applied"), { ...stuck, step, code: code as SyncErrorCode, burnsAttempt: false }), {
      operations: three.slice(1),
    });
    expect(settlement).toMatchObject(expected);
    expect(moves(settlement)).toEqual(["0 applied"]);
  });
  test("X1 a mismatch of the key fails the operation, and is the engine's fault", () => {
    const mismatch = verdict("reject", { step: "mismatch", code: "IDEMPOTENCY_MISMATCH", status: 422 });
    const settlement = run(results(mismatch));
    expect(moves(settlement)).toEqual(["0 reject"]);
    expect(settlement.engineFault).toBe(mismatch);
  });

  test.each([
    ["a first refusal", false, false, "reject", false],
    ["a refusal after an earlier send", true, false, "reject", true],
    ["a conflict after an earlier send", true, false, "conflict", true],
    ["a refusal that is the ledger's own", true, true, "reject", false],
    ["success after an earlier send", true, false, "applied", false],
  ] as const)("X8 %s: is the key asked for? (sent before %s, from the ledger %s)", (_title, sentBefore, fromLedger, event, isAsked) => {
    const settlement = run(results(verdict(event, { fromLedger })), { operations: [inFlight({ sentBefore })] });
    expect(settlement.ask !== undefined).toBe(isAsked);
    expect(moves(settlement)).toEqual(isAsked ? [] : [`0 ${event}`]);
  });
});

describe("X10 a group of a request", () => {
  const grouped = [inFlight(), inFlight({ groupId: "g" }), inFlight({ groupId: "g" }), inFlight({ groupId: "g" })];
  const alone = grouped.slice(1);
  const [applied, skipped, retry] = [verdict("applied"), verdict("unseal", { consumesNumber: false }), verdict("retry_later")];

  test("stays sealed as a whole when one member has to be tried again, whoever stands before it", () => {
    const settlement = run(results(applied, skipped, retry, skipped), { operations: grouped });
    expect(moves(settlement)).toEqual(["0 applied"]);
    expect(settlement).toMatchObject({ batch: "halve" });
    expect(settlement.charge).toBeUndefined();
  });

  test("that is alone cannot be made smaller: its first member is charged for all", () => {
    const busy = verdict("retry_later", { burnsAttempt: true, status: 500, code: "INTERNAL_ERROR" });
    const settlement = run(results(skipped, busy, skipped), { operations: alone });
    expect(moves(settlement)).toEqual([]);
    expect(settlement).toMatchObject({ batch: "keep", charge: { index: 0, attempts: 1 } });
    const whole = run(fault("retry", { burnsAttempt: true }), { operations: alone });
    expect(whole.charge).toMatchObject({ index: 0, attempts: 1 });
    expect(run(fault("retry", { burnsAttempt: true }), { operations: grouped }).charge).toBeUndefined();
  });
});

describe("results under entity ordering", () => {
  const of = (...lanes: readonly string[]): InFlight => inFlight({ lanes });
  const entity = (operations: readonly InFlight[], ...all: readonly OperationVerdict[]): Settlement =>
    run(results(...all), { ordering: "entity", operations });
  const skipped = verdict("unseal", { step: "unseal" });
  const stuck = verdict("retry_later", { code: "INTERNAL_ERROR", burnsAttempt: true });

  test("X8 what is skipped behind a stuck one of its lane stays sealed, what is skipped in another lane is opened", () => {
    const settled = entity([of("a"), of("a"), of("b"), of("b")], stuck, skipped, verdict("reject"), skipped);
    expect(moves(settled)).toEqual(["2 reject", "3 unseal"]);
    expect(moves(entity([of("a"), of("a", "x"), of("b", "x"), of("b")], stuck, skipped, skipped, skipped))).toEqual([]);
  });
  test("X8 what stands behind an opened one is opened, whatever is stuck in its other lane", () => {
    const settled = entity([of("a"), of("b"), of("b", "x"), of("a", "x")], stuck, verdict("conflict"), skipped, skipped);
    expect(moves(settled)).toEqual(["1 conflict", "2 unseal", "3 unseal"]);
  });
  test("R1 a stuck one waits by itself: no lane but its own, and no attempt while it was not alone", () => {
    const settled = entity([of("a"), of("b")], stuck, verdict("applied"));
    expect(settled).toMatchObject({ failed: false, batch: "keep", breaker: "success", charge: { index: 0, attempts: 0, delayMs: 1000 } });
    expect(settled.wait).toBeUndefined();
    expect(isLocal(settled)).toBe(true);
    expect(entity([of("a")], stuck).charge).toEqual({ index: 0, attempts: 1, delayMs: 1000 });
  });
  test("R2 what is asked for by a Retry-After holds for all", () => {
    const settled = entity([of("a"), of("b")], { ...stuck, step: "rate_limit", retryAfterMs: 9000 }, verdict("applied"));
    expect(settled.wait).toMatchObject({ wholeOrigin: true });
    expect(isLocal(settled)).toBe(false);
  });
  test.each([
    ["plain", verdict("applied"), true],
    ["refused", verdict("reject"), true],
    ["in conflict", verdict("conflict"), true],
  ] as const)("one that is %s is nothing to the others", (_name, one, expected) => {
    expect(isLocal(entity([of("a")], one))).toBe(expected);
  });
  test.each(NEXT_STEPS.filter((step) => step !== "correct_clock"))(
    "a request that meets %s is something to the others, unless it is charged",
    (step) => {
      expect(isLocal(run(fault(step), { ordering: "entity", operations: three }))).toBe(false);
    },
  );
  test("R1 a charged one that was alone waits alone, unless the origin asked for time", () => {
    expect(isLocal(run(fault("retry", { burnsAttempt: true }), { ordering: "entity" }))).toBe(true);
    expect(isLocal(run(fault("retry", { burnsAttempt: true, retryAfterMs: 9000 }), { ordering: "entity" }))).toBe(false);
  });
});
