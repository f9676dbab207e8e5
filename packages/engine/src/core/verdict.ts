import {
  type CapabilityLevel,
  canonicalJson,
  isJsonObject,
  type Json,
  parseIso,
  type SyncErrorCode,
  type Verdict,
} from "@guardian-sync/protocol";
import type { VerdictEvent } from "./lifecycle.ts";

/** How to learn what became of a key before its operation may fail. */
export type Question =
  /** Nothing to ask: the failure is final. */
  | "none"
  /** `GET …/ops/{key}`. */
  | "ledger"
  /** `POST …/ops/{key}/cancel`: answers like the ledger, and refuses every copy that is still under way. */
  | "cancel"
  /** GET the document and compare. */
  | "get_compare";

export interface EndInput {
  /** `rejected`: an answer said no. `exhausted`: the tries are used up. */
  readonly why: "rejected" | "exhausted";
  readonly level: CapabilityLevel;
  /** The backend can cancel keys. */
  readonly canCancel: boolean;
  /** It may have been sent before the request that was answered. */
  readonly sentBefore: boolean;
  /** The no is the ledger's own: a result with this key. */
  readonly fromLedger: boolean;
}

/** What to ask before an operation fails for good. */
export function askBeforeFailing({ why, level, canCancel, sentBefore, fromLedger }: EndInput): Question {
  if (why === "rejected" && (fromLedger || !sentBefore)) return "none";
  if (level < 4) return "get_compare";
  return canCancel ? "cancel" : "ledger";
}

/** The end of an operation, or why there is none yet. */
export type End =
  | { readonly kind: "end"; readonly event: VerdictEvent; readonly code: SyncErrorCode | null }
  /** Nobody answered, so nothing is known: it stays sealed, and the engine says that the origin is failing. */
  | { readonly kind: "origin_failing" };

/** The refusal or the exhaustion that led to the question. */
export interface Cause {
  readonly why: "rejected" | "exhausted";
  readonly code: SyncErrorCode;
}

const APPLIED: End = { kind: "end", event: "applied", code: null };
const UNKNOWN: End = { kind: "end", event: "park", code: "OUTCOME_UNKNOWN" };
const SILENT: End = { kind: "origin_failing" };

/**
 * What the answer of the ledger, or of a cancel, means. `undefined`: there was none.
 * `firstSendAt` is server time, 0 = older than anything.
 */
export function endByVerdict(cause: Cause, verdict: Verdict | undefined, firstSendAt: number, question: "ledger" | "cancel"): End {
  if (verdict === undefined) return SILENT;
  const rejected: End = { kind: "end", event: "reject", code: cause.why === "rejected" ? cause.code : "RETRIES_EXHAUSTED" };
  switch (verdict.verdict) {
    case "applied":
      return APPLIED;
    case "rejected":
      return { kind: "end", event: "reject", code: cause.why === "rejected" ? cause.code : codeIn(verdict) };
    case "cancelled":
      // A marker that was written just now says nothing about a time before the ledger's memory.
      return isForgotten(verdict, firstSendAt) ? UNKNOWN : rejected;
    case "unknown":
      if (isForgotten(verdict, firstSendAt)) return UNKNOWN;
      // It never arrived. Without a marker a delayed copy still may; only after a refusal is that the smaller evil.
      return cause.why === "rejected" || question === "cancel" ? rejected : UNKNOWN;
    default:
      return verdict.verdict satisfies never;
  }
}

/** First sent before the ledger's memory begins: it may have been applied, and forgotten. */
function isForgotten(verdict: Verdict, firstSendAt: number): boolean {
  return firstSendAt < (parseIso(verdict.known_since) ?? Number.POSITIVE_INFINITY);
}

function codeIn({ result }: Verdict): SyncErrorCode {
  return result?.status === 422 || result?.status === 400 ? "VALIDATION_ERROR" : "REQUEST_REJECTED";
}

/** What a safe GET showed of the entity. `undefined` as a whole: no answer. */
export type Look = { readonly kind: "found"; readonly document: Json } | { readonly kind: "gone" };

/**
 * On backends without a ledger: compares what is there with what was sent. Equal on every field that the client set is
 * taken for success; anything else stays open, because another client may have written since.
 */
export function endByLook(type: string, sent: Json, look: Look | undefined): End {
  if (look === undefined) return SILENT;
  if (type === "DELETE") return look.kind === "gone" ? APPLIED : UNKNOWN;
  return look.kind === "found" && contains(look.document, sent) ? APPLIED : UNKNOWN;
}

/** Whether the document has every field that the client set, with an equal value. */
export function contains(document: Json, sent: Json): boolean {
  if (!isJsonObject(document) || !isJsonObject(sent)) return false;
  return Object.entries(sent).every(([name, value]) => {
    const there = Object.hasOwn(document, name) ? document[name] : undefined;
    // A merge patch removes what it sets to null, and many servers leave empty members out.
    return there === undefined ? value === null : canonicalJson(there) === canonicalJson(value);
  });
}
