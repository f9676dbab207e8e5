/** Stops the queue when one operation after the other is refused: a bad deploy must not burn it. */
export interface BrakeState {
  /** Operations rejected in a row without a success in between, each once. At most `threshold`. */
  readonly rejected: readonly string[];
}
export const RELEASED_BRAKE: BrakeState = { rejected: [] };
const BRAKE_THRESHOLD = 5;

export type BrakeEvent =
  | { readonly type: "rejected"; readonly operationId: string }
  | { readonly type: "succeeded" }
  | { readonly type: "reset" };

export function stepBrake(state: BrakeState, event: BrakeEvent, threshold: number = BRAKE_THRESHOLD): BrakeState {
  if (event.type !== "rejected") return state.rejected.length === 0 ? state : RELEASED_BRAKE;
  if (state.rejected.includes(event.operationId) || state.rejected.length >= threshold) return state;
  return { rejected: [...state.rejected, event.operationId] };
}

/** Pause with `MASS_REJECTION`. */
export function isBraking(state: BrakeState, threshold: number = BRAKE_THRESHOLD): boolean {
  return state.rejected.length >= threshold;
}
