import type { Json } from "@guardian-sync/protocol";

/** What both sides hold of one field. undefined: it is not there. */
export interface Sides {
  /** When the edit was made. */
  readonly before: Json | undefined;
  readonly mine: Json | undefined;
  readonly theirs: Json | undefined;
}
/** undefined: the field goes. Pure; one that throws leaves the field to a person. */
export type CustomPolicy = (sides: Sides) => Json | undefined;
/** Who wins where both sides changed a field to different values. `last-write-wins` compares when the edit was made with `updated_at`, or `updatedAt`. */
export type FieldPolicy = "client-wins" | "server-wins" | "last-write-wins" | "ask" | CustomPolicy;

/** How a field merges. `set`: a list without order or repeats. `increment`: a number that both sides add to. */
export type FieldKind = "value" | "set" | "increment";
export interface FieldOptions {
  readonly kind?: FieldKind;
  /** A list of objects, told apart by this member: merged object by object. */
  readonly byKey?: string;
  readonly policy?: FieldPolicy;
}
/** By name, or by path for a part of an object: `"settings.theme"`. What is not named is one value, and replaces. */
export type FieldDeclarations = Readonly<Record<string, FieldKind | FieldOptions>>;

export interface FieldRule {
  readonly kind: FieldKind | "list";
  /** Of a list. */
  readonly key: string;
  readonly policy: FieldPolicy;
}
/** One level of a document. */
export interface FieldRules {
  readonly fallback: FieldRule;
  readonly own: ReadonlyMap<string, FieldRule>;
  /** Objects that merge member by member. */
  readonly nested: ReadonlyMap<string, FieldRules>;
}

const KINDS: ReadonlySet<unknown> = new Set<FieldKind>(["value", "set", "increment"]);
const POLICIES: ReadonlySet<unknown> = new Set<FieldPolicy>(["client-wins", "server-wins", "last-write-wins", "ask"]);
/** Names through which a document could reach the objects of the program. */
const FORBIDDEN: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
/** The server's: an edit of one never leaves the device by a merge. */
const SERVER_OWNED: ReadonlySet<string> = new Set(["id", "version", "createdAt", "updatedAt", "created_at", "updated_at"]);

/** Whether a merge may write a member of this name. `depth` 0: of the document itself. */
export function isMergeable(name: string, depth: number): boolean {
  return !FORBIDDEN.has(name) && (depth > 0 || !SERVER_OWNED.has(name));
}

/** `whose`: begins the messages. @throws TypeError that names the field whose declaration is wrong */
export function fieldRules(declarations: FieldDeclarations = {}, policy: FieldPolicy = "client-wins", whose = ""): FieldRules {
  checkPolicy(`${whose}option policy`, policy);
  const fallback: FieldRule = { kind: "value", key: "", policy };
  const parsed = Object.entries(declarations).map(([path, declared]) => ({
    path: path.split("."),
    rule: ruleOf(`${whose}option fields: "${path}"`, path, declared, policy),
  }));
  return level(parsed, fallback);
}

interface Placed {
  readonly path: readonly string[];
  readonly rule: FieldRule;
}

function level(placed: readonly Placed[], fallback: FieldRule): FieldRules {
  const own = new Map<string, FieldRule>();
  const below = new Map<string, Placed[]>();
  for (const { path, rule } of placed) {
    const [name = "", ...rest] = path;
    if (rest.length === 0) own.set(name, rule);
    else below.set(name, [...(below.get(name) ?? []), { path: rest, rule }]);
  }
  for (const name of below.keys()) {
    if (own.has(name)) throw new TypeError(`option fields: "${name}" is declared as a whole and in parts; declare one or the other`);
  }
  return { fallback, own, nested: new Map([...below].map(([name, parts]) => [name, level(parts, fallback)])) };
}

function ruleOf(where: string, path: string, declared: FieldKind | FieldOptions, fallback: FieldPolicy): FieldRule {
  if (path.split(".").some((name) => name === "" || FORBIDDEN.has(name))) throw new TypeError(`${where} is no name of a field`);
  const options: FieldOptions = typeof declared === "string" ? { kind: declared } : declared;
  if (typeof options !== "object" || options === null) throw new TypeError(`${where} must be a kind or { kind, byKey, policy }`);
  const { kind = "value", byKey, policy = fallback } = options;
  if (!KINDS.has(kind)) throw new TypeError(`${where}: kind must be value, set or increment, got ${String(kind)}`);
  if (byKey !== undefined && (typeof byKey !== "string" || byKey === "" || kind !== "value"))
    throw new TypeError(`${where}: byKey must be the name of a member, and stands without another kind`);
  checkPolicy(where, policy);
  return { kind: byKey === undefined ? kind : "list", key: byKey ?? "", policy };
}

function checkPolicy(where: string, policy: unknown): void {
  if (typeof policy !== "function" && !POLICIES.has(policy))
    throw new TypeError(`${where}: policy must be client-wins, server-wins, last-write-wins, ask or a function, got ${String(policy)}`);
}
