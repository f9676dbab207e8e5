import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";

/** Top-level fields that later edits of the entity have set; `everything`: it was deleted, or made anew. */
export type Overtaken = readonly string[] | "everything";

interface Written {
  readonly type: string;
  /** CREATE: the document; UPDATE: the patch; declared: `{ input, patch }`. */
  readonly payload: Json;
}

/** The fields that an operation sets. */
export function fieldsSetBy({ type, payload }: Written): Overtaken {
  if (type === "DELETE" || type === "CREATE") return "everything";
  return Object.keys(writtenBy(type, payload));
}

export function addOvertaken(known: Overtaken | undefined, more: Overtaken): Overtaken {
  if (known === "everything" || more === "everything") return "everything";
  return [...new Set([...(known ?? []), ...more])];
}

/** What is left of an operation to try again. */
export type Rest =
  | { readonly kind: "all" }
  /** Of a plain write. */
  | { readonly kind: "some"; readonly payload: JsonObject }
  | { readonly kind: "nothing" };

/**
 * Takes out what later edits have set. Of a declared operation no part can be taken: it goes whole as long as a field of its patch is
 * left, and so does a DELETE as long as the entity is.
 */
export function restOf({ type, payload }: Written, overtaken: Overtaken | undefined): Rest {
  if (overtaken === undefined) return { kind: "all" };
  if (overtaken === "everything") return { kind: "nothing" };
  const gone = new Set(overtaken);
  const written = Object.entries(writtenBy(type, payload));
  const left = written.filter(([name]) => !gone.has(name));
  if (left.length === written.length) return { kind: "all" };
  if (left.length === 0) return { kind: "nothing" };
  return type === "UPDATE" || type === "CREATE" ? { kind: "some", payload: Object.fromEntries(left) } : { kind: "all" };
}

function writtenBy(type: string, payload: Json): JsonObject {
  const written = type === "UPDATE" || type === "CREATE" || !isJsonObject(payload) ? payload : payload.patch;
  return isJsonObject(written) ? written : {};
}
