import { canonicalJson, isJsonObject, type Json, type JsonObject, parseIso } from "@guardian-sync/protocol";
import { checkPayload } from "./payload.ts";
import { type FieldPolicy, type FieldRule, type FieldRules, isMergeable, type Sides } from "./field-rules.ts";

/** A field that only a person can decide. */
export interface FieldConflict extends Sides {
  /** `settings.theme`. */
  readonly path: string;
}
export interface MergeInput {
  /** The touched fields as they were when the edit was made. undefined: nobody knows, so each counts as changed by both. */
  readonly before: JsonObject | undefined;
  /** The edit: a patch of top-level fields. */
  readonly mine: JsonObject;
  /** The server's document now. */
  readonly theirs: JsonObject;
  readonly rules: FieldRules;
  /** Epoch ms of the edit, and of the server's last change; NaN: not known, and then the edit is later. */
  readonly mineAt: number;
  readonly theirsAt: number;
}
/** What a function of the app threw: nobody would hear of it otherwise. */
export interface Fault {
  /** The path of the field, or `apply`. */
  readonly where: string;
  readonly error: unknown;
}
export interface Merged {
  /** What is still to be written on top of theirs. Empty: nothing. */
  readonly patch: JsonObject;
  readonly conflicts: readonly FieldConflict[];
  /** Absent: none. */
  readonly faults?: readonly Fault[];
}

interface Walk {
  readonly conflicts: FieldConflict[];
  readonly faults: Fault[];
  readonly isMineLater: boolean;
  /** Nothing is known of the time before: what differs was changed by both. */
  readonly isBlind: boolean;
}

/**
 * Three-way merge, field by field: what they did not change is mine, what I did not change is theirs, what both changed is decided by
 * the field's rule. Touches neither its arguments nor their parts.
 */
export function mergePatch({ before, mine, theirs, rules, mineAt, theirsAt }: MergeInput): Merged {
  const walk: Walk = { conflicts: [], faults: [], isMineLater: !(theirsAt > mineAt), isBlind: before === undefined };
  const patch: Record<string, Json> = {};
  for (const name of Object.keys(mine)) {
    if (!isMergeable(name, 0)) continue;
    const sides = { before: member(before, name), mine: mine[name], theirs: member(theirs, name) };
    const merged = mergeMember(walk, rules, name, name, sides);
    if (merged !== undefined && !same(merged, sides.theirs)) patch[name] = merged;
  }
  const { conflicts, faults } = walk;
  return faults.length === 0 ? { patch, conflicts } : { patch, conflicts, faults };
}

/** When the server's document says that it was changed last, epoch ms; NaN: it does not say. */
export function modifiedAt(document: JsonObject | null): number {
  const text = document?.updated_at ?? document?.updatedAt;
  return (typeof text === "string" ? parseIso(text) : undefined) ?? Number.NaN;
}

/** The member as it shall be. undefined: it is not there. */
function mergeMember(walk: Walk, rules: FieldRules, name: string, path: string, sides: Sides): Json | undefined {
  const { before, mine, theirs } = sides;
  const nested = rules.nested.get(name);
  if (nested !== undefined && isJsonObject(mine) && isJsonObject(theirs)) {
    return mergeObject(walk, nested, path, { before: isJsonObject(before) ? before : {}, mine, theirs });
  }
  return mergeField(walk, rules.own.get(name) ?? rules.fallback, path, sides);
}

function mergeObject(
  walk: Walk,
  rules: FieldRules,
  path: string,
  { before, mine, theirs }: { readonly before: JsonObject; readonly mine: JsonObject; readonly theirs: JsonObject },
): JsonObject {
  const merged: Record<string, Json> = {};
  for (const name of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
    if (!isMergeable(name, 1)) continue;
    const sides = { before: member(before, name), mine: member(mine, name), theirs: member(theirs, name) };
    const value = mergeMember(walk, rules, name, `${path}.${name}`, sides);
    if (value !== undefined) merged[name] = value;
  }
  return merged;
}

function mergeField(walk: Walk, rule: FieldRule, path: string, sides: Sides): Json | undefined {
  const { before, mine, theirs } = sides;
  if (!walk.isBlind && same(theirs, before)) return mine;
  if (!walk.isBlind && same(mine, before)) return theirs;
  // Not for additions: both may have added the same.
  if (rule.kind !== "increment" && same(mine, theirs)) return theirs;
  if (rule.kind !== "value") {
    const combined = combine(walk, rule, path, sides);
    if (combined !== undefined) return combined;
  }
  return decide(walk, rule.policy, path, sides);
}

/** Both sides' changes together. undefined: one of them is not of the kind that was declared. */
function combine(walk: Walk, rule: FieldRule, path: string, sides: Sides): Json | undefined {
  const { before, mine, theirs } = sides;
  if (rule.kind === "increment") {
    const [was, own, other] = [before ?? 0, mine ?? 0, theirs ?? 0];
    // Without the value before, the addition is not known.
    const isKnown = !walk.isBlind && typeof was === "number" && typeof own === "number" && typeof other === "number";
    return isKnown ? other + (own - was) : undefined;
  }
  const [was, own, other] = [before ?? [], mine ?? [], theirs ?? []];
  if (!isList(was) || !isList(own) || !isList(other)) return undefined;
  return rule.kind === "set" ? mergeSets(was, own, other) : mergeLists(walk, rule, path, [was, own, other]);
}

function mergeSets(was: readonly Json[], own: readonly Json[], other: readonly Json[]): readonly Json[] {
  const [before, mine] = [was, own].map((list) => new Set(list.map(canonicalJson))) as [Set<string>, Set<string>];
  const merged = new Map<string, Json>();
  for (const item of other) {
    const text = canonicalJson(item);
    if (mine.has(text) || !before.has(text)) merged.set(text, item);
  }
  for (const item of own) {
    const text = canonicalJson(item);
    if (!before.has(text)) merged.set(text, item);
  }
  return [...merged.values()];
}

/** In their order; what I added comes behind. undefined: not every item has a key of its own. */
function mergeLists(
  walk: Walk,
  { key, policy }: FieldRule,
  path: string,
  lists: readonly [readonly Json[], readonly Json[], readonly Json[]],
): readonly Json[] | undefined {
  const [before, mine, theirs] = lists.map((list) => byKey(list, key));
  if (before === undefined || mine === undefined || theirs === undefined) return undefined;
  const merged: Json[] = [];
  const members: FieldRules = { fallback: { kind: "value", key: "", policy }, own: new Map(), nested: new Map() };
  for (const id of new Set([...theirs.keys(), ...mine.keys()])) {
    const sides = { before: before.get(id), mine: mine.get(id), theirs: theirs.get(id) };
    const place = `${path}[${id}]`;
    const item =
      sides.mine === undefined || sides.theirs === undefined
        ? mergeItem(walk, policy, place, sides)
        : mergeObject(walk, members, place, { before: sides.before ?? {}, mine: sides.mine, theirs: sides.theirs });
    if (item !== undefined) merged.push(item);
  }
  return merged;
}

/** On one side only: added there, or removed on the other. */
function mergeItem(walk: Walk, policy: FieldPolicy, path: string, sides: Sides): Json | undefined {
  const { before, mine, theirs } = sides;
  if (before === undefined) return mine ?? theirs;
  if (same(mine ?? theirs, before)) return undefined;
  return decide(walk, policy, path, sides);
}

function decide({ conflicts, faults, isMineLater }: Walk, policy: FieldPolicy, path: string, sides: Sides): Json | undefined {
  const { mine, theirs } = sides;
  switch (policy) {
    case "client-wins":
      return mine;
    case "server-wins":
      return theirs;
    case "last-write-wins":
      return isMineLater ? mine : theirs;
    case "ask":
      break;
    default:
      try {
        return plain(policy(structuredCopy(sides)));
      } catch (error) {
        // The app's own function: what it cannot decide, a person does.
        faults.push({ where: path, error });
      }
  }
  conflicts.push({ path, ...sides });
  return theirs;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function byKey(list: readonly Json[], key: string): Map<string, JsonObject> | undefined {
  const items = new Map<string, JsonObject>();
  for (const item of list) {
    const id = isJsonObject(item) ? item[key] : undefined;
    if (typeof id !== "string" && typeof id !== "number") return undefined;
    items.set(String(id), item as JsonObject);
  }
  return items.size === list.length ? items : undefined;
}

function member(object: JsonObject | undefined, name: string): Json | undefined {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** @throws TypeError when it is no JSON: it would be lost on the way, or stop the queue */
function plain(chosen: Json | undefined): Json | undefined {
  if (chosen === undefined) return undefined;
  const checked = checkPayload(chosen);
  if (checked.ok) return checked.value;
  if (chosen instanceof Promise) chosen.catch(() => undefined);
  throw new TypeError(`a policy returns JSON, or undefined; what it returned ${checked.problem}`);
}

/** What an app's function gets, it may write into. */
function structuredCopy({ before, mine, theirs }: Sides): Sides {
  return { before: copy(before), mine: copy(mine), theirs: copy(theirs) };
}
function copy(value: Json | undefined): Json | undefined {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as Json);
}
