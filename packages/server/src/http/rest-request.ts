/** A REST write as an operation: the same one that the sync face would have carried. */
import {
  type Base,
  HEADERS,
  inspectPayload,
  isJsonObject,
  type Json,
  type JsonObject,
  MAX_NAME_CHARS,
  parseIdempotencyKey,
  parseIfMatch,
} from "@guardian-sync/protocol";
import { fingerprintOf, type Operation, type Precondition } from "../core/operation.ts";
import { invalid, RequestRefused } from "../core/refusal.ts";
import type { Exchange } from "./exchange.ts";

/** The key of a write. @throws RequestRefused 400 when it is malformed, or missing where one is required */
export function keyOf(exchange: Exchange, isRequired: boolean): string | null {
  const header = exchange.header(HEADERS.idempotencyKey);
  if (header === undefined && !isRequired) return null;
  const key = parseIdempotencyKey(header);
  if (key !== undefined) return key;
  const message =
    header === undefined ? "this write needs an Idempotency-Key, so that a repetition is recognised" : "an Idempotency-Key is a UUID v4";
  throw new RequestRefused(invalid(HEADERS.idempotencyKey, header === undefined ? "required" : "uuid_v4", message, 400));
}

/** The payload; null for a DELETE without a body. */
export function payloadOf(exchange: Exchange): Json {
  if (exchange.request.method === "DELETE" && !exchange.hasBody) return null;
  return exchange.envelope(inspectPayload).payload;
}

export interface RestWrite {
  readonly key: string | null;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly payload: Json;
  readonly patch: Operation["patch"];
}

/** Adds what headers and the payload's `version` say about the state it was made against. */
export function operationOf(exchange: Exchange, write: RestWrite): Operation {
  const { key, type, entityType, entityId } = write;
  const { version, payload } = versionIn(write.payload);
  const precondition = preconditionOf(exchange);
  const base = version === undefined ? soleVersion(precondition) : { version };
  const described = { type, entity_type: entityType, entity_id: entityId, payload, ...(base === undefined ? {} : { base }) };
  return {
    key,
    operationId: null,
    fingerprint: fingerprintOf(described, exchange.deps.world.sha256),
    type,
    entityType,
    entityId,
    payload,
    patch: write.patch,
    supersedes: [],
    dependsOn: [],
    isCancelled: false,
    ...(version === undefined ? {} : { base: { version } }),
    ...(precondition === undefined ? {} : { precondition }),
  };
}

/** `version` in a payload is no field of the document: it says which one was changed. */
function versionIn(payload: Json): { readonly version?: number; readonly payload: Json } {
  if (!isJsonObject(payload) || payload.version === undefined) return { payload };
  const { version, ...rest } = payload;
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 0) {
    throw new RequestRefused(invalid("version", "integer", "version must be a whole number"));
  }
  return { version, payload: rest };
}

function preconditionOf(exchange: Exchange): Precondition | undefined {
  const header = exchange.header(HEADERS.ifMatch);
  if (header === undefined) return undefined;
  const versions = parseIfMatch(header);
  if (versions === undefined)
    throw new RequestRefused(invalid(HEADERS.ifMatch, "etag", 'If-Match must be an ETag such as "v7", or *', 400));
  return { provided: header, versions };
}

function soleVersion(precondition: Precondition | undefined): Base | undefined {
  if (precondition === undefined || precondition.versions === "*") return undefined;
  const [version, ...others] = precondition.versions;
  return version === undefined || others.length > 0 ? undefined : { version };
}

/** @throws RequestRefused 422 */
export function entityIdOf(id: Json | undefined): string {
  if (typeof id === "string" && id.length >= 1 && id.length <= MAX_NAME_CHARS && !hasControl(id)) return id;
  throw new RequestRefused(invalid("id", "name", `id must be a string of 1 to ${MAX_NAME_CHARS} characters; make a UUID v4`));
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 || text.charCodeAt(i) === 0x7f) return true;
  return false;
}

/** Path parameters return to the input: clients took them out of it. */
export function withParams(payload: Json, params: { readonly [name: string]: string }): Json {
  if (Object.keys(params).length === 0) return payload;
  const members: JsonObject = isJsonObject(payload) ? payload : {};
  return { ...members, ...params };
}
