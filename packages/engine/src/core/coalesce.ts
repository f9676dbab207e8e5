import {
  type Base,
  canonicalJson,
  isJsonObject,
  type Json,
  type JsonObject,
  MAX_PAYLOAD_BYTES,
  utf8SizeBytes,
} from "@guardian-sync/protocol";
import type { Seq } from "../ports/index.ts";
import type { FieldRules } from "./field-rules.ts";
import { MAX_MEMBERS } from "./max-members.ts";
import { takesBack } from "./taken-back.ts";

/** What an operation would do if it went now. */
export interface Effect {
  readonly type: string;
  readonly payload: Json;
  readonly before?: Json;
  readonly base?: Base;
}
export interface Foldable extends Effect {
  readonly id: string;
  readonly version: number;
  readonly entityType: string;
  readonly entityId: string;
  /** As it was made: what a later one was made against. */
  readonly key: string;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly lane?: string;
  readonly groupId?: string;
  readonly dependsOn?: readonly string[];
  readonly priority?: number;
  readonly expiresAt?: number;
  readonly coalesce?: false;
}
/** One operation of the window, in order of seq. */
export interface FoldCandidate {
  readonly seq: Seq;
  readonly content: Foldable;
  readonly entityTag: string;
  /** What was made on top of it names it so: its key as it was made, or that of the last one that is in it. */
  readonly resultKey: string;
  /** Where order binds: only neighbours in all of them fold. */
  readonly lanes: readonly string[];
  /** It would go now, was never sent, and nobody wants it back. */
  readonly isFree: boolean;
  /** How many travel with it already: then it takes more of them, and goes into no other. */
  readonly members: number;
  /** Where it goes, a field of a patch replaces what is there. Otherwise objects merge and null removes (RFC 7396). */
  readonly isReplacing: boolean;
  /** How documents of its type merge. */
  readonly rules: FieldRules;
}
/** The effects of several operations as one: of the first, at its place, under its key. */
export interface Fold extends Effect {
  /** The last one that is in it: what was made against its result was made against this. */
  readonly last: { readonly seq: Seq; readonly key: string; readonly at: number };
}
export interface FoldUnit {
  /** Of the survivor, in the window. */
  readonly index: number;
  /** Those that go into it, in order. */
  readonly members: readonly number[];
  /** `nothing`: what was created is deleted before anybody has heard of it; all of them end. */
  readonly becomes: Fold | "nothing";
}
/** What decides whether two can become one, beside themselves. */
export interface FoldRules {
  readonly isReplacing: boolean;
  readonly rules: FieldRules;
  readonly joinDeclared: JoinDeclared;
}
/** The payload of two declared operations of one name as one; undefined: they stay apart. */
export type JoinDeclared = (earlier: Foldable, later: Foldable) => Json | undefined;

interface Open {
  readonly index: number;
  readonly first: FoldCandidate;
  readonly members: number[];
  resultKey: string;
  now: Foldable;
  becomes: Fold | "nothing" | undefined;
  /** The payload has at most this many UTF-8 bytes; undefined: never measured. */
  sizeBound: number | undefined;
}

/** Which operations of a window become one. What is not named stays as it is. Touches neither its arguments nor their parts. */
export function planFolds(window: readonly FoldCandidate[], joinDeclared: JoinDeclared): readonly FoldUnit[] {
  const named = new Set(window.flatMap(({ content }) => content.dependsOn ?? []));
  const units: Open[] = [];
  const lastOf = new Map<string, Open>();
  window.forEach((candidate, index) => {
    const { lanes } = candidate;
    const last = lastInAll(lastOf, lanes);
    if (last !== undefined && mayJoin(last, candidate, named) && join(last, candidate, index, joinDeclared)) {
      if (last.becomes === "nothing") for (const lane of lanes) lastOf.delete(lane);
      return;
    }
    const { resultKey, content: now } = candidate;
    const open: Open = { index, first: candidate, members: [], resultKey, now, becomes: undefined, sizeBound: undefined };
    units.push(open);
    for (const lane of lanes) lastOf.set(lane, open);
  });
  return units.flatMap(({ index, members, becomes }) => (becomes === undefined ? [] : [{ index, members, becomes }]));
}

/** The one that stands last in each of these lanes, and in no other. */
function lastInAll(lastOf: ReadonlyMap<string, Open>, lanes: readonly string[]): Open | undefined {
  const last = lastOf.get(lanes[0] ?? "");
  const isSame = last?.first.lanes.length === lanes.length && lanes.every((lane) => lastOf.get(lane) === last);
  return isSame ? last : undefined;
}

function mayJoin({ first, now, members, resultKey }: Open, later: FoldCandidate, named: ReadonlySet<string>): boolean {
  if (!first.isFree || !later.isFree || first.entityTag !== later.entityTag) return false;
  if (later.members > 0 || first.members + members.length >= MAX_MEMBERS) return false;
  const { content } = later;
  // What depends on one of them was written for exactly that one.
  if (named.has(first.content.id) || named.has(content.id) || (content.dependsOn?.length ?? 0) > 0) return false;
  // Made on top of another one, which is not in it: what that one wrote must not come along.
  if (content.before !== undefined && !isOnTop(content, resultKey)) return false;
  if (now.coalesce === false || content.coalesce === false) return false;
  return (["version", "lane", "groupId", "priority", "expiresAt"] as const).every((name) => now[name] === content[name]);
}

function isOnTop({ base }: Foldable, resultKey: string): boolean {
  return base !== undefined && "after" in base && base.after === resultKey;
}

/** Whether it could be done. */
function join(open: Open, { seq, content, isReplacing, rules }: FoldCandidate, index: number, joinDeclared: JoinDeclared): boolean {
  const effect = foldTwo(open.now, content, { isReplacing, rules, joinDeclared });
  if (effect === undefined || (effect !== "nothing" && !fits(open, effect, content))) return false;
  open.members.push(index);
  open.resultKey = content.key;
  if (effect === "nothing") {
    open.becomes = "nothing";
    return true;
  }
  open.becomes = { ...effect, last: { seq, key: content.key, at: content.createdAt } };
  const { base: _base, before: _before, ...rest } = open.now;
  open.now = { ...rest, ...effect };
  return true;
}

/** `nothing`: both end. Undefined: they stay apart. */
export function foldTwo(earlier: Foldable, later: Foldable, how: FoldRules): Effect | "nothing" | undefined {
  const { isReplacing, rules, joinDeclared } = how;
  const { type } = earlier;
  if (later.type === "CREATE" || type === "DELETE") return undefined;
  if (type === "CREATE") {
    if (later.type === "DELETE") return "nothing";
    const payload = later.type === "UPDATE" ? merged(earlier, later.payload, isReplacing) : undefined;
    return payload === undefined ? undefined : { type, payload };
  }
  if (later.type === "DELETE") return type === "UPDATE" ? { ...againstOf(earlier, later), type: "DELETE", payload: null } : undefined;
  if (type !== later.type) return undefined;
  // What is known of the time before must be known of both: a merge of what is half known would take the rest for new.
  if ((earlier.before === undefined) !== (later.before === undefined)) return undefined;
  if (type === "UPDATE" && isJsonObject(later.before) && !leftBy(earlier, later.before)) return undefined;
  if (isJsonObject(earlier.before) && takesBack(earlier.before, patchOf(earlier), patchOf(later), rules)) return undefined;
  const payload = type === "UPDATE" ? merged(earlier, later.payload, isReplacing) : joinDeclared(earlier, later);
  return payload === undefined ? undefined : { ...againstOf(earlier, later), type, payload };
}

/** Otherwise somebody else's change was seen in between: as one edit, it would look like an own one, and count twice. */
function leftBy(earlier: Foldable, before: JsonObject): boolean {
  const left = patchOf(earlier);
  return Object.keys(before).every(
    (name) => !Object.hasOwn(left, name) || canonicalJson(left[name] as Json) === canonicalJson(before[name] as Json),
  );
}

function merged({ type, payload }: Effect, later: Json, isReplacing: boolean): Json | undefined {
  if (!isJsonObject(payload) || !isJsonObject(later)) return undefined;
  // Where objects merge, one after the other does what no single patch does.
  const isApart = ([name, value]: readonly [string, Json]): boolean =>
    (isJsonObject(value) && (type === "CREATE" || Object.hasOwn(payload, name))) || (value === null && type === "CREATE");
  return isReplacing || !Object.entries(later).some(isApart) ? { ...payload, ...later } : undefined;
}

/** The first's base; of each field what stood there before the first of them touched it. */
function againstOf(earlier: Foldable, later: Foldable): Pick<Effect, "base" | "before"> {
  const { base, before } = earlier;
  if (!isJsonObject(before)) return base === undefined ? {} : { base };
  // A field that the first one added stood nowhere before, whatever the second one found there.
  const touched = patchOf(earlier);
  const others = isJsonObject(later.before) ? Object.entries(later.before).filter(([name]) => !Object.hasOwn(touched, name)) : [];
  return { ...(base === undefined ? {} : { base }), before: { ...Object.fromEntries(others), ...before } };
}

function patchOf({ type, payload }: Effect): JsonObject {
  if (!isJsonObject(payload)) return {};
  if (type === "UPDATE") return payload;
  return isJsonObject(payload.patch) ? payload.patch : {};
}

/** Measured only when it could be too large: a thousand edits of a long document are not written out a thousand times. */
function fits(open: Open, effect: Effect, later: Foldable): boolean {
  if (effect.payload === null) return true;
  const bound = (open.sizeBound ?? sizeOf(open.now.payload)) + sizeOf(later.payload);
  open.sizeBound = bound <= MAX_PAYLOAD_BYTES ? bound : sizeOf(effect.payload);
  return open.sizeBound <= MAX_PAYLOAD_BYTES;
}

function sizeOf(payload: Json): number {
  return utf8SizeBytes(JSON.stringify(payload));
}
