import type { DigitGroup } from "./digit-groups.ts";

const COMPACT_TIME = /^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d/;
// Unix time from 2015 to 2035 in milliseconds, microseconds and nanoseconds has 13, 16 and 19 digits: the lengths of cards.
const UNIX_TIMES: ReadonlyMap<number, readonly [from: string, to: string]> = new Map([
  [13, ["1420070400000", "2051222400000"]],
  [16, ["1420070400000000", "2051222400000000"]],
  [19, ["1420070400000000000", "2051222400000000000"]],
]);

/**
 * How many of the groups are one payment card: 13–19 digits that pass Luhn's check, in one run, or in groups of which the
 * first has 4 or 6 digits, with one kind of separator; and any four groups of four. 0 when they are none.
 */
export function cardGroups(text: string, groups: readonly DigitGroup[]): number {
  const [first] = groups;
  if (first === undefined) return 0;
  if (first.length >= 13) return first.length <= 19 && !isFraction(text, first) && passes(text.slice(first.start, first.end)) ? 1 : 0;
  const { separator } = first;
  if ((first.length !== 4 && first.length !== 6) || (separator !== " " && separator !== "-")) return 0;
  let best = 0;
  let digits = "";
  let allFours = true;
  for (const [i, { start, end, length }] of groups.entries()) {
    digits += text.slice(start, end);
    allFours &&= length === 4;
    if (digits.length > 19) break;
    if ((allFours && i === 3) || (digits.length >= 13 && luhn(digits))) best = i + 1;
    if (groups[i]?.separator !== separator) break;
  }
  return best;
}

function passes(digits: string): boolean {
  const [from, to] = UNIX_TIMES.get(digits.length) ?? ["", ""];
  if (from <= digits && digits < to) return false;
  if ((digits.length === 14 || digits.length === 17) && COMPACT_TIME.test(digits)) return false;
  return luhn(digits);
}

/** Digits behind or before a decimal point belong to a measurement. */
function isFraction(text: string, { start, end }: DigitGroup): boolean {
  const before = text[start - 1] === "." && /\d/.test(text[start - 2] ?? "");
  return before || (text[end] === "." && /\d/.test(text[end + 1] ?? ""));
}

/** The check digit of ISO/IEC 7812-1, annex B. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    const weighed = i % 2 === 0 ? digit : digit * 2;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}
