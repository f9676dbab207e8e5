import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COUNTERS, type Counts, PHASES } from "../ports/index.ts";
import { conserved } from "./conservation.ts";
import {
  addCounts,
  countDelta,
  counterOf,
  type Event,
  EVENTS,
  phaseOf,
  type State,
  STATES,
  stateOf,
  TRANSITIONS,
  transition,
  VERDICT_EVENTS,
} from "./lifecycle.ts";

// Written down once more, by hand: `!` illegal, `-` ignored. A change of the life cycle has to be made twice.
const TABLE = `
                    pending      blocked      sealed       acked      failed       parked       conflict     quarantined  archived     folded     cancelled  succeeded  superseded
applied             !            !            acked        -          -            acked        -            -            -            succeeded  -          -          -
noop                !            !            acked        -          -            acked        -            -            -            succeeded  -          -          -
applied_before      acked        acked        acked        -          -            acked        -            -            -            succeeded  -          -          -
echo                -            -            -            succeeded  -            -            -            -            -            succeeded  -          -          -
reject              !            !            failed       -          -            failed       -            -            -            -          -          -          -
conflict            !            !            conflict     -          -            conflict     -            -            -            -          -          -          -
unseal              !            !            pending      -          -            -            -            -            -            -          -          -          -
retry_later         !            !            sealed       -          -            -            -            -            -            -          -          -          -
cancelled           !            !            cancelled    -          -            cancelled    -            -            -            cancelled  -          -          -
park                parked       parked       parked       -          -            -            -            -            -            -          -          -          -
block               blocked      -            -            !          !            !            !            !            !            !          !          !          !
release             -            pending      -            !          !            !            !            !            !            !          !          !          !
seal                sealed       !            !            !          !            !            !            !            !            !          !          !          !
expire              cancelled    cancelled    -            -          -            -            -            -            -            -          -          -          -
orphan              failed       failed       !            !          !            !            !            !            !            !          !          !          !
quarantine          quarantined  quarantined  quarantined  -          quarantined  quarantined  quarantined  -            -            -          -          -          -
restore_definition  -            -            !            !          !            pending      !            !            !            !          !          !          !
fold                folded       folded       !            !          !            !            !            !            !            !          !          !          !
annihilate          superseded   superseded   !            !          !            !            !            !            !            !          !          !          !
supersede           superseded   superseded   !            !          superseded   superseded   superseded   !            !            superseded !          !          !
cancel_requested    cancelled    cancelled    sealed       -          -            cancelled    cancelled    -            -            -          -          -          -
manual_retry        !            !            !            !          pending      pending      !            pending      !            !          !          !          !
resend              !            !            !            !          !            sealed       !            sealed       !            !          !          !          !
resolve             !            !            !            !          !            !            pending      !            !            !          !          !          !
discard             cancelled    cancelled    sealed       !          cancelled    cancelled    cancelled    cancelled    cancelled    !          !          !          !
archive             !            !            !            !          archived     archived     !            archived     !            !          !          !          !
restore_failed      !            !            !            !          !            !            !            !            failed       !          !          !          !
restore_parked      !            !            !            !          !            !            !            !            parked       !          !          !          !
restore_quarantined !            !            !            !          !            !            !            !            quarantined  !          !          !          !
`;
const [head = "", ...lines] = TABLE.trim().split("\n");
const columns = head.trim().split(/\s+/);
const cells = lines.flatMap((line) => {
  const [event = "", ...row] = line.trim().split(/\s+/);
  return row.map((cell, i) => [columns[i] as State, event as Event, cell] as const);
});

describe("life cycle", () => {
  test("Q4 the table by hand has every pair once", () => {
    expect(columns).toEqual([...STATES]);
    expect(cells).toHaveLength(STATES.length * EVENTS.length);
    expect(new Set(cells.map(([state, event]) => `${state} ${event}`)).size).toBe(cells.length);
  });

  test.each(cells)("Q4 %s meets %s: %s", (state, event, cell) => {
    if (cell === "!") {
      expect(() => transition(state, event)).toThrow(RangeError);
      expect(() => transition(state, event)).toThrow(`an operation that is ${state} cannot meet the event ${event}`);
    } else expect(transition(state, event)).toBe(cell === "-" ? state : cell);
  });

  test("X8 a sealed operation is never folded, annihilated, expired, blocked, or sealed anew", () => {
    for (const event of ["fold", "annihilate", "seal"] as const) expect(TRANSITIONS.sealed[event]).toBe("illegal");
    for (const event of ["expire", "block", "release"] as const) expect(TRANSITIONS.sealed[event]).toBe("ignore");
  });

  test("Q4 a verdict that comes twice changes nothing the second time", () => {
    for (const first of VERDICT_EVENTS) {
      const settled = transition("sealed", first);
      if (settled === "sealed" || settled === "pending" || settled === "parked" || first === "echo") continue;
      for (const again of VERDICT_EVENTS) expect([settled, "succeeded"]).toContain(transition(settled, again));
    }
  });

  test("Q1 nothing leads out of the end", () => {
    for (const state of ["cancelled", "succeeded", "superseded"] as const)
      for (const event of EVENTS) expect(["ignore", "illegal"]).toContain(TRANSITIONS[state][event]);
  });
});

const start: Counts = Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as Counts;
const plus = (counts: Counts, change: ReturnType<typeof countDelta>): Counts =>
  Object.fromEntries(COUNTERS.map((counter) => [counter, counts[counter] + (change[counter] ?? 0)])) as Counts;

describe("counters", () => {
  test("Q1 every state is counted in exactly one counter, and every counter but `enqueued` is used", () => {
    expect(new Set(STATES.map(counterOf))).toEqual(new Set(COUNTERS.filter((counter) => counter !== "enqueued")));
  });
  test("Q1 a move takes one away where it gives one", () => {
    for (const from of STATES)
      for (const to of STATES) expect(Object.values(countDelta(from, to)).reduce((sum, one) => sum + one, 0)).toBe(0);
    expect(countDelta("pending", "blocked")).toEqual({});
    expect(countDelta("sealed", "failed")).toEqual({ sealed: -1, failed: 1 });
  });
  test("Q1 any sequence of events keeps enqueued equal to the sum of the others", () => {
    const step = fc.record({ operation: fc.nat({ max: 7 }), event: fc.constantFrom(...EVENTS) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const states: State[] = Array.from({ length: 8 }, () => "pending");
        let counts = plus(start, { enqueued: 8, pending: 8 });
        const changes = [];
        for (const { operation, event } of steps) {
          const from = states[operation] as State;
          if (TRANSITIONS[from][event] === "illegal") continue;
          const to = transition(from, event);
          states[operation] = to;
          counts = plus(counts, countDelta(from, to));
          changes.push(countDelta(from, to));
          expect(conserved(counts)).toEqual({ ok: true, difference: 0 });
        }
        expect(plus(plus(start, { enqueued: 8, pending: 8 }), addCounts(...changes))).toEqual(counts);
        for (const counter of COUNTERS)
          if (counter !== "enqueued") expect(counts[counter]).toBe(states.filter((state) => counterOf(state) === counter).length);
      }),
    );
  });
});

test("Q4 states and phases of the store translate into each other", () => {
  for (const phase of PHASES) expect(phaseOf(stateOf(phase))).toBe(phase);
  expect(STATES.filter((state) => phaseOf(state) === undefined)).toEqual(["succeeded", "superseded"]);
});
