import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LOCAL_CODES, WIRE_CODES } from "./codes.ts";
import { ERROR_CLASS_LABELS, ERROR_CLASSES, errorClassLabel } from "./error-class.ts";
import { lookUpOutcome } from "./look-up-outcome.ts";
import { RESULT_OUTCOMES } from "./messages.ts";
import { type AnswerFacts, BODY_KINDS, NETWORK_FAILURES, NEXT_STEPS, type OutcomeRow } from "./outcome.ts";
import { OUTCOME_TABLE } from "./outcome-table.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/outcomes.json", import.meta.url), "utf8")) as {
  row: string;
  facts: AnswerFacts;
  expect: Omit<OutcomeRow, "name" | "when">;
}[];

describe("what every answer means", () => {
  test.each(vectors.map((vector) => ({ ...vector, title: JSON.stringify(vector.facts) })))("$row: $title", (vector) => {
    expect(lookUpOutcome(vector.facts)).toMatchObject(vector.expect);
  });

  test("every row of the table is reached by a vector", () => {
    const reached = new Set(vectors.map(({ facts }) => lookUpOutcome(facts).name));
    expect(OUTCOME_TABLE.map(({ name }) => name).filter((name) => !reached.has(name))).toEqual([]);
  });

  test("every next step is somewhere in the table, and every name is there once", () => {
    expect(NEXT_STEPS.filter((next) => !OUTCOME_TABLE.some((row) => row.next === next))).toEqual([]);
    expect(new Set(OUTCOME_TABLE.map(({ name }) => name)).size).toBe(OUTCOME_TABLE.length);
  });

  test("every status, body, code and hint has a row", () => {
    for (let status = 100; status <= 599; status++)
      for (const body of BODY_KINDS) {
        const row = lookUpOutcome({ kind: "http", status, body });
        expect(NEXT_STEPS).toContain(row.next);
        expect(row.name).not.toBe("unknown_status");
        expect(row.code === null || ([...WIRE_CODES, ...LOCAL_CODES] as string[]).includes(row.code)).toBe(true);
      }
  });

  test("only the four success statuses succeed, never in HTML, with an error, or from elsewhere", () => {
    fc.assert(
      fc.property(httpFacts, (facts) => {
        if (lookUpOutcome(facts).next !== "succeed") return;
        expect([200, 201, 204, 205]).toContain(facts.status);
        expect(["ours", "empty"]).toContain(facts.body);
        expect(facts.code).toBeUndefined();
        expect(facts.crossOriginRedirect ?? false).toBe(false);
      }),
    );
  });

  test("a 4xx ends an operation only in a body that an API writes", () => {
    fc.assert(
      fc.property(httpFacts, (facts) => {
        const ends = ["fail", "gone", "reconcile", "mismatch", "split"].includes(lookUpOutcome(facts).next);
        if (ends) expect(["ours", "problem", "json", "empty"]).toContain(facts.body);
      }),
    );
  });

  test("an unknown code changes nothing below 200 and above 299", () => {
    fc.assert(
      fc.property(httpFacts, (facts) => {
        const { code: _code, ...bare } = facts;
        if (facts.status < 200 || facts.status > 299) expect(lookUpOutcome({ ...bare, code: "FROM_TOMORROW" })).toBe(lookUpOutcome(bare));
      }),
    );
  });

  test("what burns an attempt was answered, and a definite answer leaves no doubt", () => {
    for (const row of OUTCOME_TABLE) {
      if (row.when.kind === "network") expect(row.burnsAttempt).toBe(false);
      if (["fail", "reconcile", "gone", "mismatch", "authenticate", "unseal", "rewind"].includes(row.next))
        expect(row.mayHaveHappened).toBe(false);
    }
  });

  test("a batch result that contradicts itself never succeeds by its status, nor fails while it asks for a retry", () => {
    for (const outcome of RESULT_OUTCOMES)
      for (let status = 100; status <= 599; status++) {
        const { next } = lookUpOutcome({ kind: "result", outcome, status });
        expect(next === "succeed").toBe(["applied", "noop", "applied_before"].includes(outcome));
        if (outcome === "retry") expect(["fail", "gone", "mismatch"]).not.toContain(next);
      }
  });

  test("every network failure has a row", () => {
    for (const failure of NETWORK_FAILURES) expect(lookUpOutcome({ kind: "network", failure }).errorClass).toBe("NetworkException");
  });

  test("nonsense is malformed, never a success", () => {
    for (const status of [0, 42, 600, 999, Number.NaN, -200, 200.5])
      expect(lookUpOutcome({ kind: "http", status, body: "ours" })).toMatchObject({ next: "retry", errorClass: "MalformedResponse" });
  });

  test("a route's own rows come first", () => {
    const locked: OutcomeRow = {
      ...lookUpOutcome({ kind: "http", status: 503, body: "json" }),
      name: "locked",
      when: { kind: "http", statuses: [423] },
    };
    expect(lookUpOutcome({ kind: "http", status: 423, body: "json" }, [locked])).toBe(locked);
    expect(lookUpOutcome({ kind: "http", status: 422, body: "json" }, [locked]).next).toBe("fail");
    expect(lookUpOutcome({ kind: "result", outcome: "rejected", status: 423 }, [locked])).toBe(locked);
  });

  test("at most fourteen labels stand for the error classes", () => {
    expect(ERROR_CLASS_LABELS.length).toBeLessThanOrEqual(14);
    expect(new Set(ERROR_CLASSES.map(errorClassLabel))).toEqual(new Set(ERROR_CLASS_LABELS));
  });
});

const httpFacts: fc.Arbitrary<Extract<AnswerFacts, { kind: "http" }>> = fc.record(
  {
    kind: fc.constant("http" as const),
    status: fc.integer({ min: 100, max: 599 }),
    body: fc.constantFrom(...BODY_KINDS),
    code: fc.constantFrom<string>(...WIRE_CODES),
    retryAfterMs: fc.nat(),
    crossOriginRedirect: fc.boolean(),
    sameOriginRedirect: fc.boolean(),
  },
  { requiredKeys: ["kind", "status", "body"] },
);
