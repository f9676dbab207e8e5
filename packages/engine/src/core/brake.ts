/** Stops the queue when one operation after the other is refused: a bad deploy must not burn it. */
export interface BrakeState {
  /** Operations rejected in a row without a success in between, each once. At most `threshold`. */
  readonly rejected: readonly string[];
  /** So many in a row stop the queue. */
  readonly threshold: number;
  /** Nothing was rejected since the last success: a request may be full. */
  readonly proven: boolean;
}
const BRAKE_THRESHOLD = 5;
export const RELEASED_BRAKE: BrakeState = { rejected: [], threshold: BRAKE_THRESHOLD, proven: false };
/** After a pause that only a restart lifted: a single rejection puts it back. */
export const BRAKE_ON_TRIAL: BrakeState = { ...RELEASED_BRAKE, threshold: 1 };
const PROVEN_BRAKE: BrakeState = { ...RELEASED_BRAKE, proven: true };

export type BrakeEvent =
  | { readonly type: "rejected"; readonly operationId: string }
  | { readonly type: "succeeded" }
  | { readonly type: "reset" };

export function stepBrake(state: BrakeState, event: BrakeEvent): BrakeState {
  if (event.type === "succeeded") return state.proven ? state : PROVEN_BRAKE;
  if (event.type === "reset") return RELEASED_BRAKE;
  if (state.rejected.includes(event.operationId) || state.rejected.length >= state.threshold) return state;
  return { ...state, rejected: [...state.rejected, event.operationId], proven: false };
}

/** Pause with `MASS_REJECTION`. */
export function isBraking(state: BrakeState): boolean {
  return state.rejected.length >= state.threshold;
}

/** How many operations the next request may risk: until one succeeds, no more than it takes to stop. */
export function brakeRoom({ rejected, threshold, proven }: BrakeState): number {
  return proven ? Number.POSITIVE_INFINITY : Math.max(1, threshold - rejected.length);
}
