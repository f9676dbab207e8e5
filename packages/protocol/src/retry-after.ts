import type { EpochMs } from "./ids.ts";
import { MAX_RETRY_AFTER_MS } from "./limits.ts";

const SECONDS = /^\d{1,12}$/;
const IMF_FIXDATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const ABSURD_MS = 10 * 366 * 86_400_000;

/** Reads the one date format that RFC 9110 §5.6.7 lets senders write. The obsolete two are refused. */
export function parseHttpDate(text: string): EpochMs | undefined {
  const match = IMF_FIXDATE.exec(text);
  if (match === null) return undefined;
  const [, , day, month = "", year, hour, minute, second] = match;
  const ms = Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second));
  // Printing it back finds wrong weekdays, 31 February and 25 o'clock at once.
  if (formatHttpDate(ms as EpochMs) !== text) return undefined;
  return ms as EpochMs;
}

/** IMF-fixdate, whole seconds. */
export function formatHttpDate(at: EpochMs): string {
  return new Date(at).toUTCString();
}

/**
 * Milliseconds that an answer asks to wait, at most 24 h. A date is read against the answer's own `Date`, so that a
 * wrong local clock does not matter; without a readable `Date` it says nothing. Negative, fractional, malformed values
 * and waits of more than ten years are ignored (`undefined`): backoff then decides alone.
 */
export function parseRetryAfter(value: string | null | undefined, dateHeader: string | null | undefined): number | undefined {
  const text = value?.trim() ?? "";
  const waitMs = SECONDS.test(text) ? Number(text) * 1000 : untilDate(text, dateHeader?.trim() ?? "");
  if (waitMs === undefined || waitMs < 0 || waitMs > ABSURD_MS) return undefined;
  return Math.min(waitMs, MAX_RETRY_AFTER_MS);
}

function untilDate(text: string, dateHeader: string): number | undefined {
  const due = parseHttpDate(text);
  const answered = parseHttpDate(dateHeader);
  return due === undefined || answered === undefined ? undefined : due - answered;
}
