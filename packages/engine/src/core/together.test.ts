import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OperationVerdict } from "./answer.ts";
import type { VerdictEvent } from "./lifecycle.ts";
import type { Settlement } from "./settlement.ts";
import { together } from "./together.ts";

const STEPS: Readonly<Record<string, OperationVerdict["step"]>> = {
  applied: "succeed",
  noop: "succeed",
  applied_before: "succeed",
  reject: "fail",
  park: "fail",
  conflict: "reconcile",
  unseal: "unseal",
  cancelled: "cancel",
};
const verdict = (event: VerdictEvent, key = "k"): OperationVerdict => ({
  key,
  event,
  step: STEPS[event] ?? "retry",
  code: event === "reject" ? "VALIDATION_ERROR" : event === "park" ? "OUTCOME_UNKNOWN" : null,
  errorClass: "none",
  mayHaveHappened: false,
  burnsAttempt: false,
  countsForBreaker: false,
  message: "",
  fromLedger: true,
  consumesNumber: event !== "unseal" && event !== "conflict" && event !== "park",
  replayed: false,
});
const settlement = (moves: Settlement["moves"]): Settlement => ({ moves, failed: false, batch: "grow", breaker: "success" });
/** `own`: what the answer said of each; empty: nothing. */
const group = (own: readonly (VerdictEvent | "")[]): readonly string[] => {
  const moves = own.flatMap((event, index) => (event === "" ? [] : [{ index, verdict: verdict(event, `k${index}`) }]));
  const sent = own.map((_, index) => ({ key: `k${index}`, groupId: "g" }));
  return together(settlement(moves), sent).moves.map(({ index, verdict: one }) => {
    expect(one.key).toBe(`k${index}`);
    return `${index} ${one.event}${one.code === null ? "" : ` ${one.code}`}${one.consumesNumber ? " #" : ""}`;
  });
};

describe("X10 the members of a group", () => {
  test.each([
    [
      ["applied", "noop"],
      ["0 applied #", "1 noop #"],
    ],
    [
      ["reject", "unseal"],
      ["0 reject VALIDATION_ERROR #", "1 reject DEPENDENCY_FAILED"],
    ],
    // The server undid the one before it, so that its number is free.
    [
      ["unseal", "reject", "unseal"],
      ["0 reject DEPENDENCY_FAILED", "1 reject VALIDATION_ERROR", "2 reject DEPENDENCY_FAILED"],
    ],
    [
      ["reject", "", ""],
      ["0 reject VALIDATION_ERROR #", "1 reject DEPENDENCY_FAILED", "2 reject DEPENDENCY_FAILED"],
    ],
    [
      ["park", ""],
      ["0 park OUTCOME_UNKNOWN", "1 park OUTCOME_UNKNOWN"],
    ],
    [
      ["unseal", "conflict", "unseal"],
      ["0 unseal", "1 conflict", "2 unseal"],
    ],
    [
      ["", "conflict"],
      ["0 unseal", "1 conflict"],
    ],
    [
      ["unseal", "unseal"],
      ["0 unseal", "1 unseal"],
    ],
    [
      ["cancelled", "cancelled"],
      ["0 cancelled #", "1 cancelled #"],
    ],
    // Nobody asked for the marker: the group was stopped whole.
    [
      ["unseal", "cancelled"],
      ["0 unseal", "1 unseal"],
    ],
    // One that is so already leaves the group.
    [
      ["unseal", "noop"],
      ["0 unseal", "1 noop"],
    ],
    // The others are sent again, and hear of it themselves.
    [["applied", ""], ["0 applied #"]],
    [["", ""], []],
  ] as const)("answered %j end %j", (own, expected) => {
    expect(group(own)).toEqual(expected);
  });

  test("do not touch others, in whatever order they were answered", () => {
    const moves = [2, 0, 1].map((index) => ({ index, verdict: verdict(index === 2 ? "reject" : "unseal") }));
    const told = together(settlement(moves), [{ key: "a" }, { key: "b", groupId: "g" }, { key: "c", groupId: "g" }]);
    expect(told.moves.map(({ index, verdict: { event } }) => [index, event])).toEqual([
      [0, "unseal"],
      [1, "reject"],
      [2, "reject"],
    ]);
  });

  test("never end differently, whatever the answer: fail together, park together, or go again", () => {
    const events = fc.constantFrom<VerdictEvent | "">("", "reject", "park", "conflict", "unseal", "cancelled");
    fc.assert(
      fc.property(fc.array(events, { minLength: 1, maxLength: 5 }), (own) => {
        const ends = group(own).map((word) => word.split(" ")[1]);
        if (ends.length === 0) return;
        expect(ends).toHaveLength(own.length);
        const kinds = new Set(ends.map((end) => (end === "conflict" ? "unseal" : end)));
        expect(kinds.size).toBe(1);
      }),
    );
  });
});
