import {
  type CapabilityFacts,
  type CapabilityLevel,
  factsOfHandshake,
  type HandshakeResponse,
  levelOf,
  MAX_BATCH_OPERATIONS,
  MAX_BODY_BYTES,
  PROTOCOL_VERSION,
  parseIso,
} from "@guardian-sync/protocol";
import { type Account, sameAccount } from "./session.ts";

/** What a backend can do: learned from its handshake, or declared. Cached with the account. */
export interface Capabilities {
  readonly level: CapabilityLevel;
  /** Never above the protocol's own bounds. */
  readonly maxOperations: number;
  readonly maxBytes: number;
  /** Declared operations that go by name on the sync face. */
  readonly namedOperations: readonly string[];
  /** Entity type → collection. */
  readonly collections: { readonly [entityType: string]: string };
  /** Whether a key can be cancelled. */
  readonly cancel: boolean;
  readonly feed: boolean;
  readonly socket: boolean;
  /** How long a key is remembered, ms; 0 = not at all. */
  readonly keyWindowMs: number;
  /** Changes when the server's history began anew. Empty below level 4. */
  readonly generation: string;
}

export type HandshakeOutcome =
  | {
      readonly ok: true;
      readonly capabilities: Capabilities;
      /** Server time of the answer, epoch ms. */
      readonly serverTime: number;
    }
  | { readonly ok: false; readonly code: "PRINCIPAL_MISMATCH"; readonly message: string };

/** Reads an answer that the protocol's parser accepted. Another account than ours stops everything before the first write. */
export function readHandshake(answer: HandshakeResponse, account: Account): HandshakeOutcome {
  if (!sameAccount(answer.account, account)) {
    const message = `the server takes the token for another account than the app's session (space or principal differ); nothing was sent`;
    return { ok: false, code: "PRINCIPAL_MISMATCH", message };
  }
  const capabilities: Capabilities = {
    level: levelOf(factsOfHandshake(answer, PROTOCOL_VERSION)),
    maxOperations: Math.min(answer.batch.max_operations, MAX_BATCH_OPERATIONS),
    maxBytes: Math.min(answer.batch.max_bytes, MAX_BODY_BYTES),
    namedOperations: answer.operations,
    collections: answer.collections,
    cancel: answer.cancel,
    feed: answer.feed.changes && answer.feed.snapshot,
    socket: answer.realtime.socket,
    keyWindowMs: answer.idempotency.honoured ? answer.idempotency.key_window_s * 1000 : 0,
    generation: answer.generation,
  };
  return { ok: true, capabilities, serverTime: parseIso(answer.server_time) ?? 0 };
}

/** Of a backend without a handshake: what the configuration says. */
export function declaredCapabilities(facts: CapabilityFacts, collections: { readonly [entityType: string]: string }): Capabilities {
  // Level 4 is what a handshake proves; a declaration alone does not reach it.
  const level = levelOf({ ...facts, syncProtocol: false });
  return {
    level,
    maxOperations: 1,
    maxBytes: MAX_BODY_BYTES,
    namedOperations: [],
    collections,
    cancel: false,
    feed: level >= 3,
    socket: false,
    keyWindowMs: 0,
    generation: "",
  };
}

/**
 * What a backend has lost since it was last met, in words for a person; empty = nothing. A fall pauses the engine: what
 * was promised for operations already queued may no longer hold. Smaller batches are no fall.
 */
export function capabilityFell(before: Capabilities, after: Capabilities): readonly string[] {
  const lost: string[] = [];
  if (after.level < before.level) lost.push(`capability level ${before.level} became ${after.level}`);
  if (before.cancel && !after.cancel) lost.push("keys can no longer be cancelled");
  if (before.feed && !after.feed) lost.push("the change feed is gone");
  if (after.keyWindowMs < before.keyWindowMs)
    lost.push(`keys are remembered for ${after.keyWindowMs / 1000} s instead of ${before.keyWindowMs / 1000} s`);
  for (const name of before.namedOperations) if (!after.namedOperations.includes(name)) lost.push(`operation ${name} is no longer known`);
  return lost;
}
