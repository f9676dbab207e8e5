import { type DigitGroup, figuresBefore, isDigitUnit, isWordUnit } from "./digit-groups.ts";

const SAID_TO_BE = /(?:phone|tel|mobile|cell|fax|sms|whatsapp)[a-z_]{0,8}["'\s:=#.+]{0,4}$/i;

/**
 * How many of the groups are one phone number, 0 when they are none. A bare run of digits is one only behind a `+` or a
 * word that says so: Unix times, byte counts and sequence numbers look the same.
 */
export function phoneGroups(text: string, groups: readonly DigitGroup[]): number {
  const [first] = groups;
  if (first === undefined) return 0;
  const before = text[first.start - 1] ?? "";
  if (before === "+") return international(text, groups, first);
  // Inside something longer.
  if ((before === "." || before === "-" || before === "/") && isDigitUnit(text.charCodeAt(first.start - 2))) return 0;
  if (before === "(") return areaInBrackets(text, groups, first);
  if (first.length >= 7 && first.length <= 15 && SAID_TO_BE.test(text.slice(Math.max(0, first.start - 20), first.start))) return 1;
  return northAmerican(text, groups) || trunk(text, groups, first) || chinese(text, groups);
}

/** E.164: `+` and 8 to 15 digits, grouped in any way. */
function international(text: string, groups: readonly DigitGroup[], first: DigitGroup): number {
  const sign = text.charCodeAt(first.start - 2);
  if (isWordUnit(sign) || text[first.start] === "0") return 0;
  // North America has exactly 11 digits, others rarely more than 13: what follows is another number.
  const most = text[first.start] === "1" ? 11 : 13;
  const taken = first.length > most ? (first.length <= 15 ? 1 : 0) : take(groups, most);
  const digits = sum(groups.slice(0, taken));
  // +1234567.89 is a signed measurement.
  if (taken === 2 && groups[0]?.separator === ".") return 0;
  return digits >= 8 ? taken : 0;
}

/** `(555) 123-4567`, `(030) 123456`; `f(2025)` is a call. */
function areaInBrackets(text: string, groups: readonly DigitGroup[], first: DigitGroup): number {
  if (isWordUnit(text.charCodeAt(first.start - 2)) || !first.separator.startsWith(")") || first.length > 5 || first.length < 2) return 0;
  const most = first.length === 3 ? 10 : 13;
  const taken = take(groups, most);
  return taken > 1 && sum(groups.slice(0, taken)) >= 7 ? taken : 0;
}

/** 3-3-4, with or without the 1 in front. */
function northAmerican(text: string, groups: readonly DigitGroup[]): number {
  const country = groups[0]?.length === 1 && text[groups[0].start] === "1" ? 1 : 0;
  const [area, exchange, line] = groups.slice(country);
  if (area?.length !== 3 || exchange?.length !== 3 || line?.length !== 4) return 0;
  const kinds = [area.separator, exchange.separator];
  const dotted = kinds.includes(".");
  if (kinds.some((kind) => !(dotted ? [".", " "] : [" ", "-", ") ", ")", ")-", " - "]).includes(kind))) return 0;
  // 1.100.200.3000.4 is a version.
  if (dotted && (line.separator === "." || (country === 1 && groups[0]?.separator !== "."))) return 0;
  const taken = country + 3;
  return kinds.every((kind) => kind === " ") && isListed(text, groups, taken) ? 0 : taken;
}

/** A national number with its trunk 0, or with 00 for +: `030 123456`, `06 12 34 56 78`, `0049 30 123456`. */
function trunk(text: string, groups: readonly DigitGroup[], first: DigitGroup): number {
  const lead = /^0(?:0[1-9]|[1-9])/.test(text.slice(first.start, first.end));
  const separator = first.separator;
  if (!lead || !(separator === " " || separator === "-" || separator === "/" || separator === ".")) return 0;
  const end = groups.findIndex((group) => group.separator !== separator);
  const run = groups.slice(0, end < 0 ? groups.length : end + 1);
  const taken = take(run, text.startsWith("00", first.start) ? 15 : 12);
  const used = run.slice(0, taken);
  if (taken < (separator === "." ? 3 : 2) || sum(used) < 9 || used.some(({ length }) => length < 2)) return 0;
  return separator === " " && isListed(text, groups, taken) ? 0 : taken;
}

/** A Chinese mobile: 138-0013-8000. */
function chinese(text: string, groups: readonly DigitGroup[]): number {
  const [a, b, c] = groups;
  if (a?.length !== 3 || b?.length !== 4 || c?.length !== 4 || text[a.start] !== "1") return 0;
  if (a.separator !== b.separator || !(a.separator === " " || a.separator === "-")) return 0;
  return a.separator === " " && isListed(text, groups, 3) ? 0 : 3;
}

/** Among two or more other figures, with spaces between them all, it is a list of figures: `100 250 500 1000 2500`. */
function isListed(text: string, groups: readonly DigitGroup[], taken: number): boolean {
  const after = groups.slice(taken - 1, taken + 1).filter(({ separator }) => separator === " ").length;
  return after + figuresBefore(text, groups[0]?.start ?? 0) >= 2;
}

/** As many groups as make at most so many digits. */
function take(groups: readonly DigitGroup[], mostDigits: number): number {
  let digits = 0;
  let taken = 0;
  for (const { length } of groups) {
    digits += length;
    if (digits > mostDigits) break;
    taken++;
  }
  return taken;
}

function sum(groups: readonly DigitGroup[]): number {
  return groups.reduce((digits, { length }) => digits + length, 0);
}
