import { redactPii } from "./redact-text.ts";
import { isPhoneName, isSensitiveName } from "./sensitive-names.ts";

const REDACTED = "[REDACTED]";
const MAX_DEPTH = 64;
/** Members of one value, all levels together; what comes later is left out. */
const MAX_NODES = 250_000;
const MAX_JSON_TEXT_CHARS = 2_000_000;

interface Walk {
  /** The containers above: meeting one again is a cycle. */
  readonly above: Set<object>;
  nodes: number;
  /** Whether anything was changed, for JSON inside strings. */
  changed: boolean;
}

/**
 * A copy that may be shown: sensitive fields replaced, texts redacted, also in keys, in JSON inside strings, and in
 * messages of errors and their causes. The result is plain data: maps become objects, sets lists, dates ISO texts,
 * errors `{name, message, code?, cause?}` without their stacks. Never throws, whatever it is given.
 */
export function redactPayload(value: unknown): unknown {
  try {
    return copy(value, "", { above: new Set(), nodes: 0, changed: false });
  } catch {
    return "[UNREADABLE]";
  }
}

function copy(value: unknown, name: string, walk: Walk): unknown {
  walk.nodes += 1;
  if (walk.nodes > MAX_NODES) return mark(walk, "[TRUNCATED]");
  if (name !== "" && isSensitiveName(name)) return mark(walk, REDACTED);
  switch (typeof value) {
    case "string":
      return copyText(value, name, walk);
    case "number":
      return isPhoneName(name) && hasPhoneDigits(String(value)) ? mark(walk, "[REDACTED_PHONE]") : value;
    case "bigint":
      return String(value);
    case "function":
    case "symbol":
      return `[${typeof value}]`;
    case "object":
      return value === null ? null : copyObject(value, walk);
    case "boolean":
    case "undefined":
      return value;
  }
}

function mark(walk: Walk, text: string): string {
  walk.changed = true;
  return text;
}

function copyText(text: string, name: string, walk: Walk): string {
  if (isPhoneName(name) && hasPhoneDigits(text)) return mark(walk, "[REDACTED_PHONE]");
  const safe = copyJsonText(text, walk) ?? redactPii(text);
  if (safe !== text) walk.changed = true;
  return safe;
}

function hasPhoneDigits(text: string): boolean {
  const digits = text.slice(0, 40).replaceAll(/\D/g, "").length;
  return digits >= 6 && digits <= 15;
}

/** `undefined` unless the text is an object or a list in JSON. Untouched when nothing in it had to go. */
function copyJsonText(text: string, walk: Walk): string | undefined {
  if (text.length > MAX_JSON_TEXT_CHARS || !/^\s{0,100}[{[]/.test(text)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const inner: Walk = { above: walk.above, nodes: walk.nodes, changed: false };
  const safe = copy(parsed, "", inner);
  walk.nodes = inner.nodes;
  return inner.changed ? JSON.stringify(safe) : text;
}

function copyObject(value: object, walk: Walk): unknown {
  if (walk.above.has(value)) return mark(walk, "[CIRCULAR]");
  if (walk.above.size >= MAX_DEPTH) return mark(walk, "[TRUNCATED]");
  walk.above.add(value);
  try {
    return copyContainer(value, walk);
  } catch {
    // A getter, a proxy or a toJSON that throws spoils its own object only.
    return mark(walk, "[UNREADABLE]");
  } finally {
    walk.above.delete(value);
  }
}

function copyContainer(value: object, walk: Walk): unknown {
  if (Array.isArray(value)) return copyItems(value, walk);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[INVALID DATE]" : value.toISOString();
  if (value instanceof Error) return copyError(value, walk);
  if (value instanceof Map)
    return copyMembers(
      Array.from(value, ([key, member]) => [keyOf(key, walk), () => member]),
      walk,
    );
  if (value instanceof Set) return copyItems([...value], walk);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (typeof toJSON === "function") return copy(toJSON.call(value), "", walk);
  const object = value as { readonly [key: string]: unknown };
  return copyMembers(
    Object.keys(object).map((key) => [key, () => object[key]]),
    walk,
  );
}

function keyOf(key: unknown, walk: Walk): string {
  return typeof key === "object" && key !== null ? JSON.stringify(copy(key, "", walk)) : String(key);
}

/** Not with `map`: it would run over every hole of a list that only claims to be long. */
function copyItems(items: readonly unknown[], walk: Walk): unknown[] {
  const safe: unknown[] = [];
  for (let i = 0; i < items.length; i++) {
    if (walk.nodes >= MAX_NODES) {
      safe.push(mark(walk, "[TRUNCATED]"));
      break;
    }
    safe.push(copy(items[i], "", walk));
  }
  return safe;
}

type Member = readonly [name: string, read: () => unknown];

function copyMembers(members: readonly Member[], walk: Walk): unknown {
  const safe = {};
  for (const [name, read] of members) {
    const shown = redactPii(name);
    if (shown !== name) walk.changed = true;
    // Not by assignment: a member may be called __proto__.
    Object.defineProperty(safe, shown, { value: copyMember(name, read, walk), enumerable: true, configurable: true, writable: true });
    if (walk.nodes >= MAX_NODES) break;
  }
  return safe;
}

function copyMember(name: string, read: () => unknown, walk: Walk): unknown {
  try {
    return copy(read(), name, walk);
  } catch {
    return mark(walk, "[UNREADABLE]");
  }
}

function copyError(error: Error, walk: Walk): unknown {
  const { name, message, cause } = error;
  const { code } = error as { readonly code?: unknown };
  const members: Member[] = [
    ["name", () => name],
    ["message", () => message],
  ];
  if (code !== undefined) members.push(["code", () => code]);
  if (cause !== undefined) members.push(["cause", () => cause]);
  if (error instanceof AggregateError) members.push(["errors", () => error.errors]);
  return copyMembers(members, walk);
}
