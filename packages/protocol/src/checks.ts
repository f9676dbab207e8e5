import { isUuid, isUuidV4 } from "./ids.ts";
import { parseIso } from "./iso.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { MAX_NAME_CHARS } from "./limits.ts";
import { accept, type Check, memberPath, type Parsed, type Refused, refuse } from "./parsed.ts";

/** The small checks that the parsers of messages are made of. */
function check<T>(holds: (value: unknown) => boolean, problem: string): Check<T> {
  return (value, path) => (holds(value) ? accept(value as T) : refuse(path, problem));
}

export const anyText: Check<string> = /* @__PURE__ */ check((value) => typeof value === "string", "must be a string");
export const flag: Check<boolean> = /* @__PURE__ */ check((value) => typeof value === "boolean", "must be true or false");
export const onlyTrue: Check<true> = /* @__PURE__ */ check((value) => value === true, "must be true or absent");
export const uuid: Check<string> = /* @__PURE__ */ check(isUuid, "must be a lowercase UUID");
export const uuidV4: Check<string> = /* @__PURE__ */ check(isUuidV4, "must be a lowercase UUID v4");
/** A whole number ≥ 0 that a double holds exactly. */
export const count: Check<number> = /* @__PURE__ */ check(
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  "must be a whole number >= 0",
);
export const ordinal: Check<number> = /* @__PURE__ */ check(
  (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  "must be a whole number >= 1",
);
export const httpStatus: Check<number> = /* @__PURE__ */ check(
  (value) => Number.isInteger(value) && (value as number) >= 100 && (value as number) <= 599,
  "must be an HTTP status",
);
export const isoTime: Check<string> = /* @__PURE__ */ check(
  (value) => typeof value === "string" && parseIso(value) !== undefined,
  "must be an ISO 8601 time in UTC, ending in Z",
);
/** Something that has a name: types, ids of entities, lanes, tokens. Control characters have no place in one. */
export const name: Check<string> = /* @__PURE__ */ check(
  (value) => typeof value === "string" && value.length >= 1 && value.length <= MAX_NAME_CHARS && !hasControl(value),
  `must be a string of 1 to ${MAX_NAME_CHARS} characters without control characters`,
);

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 || text.charCodeAt(i) === 0x7f) return true;
  return false;
}

export function oneOf<T extends string>(values: readonly T[]): Check<T> {
  return check((value) => (values as readonly unknown[]).includes(value), `must be one of ${values.join(", ")}`);
}

/** `null` stays `null`: for members that must be there but may be empty. */
export function orNull<T>(inner: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? accept(null) : inner(value, path));
}

export function listOf<T>(item: Check<T>, maxItems: number): Check<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return refuse(path, "must be a list");
    const length = value.length;
    if (length > maxItems) return refuse(path, `must have at most ${maxItems} items`, "PAYLOAD_TOO_LARGE");
    const items: T[] = [];
    for (let i = 0; i < length; i++) {
      const parsed = item(value[i], `${path}[${i}]`);
      if (!parsed.ok) return parsed;
      items.push(parsed.value);
    }
    return accept(items);
  };
}

/** Names that reach into a prototype when a careless program copies them. Refused wherever a sender chooses names. */
export const DANGEROUS_NAMES: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** An object used as a map, its names chosen by the sender. */
export function mapOf<T>(item: Check<T>, maxItems: number): Check<{ readonly [name: string]: T }> {
  return (value, path) => {
    if (!isJsonObject(value)) return refuse(path, "must be an object");
    const names = Object.keys(value);
    if (names.length > maxItems) return refuse(path, `must have at most ${maxItems} members`, "PAYLOAD_TOO_LARGE");
    const map: { [name: string]: T } = {};
    for (const key of names) {
      if (DANGEROUS_NAMES.has(key)) return refuse(path, `must not have a member named ${key}`);
      const parsed = item(value[key], `${path}.${key}`);
      if (!parsed.ok) return parsed;
      map[key] = parsed.value;
    }
    return accept(map);
  };
}

/** Reads the members of one object and remembers the first that was refused. */
export class Members {
  readonly #object: JsonObject;
  readonly #path: string;
  #refused: Refused | undefined;

  constructor(object: JsonObject, path: string) {
    this.#object = object;
    this.#path = path;
  }

  /** Own members only: what a prototype offers was not sent. */
  raw(member: string): unknown {
    return Object.hasOwn(this.#object, member) ? this.#object[member] : undefined;
  }

  /** Of a member; of the object itself for "". */
  path(member: string): string {
    return member === "" ? this.#path : memberPath(this.#path, member);
  }

  /** The value. After a refusal a stand-in that `done` never lets out. */
  need<T>(member: string, item: Check<T>): T {
    const value = this.raw(member);
    if (value === undefined) return this.#refuse(refuse(this.path(member), "is missing"));
    const parsed = item(value, this.path(member));
    return parsed.ok ? parsed.value : this.#refuse(parsed);
  }

  /** `{member: value}` or `{}`, to be spread. `null` counts as absent: many serialisers write it for nothing. */
  may<K extends string, T>(member: K, item: Check<T>): { readonly [P in K]?: T } {
    const value = this.raw(member);
    if (value === undefined || value === null) return {};
    return { [member]: this.need(member, item) } as { readonly [P in K]?: T };
  }

  refuse(member: string, problem: string): void {
    this.#refuse(refuse(this.path(member), problem));
  }

  done<T>(value: T): Parsed<T> {
    return this.#refused ?? accept(value);
  }

  #refuse(refused: Refused): never {
    this.#refused ??= refused;
    return undefined as never;
  }
}

/** A check of an object by its members; names that are not asked for are ignored. */
export function objectOf<T>(read: (members: Members) => Parsed<T>): Check<T> {
  return (value, path) => (isJsonObject(value) ? read(new Members(value, path)) : refuse(path, "must be an object"));
}
