import { isWordUnit } from "./digit-groups.ts";
import { maskToken } from "./mask-token.ts";
import { isSensitiveName } from "./sensitive-names.ts";

const REDACTED = "[REDACTED]";
const MAX_NAME_CHARS = 64;
/** The shortest sensitive name: `pin`. */
const MIN_NAME_CHARS = 3;
// Each alternative begins at a word's start and stops at its first foreign character, so a text is walked once.
const CREDENTIALS = /(?<![\w-])(?:(bearer|dpop) {1,10}([\w.~+/-]+=*)|(Basic) ([A-Za-z0-9+/]{8,}=*)|eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?)/gi;

/** Tokens that show themselves by their form (`Bearer …`, JWTs), and values that follow a sensitive name (`password=…`). */
export function redactSecrets(text: string): string {
  return redactNamed(text.includes("eyJ") || /bearer|dpop|basic/i.test(text) ? maskCredentials(text) : text);
}

function maskCredentials(text: string): string {
  return text.replace(CREDENTIALS, (whole: string, scheme?: string, token?: string, basic?: string, pair?: string) => {
    if (scheme !== undefined && token !== undefined) return isWord(token) ? whole : `${scheme} ${maskToken(token)}`;
    if (basic !== undefined && pair !== undefined) return isWord(pair) ? whole : `${basic} ${maskToken(pair)}`;
    return maskToken(whole);
  });
}

/** "bearer token", "basic settings": prose. */
function isWord(token: string): boolean {
  return token.length < 16 && /^[A-Z]?[a-z]+(?:-[a-z]+)?[.]?$/.test(token);
}

/** Looks at each `=` and `:`; what stands before it is a name, what follows a value. */
function redactNamed(text: string): string {
  let out = "";
  let done = 0;
  for (let i = nextMark(text, 0); i >= 0; i = nextMark(text, Math.max(done, i + 1))) {
    const name = nameBefore(text, i, done);
    if (name.length < MIN_NAME_CHARS || !isSensitiveName(name)) continue;
    const value = valueAfter(text, i + 1, /authorization$|cookie$/i.test(name));
    if (value.start >= value.end) continue;
    const shown = text.slice(value.start, value.end);
    out += text.slice(done, value.start) + (/authorization$/i.test(name) ? maskToken(shown) : REDACTED);
    done = value.end;
  }
  return done === 0 ? text : out + text.slice(done);
}

function nextMark(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x3d || unit === 0x3a) return i;
  }
  return -1;
}

/** `password`, `"password"`, `\"password\" ` before the mark at `end`. */
function nameBefore(text: string, end: number, floor: number): string {
  let i = end;
  for (let spaces = 0; spaces < 4 && i > floor && text[i - 1] === " "; spaces++) i--;
  if (i > floor && (text[i - 1] === '"' || text[i - 1] === "'")) i--;
  if (i > floor && text[i - 1] === "\\") i--;
  const stop = i;
  while (i > floor && stop - i < MAX_NAME_CHARS && isNameUnit(text.charCodeAt(i - 1))) i--;
  return text.slice(i, stop);
}

function isNameUnit(unit: number): boolean {
  return isWordUnit(unit) || unit === 0x5f || unit === 0x2e || unit === 0x2d;
}

/** Up to the closing quote; unquoted up to white space or punctuation, or to the end of the line for headers. */
function valueAfter(text: string, from: number, wholeLine: boolean): { readonly start: number; readonly end: number } {
  let start = from;
  for (let spaces = 0; spaces < 4 && text[start] === " "; spaces++) start++;
  const escaped = text[start] === "\\" ? 1 : 0;
  const quote = text[start + escaped];
  if (quote === '"' || quote === "'") {
    start += escaped + 1;
    const close = text.indexOf(escaped === 1 ? `\\${quote}` : quote, start);
    return { start, end: close < 0 ? text.length : close };
  }
  let end = start;
  while (end < text.length && !(wholeLine ? /[\r\n"}]/ : /[\s,;&"'<>(){}]/).test(text[end] as string)) end++;
  return { start, end };
}
