/** A run of digits and what stands between it and the next one. */
export interface DigitGroup {
  readonly start: number;
  readonly end: number;
  readonly length: number;
  /** Separator to the next group, normalised: spaces to " ", hyphens to "-". Empty when no group follows. */
  readonly separator: string;
}

const MAX_SEPARATOR_CHARS = 3;
const HYPHEN = 0x2d;
const UUID_SHAPE = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}(?![\da-z])/iy;
const TIME_SHAPE =
  /\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\d-])(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?/y;

/** Where a UUID or an ISO 8601 time that begins at `at` ends; `at` when none does. */
export function protectedEnd(text: string, at: number): number {
  if (text.charCodeAt(at + 8) === HYPHEN && text.charCodeAt(at + 13) === HYPHEN) return endOf(UUID_SHAPE, text, at);
  if (text.charCodeAt(at + 4) === HYPHEN && text.charCodeAt(at + 7) === HYPHEN) return endOf(TIME_SHAPE, text, at);
  return at;
}

function endOf(shape: RegExp, text: string, at: number): number {
  shape.lastIndex = at;
  return shape.test(text) ? shape.lastIndex : at;
}

/** The end of the letters and digits that begin at `at`. */
export function wordEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && isWordUnit(text.charCodeAt(end))) end++;
  return end;
}

export function isDigitUnit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/** ASCII letters and digits: a number that touches one is part of a name. */
export function isWordUnit(unit: number): boolean {
  return isDigitUnit(unit) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a);
}

/** The longest card has nineteen digits: no pattern looks further. */
const MAX_DIGITS = 20;

/** The groups from `at` on, up to some twenty digits, as long as nothing but separators stands between them. */
export function groupsAt(text: string, at: number): readonly DigitGroup[] {
  const groups: DigitGroup[] = [];
  let start = at;
  let end = digitsEnd(text, start);
  let digits = 0;
  for (;;) {
    const next = separatorEnd(text, end);
    const nextEnd = digitsEnd(text, next);
    // A UUID, a time or a word that only begins with digits ends the row.
    const last = next === end || isWordUnit(text.charCodeAt(nextEnd)) || protectedEnd(text, next) > next;
    groups.push({ start, end, length: end - start, separator: last ? "" : normalised(text, end, next) });
    digits += end - start;
    if (last || digits >= MAX_DIGITS) return groups;
    start = next;
    end = nextEnd;
  }
}

export function digitsEnd(text: string, at: number): number {
  let end = at;
  while (isDigitUnit(text.charCodeAt(end))) end++;
  return end;
}

const MAX_FIGURE_CHARS = 20;

/** How many figures stand before `at` with single spaces between them; looks for two at most. */
export function figuresBefore(text: string, at: number): 0 | 1 | 2 {
  const first = figureBefore(text, at);
  if (first === at) return 0;
  return figureBefore(text, first) === first ? 1 : 2;
}

function figureBefore(text: string, at: number): number {
  if (separatorOf(text.charCodeAt(at - 1)) !== " ") return at;
  let start = at - 1;
  while (start > 0 && at - start <= MAX_FIGURE_CHARS && isDigitUnit(text.charCodeAt(start - 1))) start--;
  return start === at - 1 ? at : start;
}

/** Where the next group begins; `at` when none does. */
function separatorEnd(text: string, at: number): number {
  let end = at;
  while (end - at <= MAX_SEPARATOR_CHARS && separatorOf(text.charCodeAt(end)) !== "") end++;
  return end - at <= MAX_SEPARATOR_CHARS && isDigitUnit(text.charCodeAt(end)) ? end : at;
}

function normalised(text: string, from: number, to: number): string {
  let separator = "";
  for (let i = from; i < to; i++) separator += separatorOf(text.charCodeAt(i));
  return separator;
}

/** A space or a hyphen whatever its kind; other separators as they are; "" for what separates nothing. */
export function separatorOf(unit: number): string {
  if (unit === 0x20 || unit === 0xa0 || unit === 0x2009 || unit === 0x202f) return " ";
  if (unit === HYPHEN || (unit >= 0x2010 && unit <= 0x2013)) return "-";
  if (unit === 0x2e) return ".";
  if (unit === 0x2f) return "/";
  if (unit === 0x28) return "(";
  return unit === 0x29 ? ")" : "";
}
