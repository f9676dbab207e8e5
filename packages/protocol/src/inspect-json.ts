import { DANGEROUS_NAMES } from "./checks.ts";
import type { Json, JsonObject } from "./json.ts";
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH } from "./limits.ts";
import { accept, border, memberPath, type Parsed, refuse } from "./parsed.ts";
import { utf8SizeBytes } from "./utf8-size.ts";

export interface JsonLimits {
  readonly maxDepth: number;
  readonly maxBytes: number;
}
const PAYLOAD_LIMITS: JsonLimits = { maxDepth: MAX_PAYLOAD_DEPTH, maxBytes: MAX_PAYLOAD_BYTES };
const DOCUMENT_LIMITS: JsonLimits = { maxDepth: MAX_DOCUMENT_DEPTH, maxBytes: MAX_DOCUMENT_BYTES };

/**
 * Whether a value is JSON within bounds: no functions, NaN, cycles, class instances, dangerous names; not too deep, not
 * too large. Members with the value `undefined` count as absent. Walks with a stack of its own and stops at the bounds,
 * so that no input exhausts it. The value is returned as it is, not copied.
 */
export function inspectJson(value: unknown, limits: JsonLimits, path = ""): Parsed<Json> {
  return border(value, path, () => walk(value, limits, path));
}
/** For what a client sends: 256 KiB, 32 levels. */
export function inspectPayload(value: unknown, path = ""): Parsed<Json> {
  return inspectJson(value, PAYLOAD_LIMITS, path);
}
/** For what a server answers: a whole document. */
export function inspectDocument(value: unknown, path = ""): Parsed<JsonObject> {
  const parsed = inspectJson(value, DOCUMENT_LIMITS, path);
  if (!parsed.ok) return parsed;
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? accept(value as JsonObject)
    : refuse(path, "must be an object");
}

/** Levels of containers inside each other: 0 for a scalar, 1 for `{}`. Stops counting at `stopAt`, so cycles end. */
export function jsonDepth(value: unknown, stopAt = 1000): number {
  let deepest = 0;
  // Depth first: the members still to be seen of each container on the way down.
  const stack: unknown[][] = [[value]];
  while (stack.length > 0 && deepest < stopAt) {
    const next = stack.at(-1)?.pop();
    if (stack.at(-1)?.length === 0 && next === undefined) stack.pop();
    if (typeof next !== "object" || next === null) continue;
    deepest = Math.max(deepest, stack.length);
    stack.push(Object.values(next));
  }
  return deepest;
}

interface Frame {
  readonly container: object;
  /** `undefined`: an array, its items in turn. */
  readonly names: readonly string[] | undefined;
  readonly length: number;
  index: number;
}

function walk(root: unknown, limits: JsonLimits, path: string): Parsed<Json> {
  const stack: Frame[] = [];
  // Between these two lies the true size; only when they disagree about the limit is the text made and measured.
  let atLeastBytes = 0;
  let atMostBytes = 0;
  let value = root;
  for (;;) {
    if (typeof value === "string") {
      atLeastBytes += value.length + 2;
      atMostBytes += value.length * 6 + 2;
    } else {
      atLeastBytes += 1;
      atMostBytes += 26;
    }
    if (atLeastBytes > limits.maxBytes) return refuse(path, `must not be larger than ${limits.maxBytes} bytes`, "PAYLOAD_TOO_LARGE");
    if (typeof value === "object" && value !== null) {
      if (stack.length >= limits.maxDepth) return refuse(pathOf(stack, path), `is nested deeper than ${limits.maxDepth} levels`);
      const frame = open(value);
      if (frame === undefined) return refuse(pathOf(stack, path), "must be plain JSON, not an instance of a class");
      stack.push(frame);
    } else if (!isScalar(value)) {
      return refuse(pathOf(stack, path), typeof value === "number" ? "must be a finite number" : `must be JSON, not ${typeof value}`);
    }
    for (;;) {
      const frame = stack.at(-1);
      if (frame === undefined) return measure(root, atMostBytes, limits, path);
      if (frame.index >= frame.length) {
        stack.pop();
        continue;
      }
      const name = frame.names?.[frame.index];
      const key = name ?? frame.index;
      frame.index += 1;
      value = (frame.container as { readonly [key: string | number]: unknown })[key];
      if (name === undefined) break;
      if (DANGEROUS_NAMES.has(name)) return refuse(pathOf(stack, path), "is a name that is not allowed");
      if (value === undefined) continue;
      atLeastBytes += name.length + 3;
      atMostBytes += name.length * 6 + 4;
      break;
    }
  }
}

function measure(root: unknown, atMostBytes: number, limits: JsonLimits, path: string): Parsed<Json> {
  if (atMostBytes > limits.maxBytes && utf8SizeBytes(JSON.stringify(root)) > limits.maxBytes)
    return refuse(path, `must not be larger than ${limits.maxBytes} bytes`, "PAYLOAD_TOO_LARGE");
  return accept(root as Json);
}

function open(container: object): Frame | undefined {
  if (Array.isArray(container)) return { container, names: undefined, length: container.length, index: 0 };
  // Plain in any realm: an object of another frame or worker has another Object.prototype.
  const prototype: unknown = Object.getPrototypeOf(container);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return undefined;
  const names = Object.keys(container);
  return { container, names, length: names.length, index: 0 };
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value === "boolean" || typeof value === "string" || (typeof value === "number" && Number.isFinite(value));
}

function pathOf(stack: readonly Frame[], root: string): string {
  let path = root;
  for (const frame of stack) {
    const name = frame.names?.[frame.index - 1];
    path = name === undefined ? `${path}[${frame.index - 1}]` : memberPath(path, name);
  }
  return path;
}
