import { redactPii } from "./redact-text.ts";

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const NUMERIC = /^\d{1,40}$/;
/** Long and with digits in it: an opaque id or a token. */
const OPAQUE = /^(?=.*\d)[\w~.-]{20,}$/;

/**
 * A path for a log: `/api/v1/users/550e…/profile?tab=2` → `/api/v1/users/{uuid}/profile?tab`. Numeric ids become `{id}`,
 * other opaque ones `{opaque}`; addresses and the like are redacted; query values, fragment and credentials of a full
 * URL are dropped. Never throws.
 */
export function sanitizePath(path: string): string {
  if (typeof path !== "string") return "";
  const [address = ""] = path.split("#", 1);
  const mark = address.indexOf("?");
  const before = mark < 0 ? address : address.slice(0, mark);
  const [, origin = "", rest = before] = /^([a-z][a-z\d+.-]{0,20}:\/\/[^/]*)(.*)$/is.exec(before) ?? [];
  const host = origin.replace(/^([^:]+:\/\/).*@/s, "$1");
  const names = mark < 0 ? [] : address.slice(mark + 1).split("&", 50);
  const query = names.map((pair) => redactPii(decoded(pair.split("=", 1)[0] ?? ""))).filter((name) => name !== "");
  return host + rest.split("/").map(segment).join("/") + (query.length === 0 ? "" : `?${query.join("&")}`);
}

function segment(raw: string): string {
  const text = decoded(raw);
  if (UUID.test(text)) return "{uuid}";
  if (NUMERIC.test(text)) return "{id}";
  const safe = redactPii(text);
  if (safe !== text) return safe;
  return OPAQUE.test(text) ? "{opaque}" : raw;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
