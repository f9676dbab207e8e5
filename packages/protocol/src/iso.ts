import type { EpochMs } from "./ids.ts";

const ISO_UTC = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z$/;

/** Reads an ISO 8601 instant in UTC (`2026-03-01T12:00:00.000Z`); digits below a millisecond are cut off. Days that do not exist are refused. */
export function parseIso(text: string): EpochMs | undefined {
  if (text.length > 30) return undefined;
  const match = ISO_UTC.exec(text);
  if (match === null) return undefined;
  const [, seconds = "", fraction = ""] = match;
  const ms = Date.parse(`${seconds}.${fraction.slice(0, 3).padEnd(3, "0")}Z`);
  // Engines disagree on 30 February (some roll over into March) and on 24:00: only what prints back unchanged is taken.
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(seconds)) return undefined;
  return ms as EpochMs;
}

/** @throws RangeError if `at` lies outside the years 0–9999. */
export function formatIso(at: EpochMs): string {
  const text = new Date(at).toISOString();
  if (text.length !== 24) throw new RangeError(`year must have four digits, got ${text}`);
  return text;
}
