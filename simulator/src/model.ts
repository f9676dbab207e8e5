import type { NetworkFault } from "guardian-sync/testing";

/** What is promised, by its number in the laws. */
export type Invariant = "INV1" | "INV2" | "INV3" | "INV4" | "INV5" | "INV6" | "INV7" | "INV8" | "INV9" | "INV10" | "determinism" | "errors";

export interface Violation {
  readonly invariant: Invariant;
  readonly seed: number;
  readonly atMs: number;
  /** Names operations and processes, no contents. */
  readonly message: string;
}

export const FAULTS = [
  "request_lost",
  "answer_lost",
  "reset_before",
  "reset_after",
  "duplicate",
  "delayed",
  "reordered",
  "timeout",
  "offline",
  "partition",
  "connection_refused",
  "dns_failed",
  "gateway_error",
  "unavailable",
  "rate_limited",
  "portal",
  "client_crash",
  "client_freeze",
  "client_restart",
  "lock_forced",
  "client_clock_jump",
  "storage_full",
  "storage_unavailable",
  "server_crash_before_commit",
  "server_crash_after_commit",
  "server_restart",
  "server_clock_jump",
  "token_expired",
  "sign_in_change",
  "app_update",
  "app_downgrade",
  "handler_busy",
] as const;
export type Fault = (typeof FAULTS)[number];

export const NETWORK_FAULT: Readonly<Record<NetworkFault, Fault>> = {
  connectionRefused: "connection_refused",
  dnsFailed: "dns_failed",
  requestLost: "request_lost",
  answerLost: "answer_lost",
  resetBefore: "reset_before",
  resetAfter: "reset_after",
  gatewayError: "gateway_error",
  unavailable: "unavailable",
  rateLimited: "rate_limited",
  portal: "portal",
  offline: "offline",
  duplicate: "duplicate",
  timeout: "timeout",
};

export type FaultCounts = Record<Fault, number>;
export function noFaults(): FaultCounts {
  return Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as FaultCounts;
}

export interface Account {
  readonly space: string;
  readonly principal: string;
}

/** One operation as its author and the outside world saw it. */
export interface Enqueued {
  /** Null until it is known: a caller that dies before it is told leaves an operation that has a name only on its disk. */
  id: string | null;
  /** Order of the calls: what the queue's order must respect. */
  readonly call: number;
  readonly device: string;
  readonly process: string;
  /** Whose part of the queue it is in; null before it is on disk. */
  account: Account | null;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  /** Its explicit one. */
  readonly lane: string | null;
  /** Stands in its payload and in no other; empty for a DELETE. */
  readonly marker: string;
  /** What a counter, or the score of a board, grows by; 0 for everything else. */
  readonly by: number;
  /** `unheard`: the process died before it was told. */
  stored: "waiting" | "stored" | "refused" | "unheard";
  /** Position in the queue file, once it is on that disk. */
  seq: number | null;
  /** The operation that it is folded into: what becomes of that one becomes of it. */
  into: Enqueued | null;
  /** It had to wait for another operation of its entity. */
  heldBack: boolean;
  /** Its author was told that it will take no effect. */
  withdrawn: boolean;
  /** The first verdict that its author heard. */
  verdict: string | null;
  /** A person retried, resolved or discarded it: its place in the order is no longer that of its enqueue. */
  touched: boolean;
  /** A person, or the engine's last word, took it out of the usual way: cancelled, expired, put aside, failed. */
  meddled: boolean;
  /** Its author was looking at the view when it was written. */
  watched: boolean;
  /** All members of its group, itself included; empty without one. */
  group: readonly Enqueued[];
  /** What has to be applied before it. */
  parents: readonly Enqueued[];
  /** Keys under which it was seen on the wire. */
  readonly keys: Set<string>;
  /** What the server answered about it, whether or not that arrived: `outcome status`. */
  readonly answers: Set<string>;
  /** Its changes in the server's feed. */
  effects: number;
  /** Counts the server's effects, and its commits: those that brought its own, 0 before. */
  effectOrder: number;
  effectCommit: number;
  /** The version of its entity that it made, with its effect. */
  effectVersion: number | null;
}

export type Report = (invariant: Invariant, message: string) => void;
