import { describe, expect, test } from "vitest";
import { type BrakeEvent, type BrakeState, isBraking, RELEASED_BRAKE, stepBrake } from "./brake.ts";

const no = (operationId: string): BrakeEvent => ({ type: "rejected", operationId });
const run = (...events: BrakeEvent[]): BrakeState => events.reduce((state, event) => stepBrake(state, event), RELEASED_BRAKE);

describe("brake", () => {
  test("R3 five distinct operations rejected in a row stop the queue", () => {
    expect(isBraking(run(no("a"), no("b"), no("c"), no("d")))).toBe(false);
    expect(isBraking(run(no("a"), no("b"), no("c"), no("d"), no("e")))).toBe(true);
  });
  test("R3 one operation rejected five times does not", () => {
    expect(isBraking(run(no("a"), no("a"), no("a"), no("a"), no("a")))).toBe(false);
  });
  test("R3 a success, or a person, starts the count again", () => {
    expect(run(no("a"), no("b"), { type: "succeeded" })).toEqual(RELEASED_BRAKE);
    expect(run(no("a"), { type: "reset" })).toEqual(RELEASED_BRAKE);
    expect(run({ type: "succeeded" })).toBe(RELEASED_BRAKE);
  });
  test("R3 it remembers no more than it needs", () => {
    const many = run(...Array.from({ length: 50 }, (_, i) => no(String(i))));
    expect(many.rejected).toHaveLength(5);
    expect(isBraking(many)).toBe(true);
  });
});
