import { describe, expect, test } from "vitest";
import { BRAKE_ON_TRIAL, type BrakeEvent, type BrakeState, brakeRoom, isBraking, RELEASED_BRAKE, stepBrake } from "./brake.ts";

const no = (operationId: string): BrakeEvent => ({ type: "rejected", operationId });
const yes: BrakeEvent = { type: "succeeded" };
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
    expect(run(no("a"), no("b"), yes).rejected).toEqual([]);
    expect(run(no("a"), { type: "reset" })).toBe(RELEASED_BRAKE);
  });
  test("R3 it remembers no more than it needs", () => {
    const many = run(...Array.from({ length: 50 }, (_, i) => no(String(i))));
    expect(many.rejected).toHaveLength(5);
    expect(isBraking(many)).toBe(true);
  });
  test("R3 until an operation succeeds, a request risks no more than it takes to stop", () => {
    expect(brakeRoom(RELEASED_BRAKE)).toBe(5);
    expect(brakeRoom(run(no("a"), no("b")))).toBe(3);
    expect(brakeRoom(run(yes))).toBe(Number.POSITIVE_INFINITY);
    expect(brakeRoom(run(yes, no("a")))).toBe(4);
  });
  test("R3 on trial one rejection is enough, and one success ends the trial", () => {
    expect(brakeRoom(BRAKE_ON_TRIAL)).toBe(1);
    expect(isBraking(stepBrake(BRAKE_ON_TRIAL, no("a")))).toBe(true);
    expect(stepBrake(BRAKE_ON_TRIAL, yes)).toEqual(run(yes));
  });
});
