/** Global ordering: each client's operations take their numbers in turn, 1, 2, 3, … without a hole. */
import type { Refusal } from "./refusal.ts";

/** `next`: it is this number's turn. `past`: its number was consumed before. `ahead`: others come first. */
export type Turn = "next" | "past" | "ahead";

export function turnOf(lastOpNumber: number, opNumber: number): Turn {
  if (opNumber === lastOpNumber + 1) return "next";
  return opNumber <= lastOpNumber ? "past" : "ahead";
}

export function outOfOrder(lastOpNumber: number, opNumber: number): Refusal {
  const expected = lastOpNumber + 1;
  return {
    status: 409,
    code: "OUT_OF_ORDER",
    message: `operation number ${opNumber} is not the next one; send ${expected} first`,
    details: { expected, provided: opNumber },
  };
}
