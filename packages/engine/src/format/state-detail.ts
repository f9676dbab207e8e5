import { type Base, type Json, type JsonObject, MAX_LAST_ERROR_CHARS } from "@guardian-sync/protocol";
import { Fields } from "./fields.ts";

/** Events of one operation that are remembered: the last of them. */
export const MAX_HISTORY = 20;
/** A longer document is left to the change feed: rows are read many at a time. */
const MAX_CURRENT_CHARS = 65_536;

export interface HistoryEntry {
  /** Epoch ms. */
  readonly at: number;
  readonly event: string;
  readonly key?: string;
  readonly code?: string;
}

/** An operation as it has to be sent now. */
export interface Edit {
  /** A CREATE that found its id taken goes on as an UPDATE; an UPDATE before a DELETE, as that. Absent: as it was made. */
  readonly type?: "UPDATE" | "DELETE";
  readonly payload: Json;
  readonly before?: Json;
  /** Absent: without a condition. */
  readonly base?: Base;
  /**
   * The last of the operations that were folded in: its place, its key as it was made, and when (epoch ms). Absent: nothing was, or
   * a merge has made something else of them.
   */
  readonly last?: { readonly seq: number; readonly key: string; readonly at: number };
}
/** One field, with what each side holds. Absent: not there. */
export interface DetailConflict {
  readonly path: string;
  readonly before?: Json;
  readonly mine?: Json;
  readonly theirs?: Json;
}

/** What few operations need beyond their row's columns. Lives encrypted in the row; absent when there is nothing to say. */
export interface StateDetail {
  /** The current key, when it is not the one of the content any more. */
  readonly key?: string;
  /** Keys that a definite "not applied" ended, and of which a late copy may still arrive. */
  readonly supersedes?: readonly string[];
  readonly history?: readonly HistoryEntry[];
  /** Begins with code and status; redacted. */
  readonly lastError?: string;
  readonly code?: string;
  readonly status?: number;
  /** The server refused it definitely: the phase alone does not tell that from giving up. */
  readonly rejected?: true;
  /** The key for which a marker was asked that keeps late copies from being applied: while it is the current one, it is asked about first. */
  readonly stopAsked?: string;
  /** It was sealed when somebody cancelled it: the marker goes out in its place. */
  readonly cancelWanted?: boolean;
  /** The clock was corrected on its account once; a second refusal is final. */
  readonly skewCorrected?: true;
  /** It was applied: the document contains it from this version, or from this place in the feed, on. */
  readonly acked?: { readonly version?: number; readonly commitSeq?: number };
  /** The feed brought its effect before its answer came. */
  readonly isEchoed?: boolean;
  /** Where an archived one goes back to. */
  readonly archivedFrom?: "failed" | "parked" | "quarantined";
  /** Top-level fields that later edits of the entity have set since it failed; `everything`: it was deleted, or made anew. */
  readonly overtaken?: readonly string[] | "everything";
  /** What it has become by merging with what somebody else wrote, or by folding later ones into it; the content is never changed. */
  readonly edit?: Edit;
  /** How many operations are folded into this one: they end when it does. */
  readonly members?: number;
  /** How often it was merged in a row. */
  readonly merges?: number;
  /** The fields that only a person can decide. */
  readonly conflicts?: readonly DetailConflict[];
  /** What stood on the server instead, by the answer that made it a conflict. Without `data`: it was too long. */
  readonly current?: { readonly version: number; readonly data?: JsonObject | null };
  /** Ids of operations that it depended on and that ended without effect, or that nobody knows any more: a retry goes without them. */
  readonly lostParents?: readonly string[];
  readonly data?: Json;
}

/** The value as it stands, with every unknown field. @throws SyncError `UNREADABLE` when a known field has another type. */
export function parseStateDetail(value: Json): StateDetail {
  const fields = new Fields(value, "The detail of an operation's state");
  for (const name of ["key", "lastError", "code", "stopAsked"]) fields.optional(name, "string");
  for (const name of ["status", "merges", "members"]) fields.optional(name, "number");
  for (const name of ["rejected", "cancelWanted", "skewCorrected", "isEchoed"]) fields.optional(name, "boolean");
  for (const name of ["acked", "current", "edit"]) fields.optional(name, "object");
  fields.optionalTexts("supersedes");
  if (fields.get("overtaken") !== "everything") fields.optionalTexts("overtaken");
  fields.optionalTexts("lostParents");
  const conflicts = fields.get("conflicts");
  if (conflicts !== undefined && !Array.isArray(conflicts)) fields.fail("conflicts");
  const history = fields.get("history");
  if (history !== undefined && !Array.isArray(history)) fields.fail("history");
  return value as unknown as StateDetail;
}

/** Keeps the last entries of the history, the beginning of the error, and no long document: the row stays small whatever happens. */
export function encodeStateDetail(detail: StateDetail): Json {
  const { history, lastError, current } = detail;
  const isLong = current?.data != null && JSON.stringify(current.data).length > MAX_CURRENT_CHARS;
  return {
    ...detail,
    ...(history !== undefined && history.length > MAX_HISTORY ? { history: history.slice(-MAX_HISTORY) } : {}),
    ...(lastError !== undefined && lastError.length > MAX_LAST_ERROR_CHARS ? { lastError: lastError.slice(0, MAX_LAST_ERROR_CHARS) } : {}),
    ...(isLong ? { current: { version: current.version } } : {}),
  } as unknown as Json;
}
