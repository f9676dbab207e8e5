import { type BatchLimits, ENVELOPE_BYTES, fitsOneRequest } from "./batch-limits.ts";

/** How much the next request takes. */
export interface BatchState {
  /** Falls by half when a whole request fails, doubles with each success. */
  readonly operations: number;
  /** UTF-8 bytes of the body. Falls when the server finds a request too large, and stays: the next full one would be refused again. */
  readonly maxBytes: number;
}

const INJECTED_BYTES = 64;

export function fullBatch(limits: BatchLimits): BatchState {
  return { operations: limits.maxOperations, maxBytes: limits.maxBytes };
}

/** `sent`: how many were in the request that failed. */
export function halveBatch(state: BatchState, sent: number): BatchState {
  return { ...state, operations: Math.max(1, Math.floor(Math.min(state.operations, sent) / 2)) };
}

/** `sentBytes`: of the body that the server found too large. */
export function shrinkBatch(state: BatchState, sent: number, sentBytes: number): BatchState {
  return { ...halveBatch(state, sent), maxBytes: Math.max(ENVELOPE_BYTES, Math.min(state.maxBytes, Math.ceil(sentBytes / 2))) };
}

export function growBatch(state: BatchState, limits: BatchLimits): BatchState {
  return { ...state, operations: Math.min(limits.maxOperations, Math.max(1, state.operations) * 2) };
}

/** One operation that may go, as far as the size of a request is concerned. */
export interface BatchCandidate {
  /** UTF-8 bytes of its text in the body. */
  readonly sizeBytes: number;
  /** REST requests carry one operation. */
  readonly face: "sync" | "rest";
  /** Members stand side by side and are never split. */
  readonly groupId?: string | undefined;
}

export type Batch =
  | { readonly kind: "take"; readonly count: number }
  /** Its first group can never fit into one request. */
  | { readonly kind: "group_too_large"; readonly count: number };

/**
 * How many of the candidates, from the front, go into the next request: at least one (or one whole group), whatever the
 * bounds say, because a request that the server refuses as too large is answered, and one that is never sent is not.
 */
export function takeBatch(
  candidates: readonly BatchCandidate[],
  state: Pick<BatchState, "operations"> & Partial<BatchState>,
  limits: BatchLimits,
): Batch {
  const roomBytes = Math.min(state.maxBytes ?? limits.maxBytes, limits.maxBytes) - ENVELOPE_BYTES;
  let count = 0;
  let bytes = 0;
  for (const unit of unitsOf(candidates)) {
    const isGroup = candidates[count]?.groupId !== undefined;
    if (isGroup && count === 0 && !fitsOneRequest(unit, limits)) return { kind: "group_too_large", count: unit.count };
    if (count > 0 && (unit.alone || count + unit.count > state.operations || bytes + unit.bytes > roomBytes)) break;
    count += unit.count;
    bytes += unit.bytes;
    if (unit.alone) break;
  }
  return { kind: "take", count };
}

interface Unit {
  count: number;
  bytes: number;
  readonly alone: boolean;
}

function unitsOf(candidates: readonly BatchCandidate[]): readonly Unit[] {
  const units: Unit[] = [];
  let group: string | undefined;
  for (const { sizeBytes, face, groupId } of candidates) {
    const last = units.at(-1);
    if (groupId !== undefined && groupId === group && last !== undefined) {
      last.count += 1;
      last.bytes += sizeBytes + INJECTED_BYTES;
    } else units.push({ count: 1, bytes: sizeBytes + INJECTED_BYTES, alone: face === "rest" });
    group = groupId;
  }
  return units;
}
