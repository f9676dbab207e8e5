import type { WireCode } from "./codes.ts";

/** What the border says about untrusted input: the value, or where and why it was refused. Never an exception. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | Refused;
export interface Refused {
  readonly ok: false;
  /** `operations[3].payload.name`; empty for the value itself. Holds names that the sender chose: redact before logging. */
  readonly path: string;
  /** Completes the sentence "`path` …": "must be a UUID v4". Never quotes the value. */
  readonly problem: string;
  /** The code to answer with, when it is not VALIDATION_ERROR. */
  readonly code?: WireCode;
}
/** Reads one value. `path` is where it stands in the message. */
export type Check<T> = (value: unknown, path: string) => Parsed<T>;

export function accept<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

const MAX_PATH_CHARS = 200;
/** Longer paths are cut in front: the end says most. */
export function refuse(path: string, problem: string, code?: WireCode): Refused {
  const shown = path.length > MAX_PATH_CHARS ? `…${path.slice(1 - MAX_PATH_CHARS)}` : path;
  return code === undefined ? { ok: false, path: shown, problem } : { ok: false, path: shown, problem, code };
}

/** Runs a check that meets what JSON text cannot contain: getters and proxies that throw. */
export function border<T>(value: unknown, path: string, check: Check<T>): Parsed<T> {
  try {
    return check(value, path);
  } catch {
    return refuse(path, "could not be read");
  }
}

export function memberPath(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
