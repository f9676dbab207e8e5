import {
  type BodyKind,
  type Check,
  type Echo,
  inspectDocument,
  isJsonObject,
  type Json,
  type JsonObject,
  parseProblem,
  parseResponseEnvelope,
  readBody,
  type WireError,
} from "@guardian-sync/protocol";
import type { Exchange } from "../ports/index.ts";

export type Answer = Extract<Exchange, { kind: "answer" }>;

/** What stands in the body of an answer. */
export interface ReadAnswer<D> {
  /** For the outcome table. */
  readonly body: BodyKind;
  readonly data?: D;
  readonly error?: WireError;
  /** Server time of the answer (ISO 8601), when it is our envelope. */
  readonly timestamp?: string;
}

/**
 * Reads an answer in our envelope. What is an envelope but the answer to another request (its echo differs) counts as
 * unreadable, whatever its status: it must not decide about this request.
 */
export function readEnvelope<D>(answer: Answer, readData: Check<D>, echo: Echo): ReadAnswer<D> {
  const read = readBody(answer.headers["content-type"], answer.body);
  if (read.kind === "problem") return isOf({ meta: read.value }, echo) ? problemOf(read.value, answer.status) : { body: "other" };
  if (read.kind !== "json") return { body: read.kind };
  const parsed = parseResponseEnvelope(read.value, readData);
  if (!parsed.ok) return { body: isOf(read.value, echo) ? "json" : "other" };
  const { meta, data, error } = parsed.value;
  if (meta.trace_id !== echo.trace_id || meta.txn_token !== echo.txn_token) return { body: "other" };
  const { timestamp } = meta;
  return error === undefined ? { body: "ours", data, timestamp } : { body: "ours", error, timestamp };
}

/** An envelope that is damaged inside may still say whose answer it is not. */
function isOf(value: unknown, echo: Echo): boolean {
  const meta = isJsonObject(value) ? value.meta : undefined;
  const traceId = isJsonObject(meta) ? meta.trace_id : undefined;
  return traceId === undefined || traceId === echo.trace_id;
}

export interface ForeignShape {
  /** What the route answers on success. Default: any JSON, an object for CREATE and UPDATE. */
  readonly readDocument?: Check<Json>;
  /** What the route answers on failure. Default: `{code, message}` or `{error: {code, message}}`. */
  readonly readError?: (value: unknown) => WireError | undefined;
}

/** Reads an answer of a backend that has no envelope. */
export function readForeign(answer: Answer, type: string, shape: ForeignShape): ReadAnswer<Json> {
  const read = readBody(answer.headers["content-type"], answer.body);
  if (read.kind === "problem") return problemOf(read.value, answer.status);
  if (read.kind !== "json") return { body: read.kind };
  if (answer.status >= 300) {
    const error = (shape.readError ?? foreignError)(read.value);
    return error === undefined ? { body: "json" } : { body: "json", error };
  }
  const parsed = (shape.readDocument ?? (type === "CREATE" || type === "UPDATE" ? inspectDocument : anyDocument))(read.value, "");
  return parsed.ok ? { body: "ours", data: parsed.value } : { body: "json" };
}

/** For data of which the shape is the route's business: an object is inspected, anything else is only JSON. */
export const anyDocument: Check<Json> = (value, path) =>
  isJsonObject(value) ? inspectDocument(value, path) : { ok: true, value: value as Json };

function problemOf(value: unknown, status: number): ReadAnswer<never> {
  const parsed = parseProblem(value, status);
  return parsed.ok ? { body: "problem", error: parsed.value } : { body: "json" };
}

function foreignError(value: unknown): WireError | undefined {
  const outer: JsonObject = isJsonObject(value) ? value : {};
  const inner = outer.error;
  const { code, message, details } = isJsonObject(inner) ? inner : outer;
  if (typeof code !== "string") return undefined;
  return { code, message: typeof message === "string" ? message : "", ...(isJsonObject(details) ? { details } : {}) };
}
