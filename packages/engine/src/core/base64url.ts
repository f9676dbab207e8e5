const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * Text of base64url (RFC 4648 §5, no padding) that holds UTF-8; `undefined` for anything else. Written out because the
 * core runs where neither `Buffer` nor `atob` nor `TextDecoder` exists.
 */
export function textOfBase64Url(encoded: string): string | undefined {
  let bits = 0;
  let held = 0;
  let escaped = "";
  for (const char of encoded) {
    const value = ALPHABET.indexOf(char);
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0x3fff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    escaped += `%${((bits >> held) & 0xff).toString(16).padStart(2, "0")}`;
  }
  try {
    // The one UTF-8 decoder that is part of the language.
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}
