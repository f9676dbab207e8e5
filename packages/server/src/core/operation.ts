/** An operation as the server judges it: the same for both faces. */
import {
  type Base,
  type EpochMs,
  fingerprint,
  isJsonObject,
  type Json,
  type Ordering,
  type Sha256Hex,
  type WireOperation,
} from "@guardian-sync/protocol";
import type { Refusal } from "./refusal.ts";

/** `If-Match`, judged apart from the base because it answers 412 instead of 409. */
export interface Precondition {
  /** As sent, for the answer. */
  readonly provided: string;
  /** Any of these versions will do; `"*"`: any existing one. */
  readonly versions: "*" | readonly number[];
}

export interface Operation {
  /** Null on best-effort routes: nothing is remembered, a repetition is executed again. */
  readonly key: string | null;
  readonly operationId: string | null;
  readonly fingerprint: string;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly payload: Json;
  readonly base?: Base;
  readonly precondition?: Precondition;
  /** How the payload of an UPDATE applies: `shallow` on the sync face, `merge` for PATCH, `replace` for PUT. */
  readonly patch: "shallow" | "merge" | "replace";
  readonly supersedes: readonly string[];
  readonly dependsOn: readonly string[];
  readonly lane?: string;
  readonly group?: string;
  readonly opNumber?: number;
  /** Sent only so that its marker is written and its number consumed. */
  readonly isCancelled: boolean;
}

/** An operation that could not be read; it gets its own refusal and costs the others nothing. */
export interface MalformedOperation {
  readonly key: string;
  readonly refusal: Refusal;
}

/** What the operations of one request have in common. */
export interface Envelope {
  readonly space: string;
  readonly principal: string;
  readonly roles: readonly string[];
  readonly ordering: Ordering;
  readonly clientId: string | null;
  readonly fence: { readonly fence: number; readonly lease: string } | null;
  readonly now: EpochMs;
}

/**
 * Equal on both faces: the REST face must carry the entity's id in the body of a CREATE, the sync face need not, so it does not
 * count when it says only what `entity_id` says.
 */
export function fingerprintOf(operation: FingerprintInput, sha256: Sha256Hex): string {
  const { payload, entity_id } = operation;
  if (!isJsonObject(payload) || payload.id !== entity_id) return fingerprint(operation, sha256);
  const { id: _, ...rest } = payload;
  return fingerprint({ ...operation, payload: rest }, sha256);
}
type FingerprintInput = Parameters<typeof fingerprint>[0];

export function fromWire(operation: WireOperation, sha256: Sha256Hex): Operation {
  const { base, lane, group, op_number: opNumber } = operation;
  return {
    key: operation.key,
    operationId: operation.operation_id,
    fingerprint: fingerprintOf(operation, sha256),
    type: operation.type,
    entityType: operation.entity_type,
    entityId: operation.entity_id,
    payload: operation.payload,
    patch: "shallow",
    supersedes: operation.supersedes ?? [],
    dependsOn: operation.depends_on ?? [],
    isCancelled: operation.cancelled === true,
    ...(base === undefined ? {} : { base }),
    ...(lane === undefined ? {} : { lane }),
    ...(group === undefined ? {} : { group }),
    ...(opNumber === undefined ? {} : { opNumber }),
  };
}
