/** Documents: which fields belong to the server, how patches apply, when two are the same. */
import { canonicalJson, type EpochMs, formatIso, isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";

/** Written by the server only. In what a client sends they are ignored, except that `id` must be the entity's. */
const SERVER_FIELDS = ["id", "version", "created_at", "updated_at"] as const;
const OWNED: ReadonlySet<string> = new Set(SERVER_FIELDS);

/** The part of a document that clients write. */
export function clientFields(document: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !OWNED.has(name)));
}

/** The document as it is stored and served. */
export function served(
  fields: JsonObject,
  facts: { readonly id: string; readonly version: number; readonly createdAt: string; readonly now: EpochMs },
): JsonObject {
  const { id, version, createdAt, now } = facts;
  return { id, ...fields, version, created_at: createdAt, updated_at: formatIso(now) };
}

/** UPDATE on the sync face: the named top-level fields are replaced, nested objects whole; null is a value. */
export function shallowPatch(fields: JsonObject, patch: JsonObject): JsonObject {
  return { ...fields, ...patch };
}

/** PATCH on the REST face, RFC 7396: objects merge, null removes. Depth is bounded by the body's. */
export function mergePatch(fields: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map<string, Json>(Object.entries(fields));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else if (isJsonObject(value)) {
      const before = merged.get(name);
      merged.set(name, mergePatch(isJsonObject(before) ? before : {}, value));
    } else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

export function equalFields(a: JsonObject, b: JsonObject): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
