import { cancelPath, type Json, type JsonObject, SYNC_PATHS, verdictPath, isJsonObject } from "@guardian-sync/protocol";
import type { Exchange, HttpRequest } from "guardian-sync/testing";

/** One operation inside a request, as far as an onlooker reads it. */
export interface SeenOperation {
  readonly key: string;
  readonly operation_id: string;
  readonly type: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly payload: Json;
  readonly base?: Json;
  readonly supersedes?: readonly string[];
  readonly group?: string;
  readonly depends_on?: readonly string[];
  readonly op_number?: number;
  readonly lane?: string;
  readonly cancelled?: true;
}
export interface SeenResult {
  readonly key: string;
  readonly status: number;
  readonly outcome: string;
  readonly applied_key?: string;
  readonly replayed?: boolean;
  readonly commit_seq?: number;
}

export function pathOf(request: HttpRequest): string {
  return new URL(request.url).pathname;
}

export function isOpsRequest(request: HttpRequest): boolean {
  return request.method === "POST" && pathOf(request) === SYNC_PATHS.ops;
}

export function orderingOf(request: HttpRequest): string {
  const payload = isOpsRequest(request) ? parsed(request.body)?.payload : undefined;
  return isJsonObject(payload) ? String(payload.ordering) : "";
}

/** A request is looked at when it leaves and whenever a copy of it arrives. */
const seen = new WeakMap<HttpRequest, readonly SeenOperation[]>();

export function operationsOf(request: HttpRequest): readonly SeenOperation[] {
  const known = seen.get(request) ?? readOperations(request);
  seen.set(request, known);
  return known;
}

function readOperations(request: HttpRequest): readonly SeenOperation[] {
  if (!isOpsRequest(request)) return [];
  const payload = parsed(request.body)?.payload;
  return isJsonObject(payload) && Array.isArray(payload.operations) ? (payload.operations as unknown as SeenOperation[]) : [];
}

export function resultsOf(body: string): readonly SeenResult[] {
  const data = parsed(body)?.data;
  return isJsonObject(data) && Array.isArray(data.results) ? (data.results as unknown as SeenResult[]) : [];
}

/** The request with its operations, and what stands beside them, replaced. */
export function withOperations(
  request: HttpRequest,
  change: (operation: SeenOperation) => SeenOperation,
  payloadChange: JsonObject = {},
): HttpRequest {
  const envelope = parsed(request.body);
  const payload = envelope?.payload;
  if (!isOpsRequest(request) || envelope === undefined || !isJsonObject(payload)) return request;
  const operations = operationsOf(request).map(change) as unknown as Json[];
  return { ...request, body: JSON.stringify({ ...envelope, payload: { ...payload, operations, ...payloadChange } }) };
}

/** The answer with its results replaced. */
export function withResults(exchange: Exchange, change: (result: SeenResult) => SeenResult): Exchange {
  if (exchange.kind !== "answer") return exchange;
  const envelope = parsed(exchange.body);
  const data = envelope?.data;
  if (envelope === undefined || !isJsonObject(data) || !Array.isArray(data.results)) return exchange;
  const results = (data.results as unknown as SeenResult[]).map(change) as unknown as Json[];
  return { ...exchange, body: JSON.stringify({ ...envelope, data: { ...data, results } }) };
}

/** `GET …/ops/{key}` or `POST …/ops/{key}/cancel`, and the key that it asks about. */
export function askedKey(request: HttpRequest): { readonly key: string; readonly path: (key: string) => string } | null {
  const [, key = "", cancel] = /^\/api\/v1\/sync\/ops\/([^/]+)(\/cancel)?$/.exec(pathOf(request)) ?? [];
  if (key === "") return null;
  return { key: decodeURIComponent(key), path: cancel === undefined ? verdictPath : cancelPath };
}

/** What must not change once it was sent under a key. */
export function contentOf({ type, entity_type, entity_id, payload, base, cancelled }: SeenOperation): string {
  return cancelled === true ? "" : JSON.stringify([type, entity_type, entity_id, payload, base ?? null]);
}

function parsed(body: string | undefined): JsonObject | undefined {
  if (body === undefined || !body.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(body) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
