import type { State } from "./lifecycle.ts";

/** What an operation in this state means for those that depend on it, and for the other members of its group. */
export type Standing =
  /** Took effect. */
  | "done"
  /** May still go: its place in the queue is before theirs. */
  | "ahead"
  /** They wait until somebody has decided about it. */
  | "holds"
  /** It never will. */
  | "dead";

const STANDINGS: Readonly<Record<State, Standing>> = {
  pending: "ahead",
  // Whoever asks waits for what it waits for.
  blocked: "holds",
  sealed: "ahead",
  acked: "done",
  failed: "holds",
  parked: "holds",
  conflict: "holds",
  quarantined: "holds",
  archived: "holds",
  folded: "ahead",
  cancelled: "dead",
  succeeded: "done",
  superseded: "dead",
};

export function standingOf(state: State): Standing {
  return STANDINGS[state];
}
