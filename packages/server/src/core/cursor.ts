/** Cursors of the feed and page tokens of the snapshot. Opaque to clients, and no credential: the space comes from the session. */
import { formatIso, type EpochMs } from "@guardian-sync/protocol";
import type { Refusal } from "./refusal.ts";
import type { EntityRef, SpaceRow } from "./storage.ts";

/** Which entity types a client follows; null: all. Sorted. */
export type Filter = readonly string[] | null;

export interface Cursor {
  readonly generation: string;
  readonly seq: number;
  readonly filter: Filter;
}
export interface PageToken {
  readonly generation: string;
  readonly filter: Filter;
  /** The head when the first page was read. */
  readonly asOf: number;
  /** The last row of the page before. */
  readonly after: EntityRef;
}

// Parts are percent-encoded, so a colon only ever separates. The leading letter and digit name the format.
export function formatCursor({ generation, seq, filter }: Cursor): string {
  return ["c1", encodeURIComponent(generation), String(seq), formatFilter(filter)].join(":");
}
export function formatPageToken({ generation, filter, asOf, after }: PageToken): string {
  const [type, id] = [encodeURIComponent(after.type), encodeURIComponent(after.id)];
  return ["p1", encodeURIComponent(generation), String(asOf), formatFilter(filter), type, id].join(":");
}

/** Undefined when it is none of ours, or of a format that is gone. */
export function parseCursor(text: string): Cursor | undefined {
  const [format, generation, seq, filter, ...rest] = parts(text);
  if (format !== "c1" || generation === undefined || filter === undefined || rest.length > 0) return undefined;
  const number = wholeNumber(seq);
  return number === undefined ? undefined : { generation, seq: number, filter: parseFilter(filter) };
}
export function parsePageToken(text: string): PageToken | undefined {
  const [format, generation, asOf, filter, type, id, ...rest] = parts(text);
  if (format !== "p1" || generation === undefined || filter === undefined || type === undefined || id === undefined) return undefined;
  const number = wholeNumber(asOf);
  return number === undefined || rest.length > 0
    ? undefined
    : { generation, asOf: number, filter: parseFilter(filter), after: { type, id } };
}

export function sameFilter(a: Filter, b: Filter): boolean {
  return formatFilter(a) === formatFilter(b);
}

/** Why a cursor cannot be continued, or null. */
export function judgeCursor(cursor: Cursor, space: SpaceRow, filter: Filter): string | null {
  if (cursor.generation !== space.generation) return "the server's history was replaced";
  if (cursor.seq > space.headSeq) return "the cursor is ahead of the server: its history was cut back";
  if (cursor.seq < space.floorSeq) return "the changes since this cursor are no longer kept";
  return sameFilter(cursor.filter, filter) ? null : "the cursor belongs to another filter";
}

export function cursorExpired(reason: string, space: SpaceRow, now: EpochMs): Refusal {
  return {
    status: 410,
    code: "CURSOR_EXPIRED",
    message: `${reason}; load a snapshot`,
    details: { generation: space.generation, floor_seq: space.floorSeq, head_seq: space.headSeq, server_time: formatIso(now) },
  };
}

function formatFilter(filter: Filter): string {
  return filter === null ? "*" : filter.map(encodeURIComponent).join(",");
}
function parseFilter(text: string): Filter {
  return text === "*" ? null : text.split(",").filter((type) => type !== "");
}

function parts(text: string): readonly string[] {
  if (text.length > 4096) return [];
  try {
    return text.split(":").map(decodeURIComponent);
  } catch {
    return [];
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  const number = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}
