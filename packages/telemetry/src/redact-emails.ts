const AT = 0x40;
const PERCENT = 0x25;
const TOP_LEVEL = /\.(?:[a-z\u00c0-\u024f\u0370-\u052f]{2,}|xn--[a-z\d-]{2,})$/i;

/**
 * E-mail addresses, also with `%40` for the `@`. Looks to both sides of each mark; no look crosses another mark, so a
 * text is walked at most three times, whatever stands in it. A domain needs a dot and a top level of letters:
 * `package@1.2.3` is none.
 */
export function redactEmails(text: string): string {
  if (!text.includes("@") && !text.includes("%40")) return text;
  let out = "";
  let done = 0;
  let floor = 0;
  for (let at = nextMark(text, 0); at < text.length; at = nextMark(text, at + 1)) {
    const after = text.charCodeAt(at) === AT ? at + 1 : at + 3;
    const start = localStart(text, at, floor);
    const end = start < at ? domainEnd(text, after) : after;
    floor = after;
    if (end === after) continue;
    out += `${text.slice(done, start)}[REDACTED_EMAIL]`;
    done = end;
    floor = end;
  }
  return out + text.slice(done);
}

function nextMark(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === AT || (unit === PERCENT && text.startsWith("%40", i))) return i;
  }
  return text.length;
}

function localStart(text: string, at: number, floor: number): number {
  if (text[at - 1] === '"') {
    const from = Math.max(floor, at - 66);
    const open = text.slice(from, at - 1).lastIndexOf('"');
    if (open >= 0) return from + open;
  }
  let start = at;
  while (start > floor && isLocal(text, start - 1)) start--;
  return start;
}

function domainEnd(text: string, after: number): number {
  const furthest = Math.min(text.length, after + 255);
  let end = after;
  while (end < furthest && isDomain(text.charCodeAt(end))) end++;
  while (end > after && !isLetterOrDigit(text.charCodeAt(end - 1))) end--;
  return TOP_LEVEL.test(text.slice(after, end)) ? end : after;
}

/** The marks that RFC 5322 also allows but that glue other things to an address (`=`, `?`, `&`, `/`, `{`) are left out. */
function isLocal(text: string, i: number): boolean {
  const unit = text.charCodeAt(i);
  // O'Brien, but not the quote before an address.
  if (unit === 0x27) return i > 0 && isLetterOrDigit(text.charCodeAt(i - 1));
  return isLetterOrDigit(unit) || ".!#$%*+_~^-".includes(text[i] as string);
}

function isDomain(unit: number): boolean {
  return isLetterOrDigit(unit) || unit === 0x2e || unit === 0x2d;
}

/** ASCII, and letters of Latin, Greek and Cyrillic. Scripts written without spaces would swallow the text around it. */
function isLetterOrDigit(unit: number): boolean {
  if (unit < 0x80) return (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a);
  return (unit >= 0xc0 && unit <= 0x24f) || (unit >= 0x370 && unit <= 0x52f);
}
