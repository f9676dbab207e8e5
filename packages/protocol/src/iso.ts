import type { EpochMs } from "./ids.ts";

const ISO_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/;

/** Reads an ISO 8601 instant in UTC (`2026-03-01T12:00:00.000Z`); digits below a millisecond are cut off. Days that do not exist are refused. */
export function parseIso(text: string): EpochMs | undefined {
  if (text.length > 30 || !ISO_UTC.test(text)) return undefined;
  // The standard promises only three digits of a fraction, or none.
  const fraction = text.length > 20 ? `.${text.slice(20, -1).slice(0, 3).padEnd(3, "0")}` : "";
  const ms = Date.parse(`${text.slice(0, 19)}${fraction}Z`);
  if (Number.isNaN(ms)) return undefined;
  // Engines disagree on 30 February (some roll over into March) and take 24:00 for the next day: those must print back unchanged.
  const mayRollOver = text.slice(8, 10) > "28" || text.startsWith("24", 11);
  return mayRollOver && !new Date(ms).toISOString().startsWith(text.slice(0, 19)) ? undefined : (ms as EpochMs);
}

/** @throws RangeError if `at` lies outside the years 0–9999. */
export function formatIso(at: EpochMs): string {
  const text = new Date(at).toISOString();
  if (text.length !== 24) throw new RangeError(`year must have four digits, got ${text}`);
  return text;
}
