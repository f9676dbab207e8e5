import { COUNTERS, type Counter, type Phase } from "../ports/index.ts";

/** Where an operation can stand. The last three of them are the end: no event leads out. */
export const STATES = [
  /** Waits for its turn. */
  "pending",
  /** Waits for another operation (`blockedBy`). */
  "blocked",
  /** Its bytes are fixed and count as sent. */
  "sealed",
  /** Applied; shown until the snapshot contains it. */
  "acked",
  /** A definite no. Out of the view. */
  "failed",
  /** Cannot go on alone: outcome unknown, definition missing. Stays in the view, holds its entity. */
  "parked",
  /** Somebody else wrote, and no rule decides. Stays in the view, holds its entity. */
  "conflict",
  /** Its content cannot be read. Holds its entity. */
  "quarantined",
  /** Put aside by a person. */
  "archived",
  /** Its effect travels with an earlier operation. */
  "folded",
  "cancelled",
  "succeeded",
  /** Nothing of it was left to send. */
  "superseded",
] as const;
export type State = (typeof STATES)[number];

/** What an answer, or a question about its key, said of an operation. May come twice. */
export const VERDICT_EVENTS = [
  "applied",
  "noop",
  /** An earlier key of it was applied. */
  "applied_before",
  /** The snapshot contains it. */
  "echo",
  /** A definite no. */
  "reject",
  "conflict",
  /** A definite "not applied" that asks for another try: the seal opens. */
  "unseal",
  /** Nothing definite: same bytes, same key, later. */
  "retry_later",
  /** The server holds the cancel marker. */
  "cancelled",
  "park",
] as const;

const OTHER_EVENTS = [
  "block",
  "release",
  "seal",
  "expire",
  /** What it depends on ended without effect, so it cannot have one. */
  "orphan",
  "quarantine",
  /** The definition of a parked type is registered again. */
  "restore_definition",
  "fold",
  /** CREATE and DELETE meet before anything was sent. */
  "annihilate",
  /** Nothing is left to send: every field was set by later edits, or the other side's version was chosen. */
  "supersede",
  "cancel_requested",
  /** A person wants it tried again, with a new key. */
  "manual_retry",
  /** A person wants it sent again as it is: same bytes, same key, because its outcome is unknown. */
  "resend",
  /** A person, or a late rule, decided a conflict: rendered anew. */
  "resolve",
  "discard",
  "archive",
  /** Back from the archive to where it came from. */
  "restore_failed",
  "restore_parked",
  "restore_quarantined",
] as const;
export type VerdictEvent = (typeof VERDICT_EVENTS)[number];
export type Event = VerdictEvent | (typeof OTHER_EVENTS)[number];
export const EVENTS: readonly Event[] = [...VERDICT_EVENTS, ...OTHER_EVENTS];

/** `ignore`: a duplicate, or too late; nothing changes. `illegal`: cannot happen unless the engine is wrong. */
type Cell = { readonly to: State } | "ignore" | "illegal";
type Row = Readonly<Record<Event, Cell>>;

const to = <S extends State>(state: S): { readonly to: S } => ({ to: state });
function row<const E extends readonly Event[]>(events: E, cell: Cell): Readonly<Record<E[number], Cell>> {
  return Object.fromEntries(events.map((event) => [event, cell])) as Record<E[number], Cell>;
}

/** Verdicts belong to what was sent: for what was not, they are a fault of the engine. */
const NOT_SENT: Readonly<Record<VerdictEvent, Cell>> = { ...row(VERDICT_EVENTS, "illegal"), echo: "ignore" };
/** Verdicts that come after the end say it again. */
const TOLD: Readonly<Record<VerdictEvent, Cell>> = row(VERDICT_EVENTS, "ignore");
const QUEUE_EVENTS = ["block", "release", "orphan", "seal", "restore_definition", "fold", "annihilate"] as const;
const RESTORES = ["restore_failed", "restore_parked", "restore_quarantined"] as const;
const DECISIONS = ["supersede", "manual_retry", "resend", "resolve", "discard", "archive", ...RESTORES] as const;
/** Races of a person, a clock or a damaged file against the end: too late, and no fault. */
const TOO_LATE = row(["expire", "quarantine", "cancel_requested"], "ignore");
const ENDED: Row = { ...TOLD, ...row(QUEUE_EVENTS, "illegal"), ...row(DECISIONS, "illegal"), ...TOO_LATE };

/** The one life cycle. A missing cell does not compile. */
export const TRANSITIONS: Readonly<Record<State, Row>> = {
  pending: {
    ...NOT_SENT,
    ...row(DECISIONS, "illegal"),
    // Its key stands in the success record, or a key that it had before was applied.
    applied_before: to("acked"),
    park: to("parked"),
    block: to("blocked"),
    release: "ignore",
    seal: to("sealed"),
    expire: to("cancelled"),
    orphan: to("failed"),
    quarantine: to("quarantined"),
    restore_definition: "ignore",
    fold: to("folded"),
    annihilate: to("superseded"),
    supersede: to("superseded"),
    cancel_requested: to("cancelled"),
    discard: to("cancelled"),
  },
  blocked: {
    ...NOT_SENT,
    ...row(DECISIONS, "illegal"),
    applied_before: to("acked"),
    park: to("parked"),
    block: "ignore",
    release: to("pending"),
    seal: "illegal",
    expire: to("cancelled"),
    orphan: to("failed"),
    quarantine: to("quarantined"),
    restore_definition: "ignore",
    fold: to("folded"),
    annihilate: to("superseded"),
    supersede: to("superseded"),
    cancel_requested: to("cancelled"),
    discard: to("cancelled"),
  },
  sealed: {
    ...row(QUEUE_EVENTS, "illegal"),
    ...row(DECISIONS, "illegal"),
    applied: to("acked"),
    noop: to("acked"),
    applied_before: to("acked"),
    // It may be the echo of a key that this one supersedes: the answer decides.
    echo: "ignore",
    reject: to("failed"),
    conflict: to("conflict"),
    unseal: to("pending"),
    retry_later: to("sealed"),
    cancelled: to("cancelled"),
    park: to("parked"),
    // A new hold does not call back what was sent.
    block: "ignore",
    release: "ignore",
    // Never while sealed.
    expire: "ignore",
    quarantine: to("quarantined"),
    // Asked for in its place; the marker's answer decides.
    cancel_requested: to("sealed"),
    discard: to("sealed"),
  },
  acked: { ...ENDED, echo: to("succeeded") },
  failed: {
    ...ENDED,
    quarantine: to("quarantined"),
    supersede: to("superseded"),
    manual_retry: to("pending"),
    discard: to("cancelled"),
    archive: to("archived"),
  },
  parked: {
    ...ENDED,
    // A late question about its key found the answer.
    applied: to("acked"),
    noop: to("acked"),
    applied_before: to("acked"),
    reject: to("failed"),
    cancelled: to("cancelled"),
    conflict: to("conflict"),
    quarantine: to("quarantined"),
    restore_definition: to("pending"),
    supersede: to("superseded"),
    manual_retry: to("pending"),
    resend: to("sealed"),
    cancel_requested: to("cancelled"),
    discard: to("cancelled"),
    archive: to("archived"),
  },
  conflict: {
    ...ENDED,
    quarantine: to("quarantined"),
    supersede: to("superseded"),
    resolve: to("pending"),
    cancel_requested: to("cancelled"),
    discard: to("cancelled"),
  },
  quarantined: {
    ...ENDED,
    // Readable again: its key came back, or a backup brought the bytes.
    manual_retry: to("pending"),
    resend: to("sealed"),
    discard: to("cancelled"),
    archive: to("archived"),
  },
  archived: {
    ...ENDED,
    discard: to("cancelled"),
    restore_failed: to("failed"),
    restore_parked: to("parked"),
    restore_quarantined: to("quarantined"),
  },
  // Ends with its survivor.
  folded: {
    ...ENDED,
    applied: to("succeeded"),
    noop: to("succeeded"),
    applied_before: to("succeeded"),
    echo: to("succeeded"),
    cancelled: to("cancelled"),
    supersede: to("superseded"),
  },
  cancelled: ENDED,
  succeeded: ENDED,
  superseded: ENDED,
};

/** @throws RangeError if the event is illegal in this state: a fault of the engine, never of an app. */
export function transition(state: State, event: Event): State {
  const cell = TRANSITIONS[state][event];
  if (cell === "illegal") throw new RangeError(`an operation that is ${state} cannot meet the event ${event}`);
  return cell === "ignore" ? state : cell.to;
}

const COUNTER_OF: Readonly<Record<State, Exclude<Counter, "enqueued">>> = {
  pending: "pending",
  blocked: "pending",
  sealed: "sealed",
  acked: "succeeded",
  failed: "failed",
  parked: "parked",
  conflict: "conflict",
  quarantined: "quarantined",
  archived: "archived",
  folded: "succeeded",
  cancelled: "cancelled",
  succeeded: "succeeded",
  superseded: "succeeded",
};

/** The counter in which an operation of this state is counted: exactly one. */
export function counterOf(state: State): Exclude<Counter, "enqueued"> {
  return COUNTER_OF[state];
}

export type CountChange = Readonly<Partial<Record<Counter, number>>>;

/** What a move does to the counts. The sum is always 0: conservation holds by construction. */
export function countDelta(from: State, next: State): CountChange {
  const left = COUNTER_OF[from];
  const entered = COUNTER_OF[next];
  return left === entered ? {} : { [left]: -1, [entered]: 1 };
}

export function addCounts(...changes: readonly CountChange[]): CountChange {
  const sum: Partial<Record<Counter, number>> = {};
  for (const change of changes) {
    for (const counter of COUNTERS) if (change[counter] !== undefined) sum[counter] = (sum[counter] ?? 0) + change[counter];
  }
  return sum;
}

/** How the store writes a state: `undefined` = it keeps no row of it. */
export function phaseOf(state: State): Phase | undefined {
  if (state === "pending") return "ready";
  return state === "succeeded" || state === "superseded" ? undefined : state;
}

export function stateOf(phase: Phase): State {
  return phase === "ready" ? "pending" : phase;
}
