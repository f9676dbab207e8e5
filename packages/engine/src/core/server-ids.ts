/**
 * Documents that their backend names. Here they keep the id that they got here; a backend is only ever told its own. What stands
 * for what is learned from the answer to the CREATE, and put in wherever an operation is rendered.
 */
import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { contains } from "./verdict.ts";

/** What the backend calls an entity that has this id here. An id of the backend's own, or of a client, stands for itself. */
export type WireId = (entityType: string, entityId: string) => string;
/** Path of a member that holds an id, or a list of them → the type of the entity it means. */
export type References = Readonly<Record<string, string>>;

export const SAME_ID: WireId = (_entityType, entityId) => entityId;

/** The id in the answer to a CREATE: a member of its document, or the end of `Location`. undefined: it does not say. */
export function idInAnswer(data: Json | undefined, location: string | undefined, member: string): string | undefined {
  const own = data !== undefined && isJsonObject(data) && Object.hasOwn(data, member) ? textOf(data[member]) : undefined;
  if (own !== undefined || location === undefined) return own;
  const last = location.split(/[?#]/)[0]?.split("/").at(-1) ?? "";
  return textOf(decoded(last));
}

/** Which ids the members at these paths hold. */
export function referencesIn(payload: Json, references: References): readonly { readonly entityType: string; readonly entityId: string }[] {
  const found: { entityType: string; entityId: string }[] = [];
  replaced(payload, references, (entityType, entityId) => {
    found.push({ entityType, entityId });
    return entityId;
  });
  return found;
}

/** The payload as the backend understands it. The same object where nothing changes. */
export function replaced(payload: Json, references: References, wireId: WireId): Json {
  return Object.entries(references).reduce((value, [path, entityType]) => {
    return at(value, path.split("."), (held) => wireIds(held, (id) => wireId(entityType, id)));
  }, payload);
}

/** The id of the document that an unanswered CREATE has made: the first one in the list that holds all that was sent. */
export function foundAmong(answer: Json, sent: Json, member: string): string | undefined {
  const made = listIn(answer).find((document) => contains(document, sent));
  return made === undefined ? undefined : idInAnswer(made, undefined, member);
}

function at(value: Json, path: readonly string[], change: (held: Json) => Json): Json {
  const [name, ...rest] = path;
  if (name === undefined) return change(value);
  if (Array.isArray(value)) return value.map((item) => at(item, path, change));
  if (!isJsonObject(value) || !Object.hasOwn(value, name)) return value;
  const held = value[name] as Json;
  const next = at(held, rest, change);
  return next === held ? value : { ...value, [name]: next };
}

function wireIds(held: Json, wireId: (id: string) => string): Json {
  if (typeof held === "string") return wireId(held);
  return Array.isArray(held) ? held.map((item) => (typeof item === "string" ? wireId(item) : item)) : held;
}

/** Bare, or in the envelope of a list. */
function listIn(answer: Json): readonly Json[] {
  if (Array.isArray(answer)) return answer;
  if (!isJsonObject(answer)) return [];
  const { data, items } = answer as JsonObject;
  if (Array.isArray(items)) return items;
  return data === undefined ? [] : listIn(data);
}

function textOf(value: Json | undefined): string | undefined {
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
