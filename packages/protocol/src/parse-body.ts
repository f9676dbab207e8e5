import { isJsonObject } from "./json.ts";
import type { BodyKind } from "./outcome.ts";

/** The first look at the text of an answer. `json` and `problem` still have to be parsed by what the route expects. */
export interface BodyFacts {
  readonly kind: Exclude<BodyKind, "ours">;
  /** The value, for `json` and `problem`. */
  readonly value?: unknown;
}

const HTML_START = /^\s{0,1000}(?:<!doctype html|<html|<head|<body|<\?xml[^>]{0,200}\?>\s{0,1000}<!doctype html)/i;

/**
 * Tells what kind of body an answer has. The text is believed before the header: portals label their pages as JSON, and
 * frameworks label JSON as text. JSON that is cut off is `other`, never `json`.
 */
export function readBody(contentType: string | null | undefined, text: string): BodyFacts {
  if (text.trim() === "") return { kind: "empty" };
  const type = (contentType ?? "").toLowerCase();
  if (type.includes("html") || HTML_START.test(text)) return { kind: "html" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "other" };
  }
  // A bare scalar ("OK", 1) is JSON by accident unless its sender says so.
  if (typeof value !== "object" && !type.includes("json")) return { kind: "other" };
  return { kind: type.includes("application/problem+json") && isJsonObject(value) ? "problem" : "json", value };
}
