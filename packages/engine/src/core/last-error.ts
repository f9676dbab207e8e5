import { MAX_LAST_ERROR_CHARS, type SyncErrorCode } from "@guardian-sync/protocol";

/** Takes personal data and secrets out of a text. Comes from telemetry as an argument: the core depends on nobody. */
export type Redact = (text: string) => string;

/** What is read of a message at most: redaction need not work through a megabyte that is cut to 512 characters. */
const MAX_READ_CHARS = 4096;

/**
 * `CODE STATUS message` on one line, at most 512 characters: `VALIDATION_ERROR 422 name: must not be empty`. Without an
 * HTTP status there stands `-`, so that columns stay columns.
 */
export function lastErrorText(code: SyncErrorCode, status: number | undefined, message: string, redact: Redact): string {
  const text = `${code} ${status ?? "-"} ${plain(message, redact)}`.trimEnd();
  if (text.length <= MAX_LAST_ERROR_CHARS) return text;
  const cut = text.slice(0, MAX_LAST_ERROR_CHARS - 1);
  // Half of a surrogate pair would be a broken character in every file and terminal.
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/** Redacted, and without what breaks lines or terminals. */
export function plain(message: string, redact: Redact): string {
  return redact(message.slice(0, MAX_READ_CHARS)).replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
