import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";

/** The effect of a declared operation, as its app wrote it: pure, writes into the draft, returns nothing. */
export type Apply = (draft: JsonObject, input: Json) => void;

/**
 * The document with the effect on top. `value` stays as it is; the input is frozen, because what an app's function did to it would be
 * done to what is kept.
 * @throws what the app's function throws; TypeError when it returns something, or a promise
 */
export function applied(value: JsonObject | null, apply: Apply, input: Json): JsonObject {
  const draft = copy(value ?? {}) as JsonObject;
  const result: unknown = apply(draft, frozen(input));
  if (result === undefined || result === draft) return draft;
  if (typeof (result as { readonly then?: unknown } | null)?.then !== "function")
    throw new TypeError("apply returned a value: it writes into its draft, and returns nothing");
  // Nobody waits for it, and it must not end the process.
  Promise.resolve(result).catch(() => undefined);
  throw new TypeError("apply is asynchronous: its effect is shown in the same tick");
}

/** The value itself, with all of its parts. */
export function frozen(value: Json): Json {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part as Json);
  return Object.freeze(value);
}

function copy(value: Json): Json {
  if (Array.isArray(value)) return value.map(copy);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member)]));
}
