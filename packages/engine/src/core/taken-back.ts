import { canonicalJson, isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import type { FieldRule, FieldRules } from "./field-rules.ts";

type Value = Json | undefined;

/**
 * Whether the second of two edits puts something back as it was before the first. One after the other they write it, whatever somebody
 * else wrote meanwhile; as one edit they would have changed nothing there, and the other's change would stay.
 */
export function takesBack(before: JsonObject, first: JsonObject, second: JsonObject, rules: FieldRules): boolean {
  const shared = Object.keys(second).filter((name) => Object.hasOwn(first, name));
  return shared.some((name) => isBack(rules, name, [before[name], first[name], second[name]]));
}

function isBack(rules: FieldRules, name: string, sides: readonly [Value, Value, Value]): boolean {
  const nested = rules.nested.get(name);
  if (nested !== undefined && sides.every((side) => side !== undefined && isJsonObject(side))) {
    const [before, first, second] = sides as unknown as readonly [JsonObject, JsonObject, JsonObject];
    const names = new Set([before, first, second].flatMap((side) => Object.keys(side)));
    return [...names].some((one) => isBack(nested, one, [before[one], first[one], second[one]]));
  }
  return isFieldBack(rules.own.get(name) ?? rules.fallback, sides);
}

function isFieldBack({ kind, key }: FieldRule, sides: readonly [Value, Value, Value]): boolean {
  const lists = sides.map((side) => side ?? []);
  if (kind === "increment" && sides.every((side) => typeof (side ?? 0) === "number")) return false;
  if ((kind !== "set" && kind !== "list") || !lists.every(Array.isArray)) return isValueBack(sides);
  const tags = lists.map((list) => new Map((list as readonly Json[]).map((item) => [nameOf(item, kind === "list" ? key : ""), item])));
  const [before, first, second] = tags as [Map<string, Json>, Map<string, Json>, Map<string, Json>];
  const ids = new Set(tags.flatMap((one) => [...one.keys()]));
  return [...ids].some((id) => isItemBack([before.get(id), first.get(id), second.get(id)]));
}

/** A member of a set is there or not; one of a list by key has members of its own. */
function isItemBack([before, first, second]: readonly [Value, Value, Value]): boolean {
  const isThere = [before, first, second].map((side) => side !== undefined);
  if (isThere[0] === isThere[2] && isThere[1] !== isThere[0]) return true;
  const [a, b, c] = [before ?? {}, first ?? {}, second ?? {}];
  if (!isJsonObject(a) || !isJsonObject(b) || !isJsonObject(c)) return false;
  return Object.keys({ ...a, ...b, ...c }).some((name) => isValueBack([a[name], b[name], c[name]]));
}

function isValueBack([before, first, second]: readonly [Value, Value, Value]): boolean {
  return isSame(before, second) && !isSame(before, first);
}

function isSame(a: Value, b: Value): boolean {
  return a === b || (a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b));
}

function nameOf(item: Json, key: string): string {
  return canonicalJson(key !== "" && isJsonObject(item) ? (item[key] ?? null) : item);
}
