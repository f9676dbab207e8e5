import { canonicalJson } from "./canonical.ts";
import type { Json } from "./json.ts";
import type { Base } from "./messages.ts";

/** Lowercase hex of the SHA-256 of a text's UTF-8 bytes. The platform brings it; this package has no cryptography. */
export type Sha256Hex = (text: string) => string;

/** What makes two requests with one key the same request. Never meta, attempt, fence, trace or lane. */
export interface FingerprintInput {
  readonly type: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly payload: Json;
  readonly base?: Base;
  readonly group?: string;
}

/** The text that is hashed: canonical JSON of exactly the six members; an absent `base` or `group` is `null`. */
export function fingerprintText(op: FingerprintInput): string {
  const { type, entity_type, entity_id, payload, base = null, group = null } = op;
  return canonicalJson({ type, entity_type, entity_id, payload, base: base as Json, group });
}

/** The ledger compares this: one key with two fingerprints is IDEMPOTENCY_MISMATCH. Equal on the REST and the sync face. */
export function fingerprint(op: FingerprintInput, sha256: Sha256Hex): string {
  return sha256(fingerprintText(op));
}
