import type { State } from "./lifecycle.ts";

/**
 * Whether an operation in this state holds back every later operation of its entity. A rejected CREATE does, because
 * nothing it was written for exists; a rejected UPDATE or DELETE does not.
 */
export function holdsEntity(state: State, type: string): boolean {
  if (state === "failed") return type === "CREATE";
  return state === "parked" || state === "conflict" || state === "quarantined";
}
