import type { Json } from "@guardian-sync/protocol";
import { MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH, utf8SizeBytes } from "@guardian-sync/protocol";

export interface PayloadLimits {
  /** UTF-8 bytes of the JSON text. */
  readonly maxBytes: number;
  /** Containers inside each other; `{}` is one level. */
  readonly maxDepth: number;
}
export const PAYLOAD_LIMITS: PayloadLimits = { maxBytes: MAX_PAYLOAD_BYTES, maxDepth: MAX_PAYLOAD_DEPTH };

export type CheckedPayload =
  | {
      readonly ok: true;
      /** A plain copy: what the caller does to its own object afterwards changes nothing here. */
      readonly value: Json;
      readonly text: string;
    }
  | {
      readonly ok: false;
      readonly code: "INVALID_INPUT" | "OPERATION_TOO_LARGE";
      /** `rooms[2].name`; empty for the payload itself. */
      readonly path: string;
      /** Completes the sentence "`path` …". Never quotes the value. */
      readonly problem: string;
    };

interface Frame {
  /** For cycles. */
  readonly source: object;
  /** `undefined`: an array. */
  readonly names: readonly string[] | undefined;
  /** Of an object whole at first, and each member is checked and replaced where it has to be; a list grows with what was checked. */
  readonly copy: { [name: string | number]: unknown };
  readonly length: number;
  index: number;
}

/**
 * Copies a payload into plain JSON, and refuses what JSON would lose or change in silence. Reads every member once, so a
 * getter runs once and what was checked is what is kept. Members with the value `undefined` are dropped, as JSON drops
 * them. Walks with a stack of its own, at most `maxDepth` frames.
 */
export function checkPayload(input: unknown, limits: PayloadLimits = PAYLOAD_LIMITS): CheckedPayload {
  const stack: Frame[] = [];
  try {
    const walked = walk(input, limits, stack);
    if (typeof walked === "string") return refuse(stack, walked);
    const text = JSON.stringify(walked.value);
    // No UTF-16 unit takes more than three bytes of UTF-8: counting is for the large ones.
    if (text.length * 3 > limits.maxBytes && utf8SizeBytes(text) > limits.maxBytes) return tooLarge(limits);
    return { ok: true, value: walked.value as Json, text };
  } catch (error) {
    if (error === TOO_LARGE) return tooLarge(limits);
    // A getter or a proxy of the caller threw.
    return refuse(stack, "could not be read");
  }
}

const TOO_LARGE: unique symbol = Symbol("too large");
const DANGEROUS: ReadonlySet<string> = /* @__PURE__ */ new Set(["__proto__", "constructor", "prototype"]);

/** The copy, or what is wrong with the member that the stack points at. */
function walk(input: unknown, limits: PayloadLimits, stack: Frame[]): { readonly value: unknown } | string {
  let atLeastBytes = 0;
  let root: unknown;
  let value = input;
  let frame: Frame | undefined;
  for (;;) {
    let copy = value;
    let opened: Frame | undefined;
    switch (typeof value) {
      case "string":
        atLeastBytes += value.length + 2;
        break;
      case "number":
        if (!Number.isFinite(value)) return `must be a finite number, not ${value}`;
        // JSON writes both zeros alike.
        if (value === 0) copy = 0;
        atLeastBytes += 1;
        break;
      case "boolean":
        atLeastBytes += 4;
        break;
      case "object": {
        atLeastBytes += 2;
        if (value === null) break;
        const problem = stack.length >= limits.maxDepth ? tooDeep(value, stack, limits) : cycleIn(value, stack);
        if (problem !== undefined) return problem;
        const open = openFrame(value);
        if (typeof open === "string") return open;
        opened = open;
        copy = open.copy;
        break;
      }
      case "bigint":
      case "function":
      case "symbol":
      case "undefined":
        return problemOf(value);
    }
    if (atLeastBytes > limits.maxBytes) throw TOO_LARGE;
    if (frame === undefined) root = copy;
    else if (frame.names === undefined) frame.copy[frame.index - 1] = copy;
    // `Object.is`, because -0 becomes 0.
    else if (!Object.is(copy, value)) frame.copy[frame.names[frame.index - 1] as string] = copy;
    if (opened !== undefined) {
      stack.push(opened);
      frame = opened;
    }
    // On to the next member that has a value.
    for (;;) {
      if (frame === undefined) return { value: root };
      if (frame.index >= frame.length) {
        stack.pop();
        frame = stack[stack.length - 1];
        continue;
      }
      const name: string | undefined = frame.names?.[frame.index];
      value = name === undefined ? (frame.source as readonly unknown[])[frame.index] : frame.copy[name];
      frame.index += 1;
      if (name === undefined) break;
      if (DANGEROUS.has(name)) return "has a name that is not allowed";
      if (value === undefined) {
        delete frame.copy[name];
        continue;
      }
      atLeastBytes += name.length + 4;
      break;
    }
  }
}

function openFrame(source: object): Frame | string {
  if (Array.isArray(source)) return { source, names: undefined, copy: [] as unknown as Frame["copy"], length: source.length, index: 0 };
  const prototype: unknown = Object.getPrototypeOf(source);
  // Plain in any realm: an object of another frame or worker has another Object.prototype.
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) return instanceProblem(source);
  // One native copy: member by member costs three times as much.
  const copy = { ...source } as Frame["copy"];
  const names = Object.keys(copy);
  return { source, names, copy, length: names.length, index: 0 };
}

function cycleIn(value: object, stack: readonly Frame[]): string | undefined {
  for (const frame of stack) if (frame.source === value) return "contains itself";
  return undefined;
}

function tooDeep(value: object, stack: readonly Frame[], limits: PayloadLimits): string {
  return cycleIn(value, stack) ?? `is nested deeper than ${limits.maxDepth} levels`;
}

function problemOf(value: unknown): string {
  if (typeof value === "bigint") return "must be JSON, not a bigint: give a string, or a number up to 2^53";
  if (value === undefined) return "must be JSON, not undefined: give null";
  return `must be JSON, not a ${typeof value}`;
}

function instanceProblem(value: object): string {
  if (value instanceof Date) return "must be JSON, not a Date: give an ISO 8601 string (date.toISOString())";
  if (value instanceof Map) return "must be JSON, not a Map: give a plain object (Object.fromEntries(map))";
  if (value instanceof Set) return "must be JSON, not a Set: give an array ([...set])";
  return "must be plain JSON, not an instance of a class";
}

function refuse(stack: readonly Frame[], problem: string): CheckedPayload {
  let path = "";
  for (const { names, index } of stack) {
    const name = names?.[index - 1];
    path += name === undefined ? `[${index - 1}]` : path === "" ? name : `.${name}`;
  }
  return { ok: false, code: "INVALID_INPUT", path, problem };
}

function tooLarge(limits: PayloadLimits): CheckedPayload {
  return {
    ok: false,
    code: "OPERATION_TOO_LARGE",
    path: "",
    problem: `must not be larger than ${limits.maxBytes} bytes as JSON; keep what is large elsewhere, and queue where it is`,
  };
}
