import { type IdempotencyKey, isUuidV4 } from "./ids.ts";

/**
 * Reads an `Idempotency-Key` header: a UUID v4, bare or as an RFC 8941 string. Upper case is folded, as RFC 9562 §4 asks
 * of readers. Anything else is `undefined`: the server answers 400 and executes nothing.
 */
export function parseIdempotencyKey(header: string | null | undefined): IdempotencyKey | undefined {
  const text = header?.trim() ?? "";
  const quoted = text.length === 38 && text.startsWith('"') && text.endsWith('"');
  const key = (quoted ? text.slice(1, -1) : text).toLowerCase();
  return isUuidV4(key) ? (key as string as IdempotencyKey) : undefined;
}
