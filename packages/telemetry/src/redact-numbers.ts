import { cardGroups } from "./card-number.ts";
import {
  type DigitGroup,
  digitsEnd,
  figuresBefore,
  groupsAt,
  isDigitUnit,
  isWordUnit,
  protectedEnd,
  separatorOf,
  wordEnd,
} from "./digit-groups.ts";
import { phoneGroups } from "./phone-number.ts";

const PHONE = "[REDACTED_PHONE]";

/**
 * Payment cards, social security numbers and phone numbers. UUIDs, times, versions and figures stay. One walk: at each
 * run of digits that can begin something, the next twenty digits or so are looked at.
 */
export function redactNumbers(text: string): string {
  let out = "";
  let done = 0;
  let i = 0;
  while (i < text.length) {
    if (!isWordUnit(text.charCodeAt(i))) {
      i++;
      continue;
    }
    const kept = protectedEnd(text, i);
    const end = kept > i ? kept : digitsEnd(text, i);
    if (kept > i || end === i || isWordUnit(text.charCodeAt(end))) {
      i = wordEnd(text, end);
      continue;
    }
    const found = canBegin(text, i, end) ? find(text, groupsAt(text, i)) : undefined;
    if (found !== undefined) {
      // The plus and the opening bracket go with the number.
      const before = text[i - 1];
      const start = found.label === PHONE && (before === "+" || before === "(") ? i - 1 : i;
      out += text.slice(done, start) + found.label;
      done = found.end;
    }
    i = found?.end ?? end;
  }
  return done === 0 ? text : out + text.slice(done);
}

interface Found {
  readonly label: string;
  readonly end: number;
}

function find(text: string, groups: readonly DigitGroup[]): Found | undefined {
  const card = cardGroups(text, groups);
  if (card > 0) return found("[REDACTED_CC]", groups, card);
  if (isSocialSecurity(text, groups)) return found("[REDACTED_SSN]", groups, 3);
  const phone = phoneGroups(text, groups);
  return phone > 0 ? found(PHONE, groups, phone) : undefined;
}

function found(label: string, groups: readonly DigitGroup[], taken: number): Found | undefined {
  const last = groups[taken - 1];
  return last === undefined ? undefined : { label, end: last.end };
}

/** The cheap look that spares most runs of digits the dear ones: only its neighbours are asked. */
function canBegin(text: string, start: number, end: number): boolean {
  const length = end - start;
  const lead = text[start];
  const before = separatorOf(text.charCodeAt(start - 1));
  const after = separatorOf(text.charCodeAt(end));
  if (text[start - 1] === "+") return lead !== "0" && !isWordUnit(text.charCodeAt(start - 2));
  if (before === "(" && after === ")" && length >= 2 && length <= 5) return true;
  if (length >= 7) return true;
  if (after === "") return false;
  if (length >= 4) return length !== 5 || lead === "0";
  const joined =
    before === " " ? after === " " && figuresBefore(text, start) === 2 : before !== "" && isDigitUnit(text.charCodeAt(start - 2));
  return !joined && (length === 3 || lead === (length === 1 ? "1" : "0"));
}

/** 3-2-4 with hyphens, not in the middle of something longer. */
function isSocialSecurity(text: string, [a, b, c]: readonly DigitGroup[]): boolean {
  if (a?.length !== 3 || b?.length !== 2 || c?.length !== 4 || a.separator !== "-" || b.separator !== "-") return false;
  const inside = text[a.start - 1] === "-" && isDigitUnit(text.charCodeAt(a.start - 2));
  return !inside && c.separator !== "-";
}
