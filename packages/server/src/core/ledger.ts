/** What the ledger says about a key: the same answer again, a mismatch, a verdict. */
import {
  type EpochMs,
  formatIso,
  LEDGER_WINDOW_MS,
  type OperationResult,
  REPLAY_WINDOW_MS,
  type Verdict,
  type WireCode,
} from "@guardian-sync/protocol";
import { type Refusal, wireError } from "./refusal.ts";
import type { LedgerRow, SpaceRow } from "./storage.ts";

/** Answers of a key that was cancelled before its operation arrived, whatever arrives later. */
export const CANCELLED: Refusal = {
  status: 409,
  code: "CONFLICT",
  message: "this operation was cancelled, or replaced by another one, before it arrived; it was not executed",
  details: { conflict_type: "cancelled" },
};

/** The marker of a key that shall never be executed. */
export function cancelMarker(key: string, now: EpochMs, fingerprint: string | null = null): LedgerRow {
  const { status, code } = CANCELLED;
  return {
    key,
    fingerprint,
    outcome: "cancelled",
    status,
    code,
    entityType: null,
    entityId: null,
    version: null,
    commitSeq: null,
    response: null,
    at: now,
  };
}

export function wasApplied(row: LedgerRow | undefined): row is LedgerRow {
  return row?.outcome === "applied" || row?.outcome === "noop";
}

/** The stored answer; after the replay window what the row itself remembers, without the document. */
export function replay(row: LedgerRow, now: EpochMs): OperationResult {
  if (row.response !== null && now - row.at < REPLAY_WINDOW_MS) return { ...row.response, replayed: true };
  return {
    key: row.key,
    status: row.status,
    outcome: row.outcome,
    ...(row.version === null ? {} : { version: row.version }),
    ...(row.commitSeq === null ? {} : { commit_seq: row.commitSeq }),
    ...errorOf(row),
    replayed: true,
  };
}

function errorOf({ outcome, code, at }: LedgerRow): Pick<OperationResult, "error"> {
  if (outcome === "cancelled") return { error: wireError(CANCELLED) };
  if (code === null) return {};
  return { error: { code, message: `refused on ${formatIso(at)} with ${code}; the details are no longer kept` } };
}

export function mismatch(key: string): Refusal {
  return {
    status: 422,
    code: "IDEMPOTENCY_MISMATCH" satisfies WireCode,
    message: `the key ${key} belongs to another operation; a key names one operation for ever`,
    details: { field: "key", constraint: "idempotency" },
  };
}

/** Keys first sent before this moment may have been forgotten. */
function knownSince(space: SpaceRow, now: EpochMs): EpochMs {
  return Math.max(space.knownSince, now - LEDGER_WINDOW_MS) as EpochMs;
}

export function verdictOf(key: string, row: LedgerRow | undefined, space: SpaceRow, now: EpochMs): Verdict {
  const known_since = formatIso(knownSince(space, now));
  if (row === undefined) return { key, verdict: "unknown", known_since };
  if (row.outcome === "cancelled") return { key, verdict: "cancelled", known_since };
  return { key, verdict: wasApplied(row) ? "applied" : "rejected", known_since, result: replay(row, now) };
}
