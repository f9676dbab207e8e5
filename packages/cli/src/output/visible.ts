const NAMES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * A text that cannot move the cursor, end a line or colour a terminal: control characters and line separators are spelt out.
 * What apps put into ids and error messages is not ours.
 */
export function visible(text: string): string {
  return text.replace(/\r\n|[\p{Cc}\u2028\u2029]/gu, (found) => {
    if (found === "\r\n") return "\\n";
    return NAMES[found] ?? `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}
