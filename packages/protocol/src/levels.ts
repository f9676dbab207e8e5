/** What a backend can do decides what is promised. Levels build on each other: each has all that the ones below it have. */
export type CapabilityLevel = 0 | 1 | 2 | 3 | 4;

export interface LevelDescription {
  readonly level: CapabilityLevel;
  /** What the backend has, in a few words for a table. */
  readonly offers: string;
  /** What the engine then guarantees, one sentence per promise. */
  readonly promises: readonly string[];
}

/** Printed by the command line, by `status` and in the documentation. Index = level. */
export const LEVELS: readonly [LevelDescription, LevelDescription, LevelDescription, LevelDescription, LevelDescription] = [
  {
    level: 0,
    offers: "REST only",
    promises: [
      "A create takes effect once only if the client's id travels with it, or a findExisting hook can look it up; otherwise a lost answer may create twice.",
      "Updates set absolute values; the last write wins.",
    ],
  },
  {
    level: 1,
    offers: "REST with ETag and If-Match",
    promises: [
      "No update silently overwrites another.",
      "When a repeated try meets 412, its own earlier effect is looked for before it counts as a conflict.",
    ],
  },
  {
    level: 2,
    offers: "and Idempotency-Key",
    promises: [
      "Each operation takes effect exactly once within the backend's key window.",
      "After the window the effect is checked, never guessed.",
    ],
  },
  {
    level: 3,
    offers: "and a change feed",
    promises: ["Data of others arrives live.", "An own write is recognised when the feed brings it back."],
  },
  {
    level: 4,
    offers: "Guardian Sync protocol version 1",
    promises: [
      "Exactly-once effect for 90 days, in order, in batches, with groups that are applied whole or not at all.",
      "After 90 days an unknown outcome is shown to a person; it is never sent again blindly.",
    ],
  },
];

/** What was declared in the configuration or learned by safe requests. */
export interface CapabilityFacts {
  /** Answers writes with ETag (or a version) and honours If-Match. */
  readonly conditionalWrites: boolean;
  /** Executes at most one request per Idempotency-Key and repeats its answer. */
  readonly idempotencyKeys: boolean;
  /** Can be asked what changed since a cursor. */
  readonly changeFeed: boolean;
  /** Speaks a protocol version that this client speaks. */
  readonly syncProtocol: boolean;
}

/** The highest level whose every requirement is met: a missing rung ends the climb, whatever lies above it. */
export function levelOf(facts: CapabilityFacts): CapabilityLevel {
  if (!facts.conditionalWrites) return 0;
  if (!facts.idempotencyKeys) return 1;
  if (!facts.changeFeed) return 2;
  return facts.syncProtocol ? 4 : 3;
}

/** The part of a handshake's answer that decides the level. */
export interface HandshakeFacts {
  readonly protocol: { readonly min: number; readonly max: number };
  readonly idempotency: { readonly honoured: boolean };
  readonly feed: { readonly changes: boolean; readonly snapshot: boolean };
}

/** Reads a handshake answer. The protocol itself carries versions, so a backend that answers has conditional writes. */
export function factsOfHandshake(answer: HandshakeFacts, protocolVersion: number): CapabilityFacts {
  return {
    conditionalWrites: true,
    idempotencyKeys: answer.idempotency.honoured,
    changeFeed: answer.feed.changes && answer.feed.snapshot,
    syncProtocol: answer.protocol.min <= protocolVersion && protocolVersion <= answer.protocol.max,
  };
}
