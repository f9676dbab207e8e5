/** The REST face: five routes for each collection, one for each named operation that declares its own. */
import { formatEtag, isJsonObject } from "@guardian-sync/protocol";
import { gone } from "../core/decide-plain.ts";
import type { Operation } from "../core/operation.ts";
import { invalid, notFound, RequestRefused } from "../core/refusal.ts";
import type { Collection, NamedOperation, OperationRoute, Registry } from "../core/registry.ts";
import type { Exchange } from "./exchange.ts";
import { perform, readSpace } from "./perform.ts";
import { limitOf } from "./query.ts";
import { replyOf } from "./rest-reply.ts";
import { entityIdOf, keyOf, operationOf, payloadOf, type RestWrite, withParams } from "./rest-request.ts";
import type { Method, Reply, Route } from "./route.ts";
import { clientIdOf, fenceOf } from "./session-scope.ts";

const API = "/api/v1";

export function restRoutes(registry: Registry): readonly Route[] {
  const named = [...registry.operations.values()].flatMap((operation) =>
    operation.route === undefined ? [] : [namedRoute(operation, operation.route)],
  );
  const taken = new Set(named.map(({ method, template }) => `${method} ${template}`));
  const plain = [...registry.byPath.values()].flatMap(collectionRoutes);
  // A team's own route stands in place of the generated one: POST /api/v1/health/heart-rate is RECORD_HEART_RATE.
  return [...named, ...plain.filter(({ method, template }) => !taken.has(`${method} ${template}`))];
}

function collectionRoutes(collection: Collection): readonly Route[] {
  const all = `${API}/${collection.path}`;
  const one = `${all}/{id}`;
  const { allow = ["create", "update", "delete"], appendOnly = false } = collection;
  const mayChange = (action: "update" | "delete"): boolean => allow.includes(action) && !appendOnly;
  const route = (method: Method, template: string, handle: Route["handle"]): Route => ({ method, template, access: "session", handle });
  return [
    route("GET", all, (exchange) => list(exchange, collection)),
    route("GET", one, (exchange) => read(exchange, collection)),
    ...(allow.includes("create") ? [route("POST", all, (exchange) => create(exchange, collection))] : []),
    ...(mayChange("update") ? [route("PATCH", one, (exchange) => change(exchange, collection, "UPDATE", "merge"))] : []),
    ...(mayChange("update") ? [route("PUT", one, (exchange) => change(exchange, collection, "UPDATE", "replace"))] : []),
    ...(mayChange("delete") ? [route("DELETE", one, (exchange) => change(exchange, collection, "DELETE", "merge"))] : []),
  ];
}

async function create(exchange: Exchange, { entityType, path }: Collection): Promise<Reply> {
  const key = keyOf(exchange, true);
  const payload = payloadOf(exchange);
  // An id from the client is the rule; the key serves those that have none, because it too is the same on every try.
  const given = isJsonObject(payload) ? payload.id : undefined;
  const entityId = given === undefined ? (key ?? "") : entityIdOf(given);
  return await write(exchange, { key, type: "CREATE", entityType, entityId, payload, patch: "merge" }, `${API}/${path}`);
}

async function change(exchange: Exchange, { entityType, path }: Collection, type: string, patch: Operation["patch"]): Promise<Reply> {
  const key = keyOf(exchange, true);
  const entityId = entityIdOf(exchange.params.id);
  return await write(exchange, { key, type, entityType, entityId, payload: payloadOf(exchange), patch }, `${API}/${path}`);
}

function namedRoute({ name }: NamedOperation, route: OperationRoute): Route {
  const handle = async (exchange: Exchange): Promise<Reply> => {
    const { registry } = exchange.deps;
    const key = keyOf(exchange, route.requiresIdempotency !== false);
    const payload = withParams(payloadOf(exchange), exchange.params);
    const { entityType, entityIdFrom = "id" } = route;
    const given = isJsonObject(payload) ? payload[entityIdFrom] : undefined;
    const entityId = given === undefined ? (key ?? exchange.deps.newId()) : entityIdOf(given);
    const collection = registry.byType.get(entityType);
    return await write(exchange, { key, type: name, entityType, entityId, payload, patch: "merge" }, `${API}/${collection?.path ?? ""}`);
  };
  return { method: route.method, template: route.path, access: "session", handle };
}

async function write(exchange: Exchange, request: RestWrite, collectionPath: string): Promise<Reply> {
  const operation = operationOf(exchange, request);
  const envelope = { ordering: "entity", clientId: clientIdOf(exchange), fence: fenceOf(exchange) } as const;
  const { results } = await perform(exchange, [operation], envelope);
  const [result] = results;
  if (result === undefined) throw new TypeError("an operation without a result");
  const location = `${collectionPath}/${encodeURIComponent(request.entityId)}`;
  return replyOf(result, { entityId: request.entityId, location });
}

async function read(exchange: Exchange, { entityType: type }: Collection): Promise<Reply> {
  const id = entityIdOf(exchange.params.id);
  const row = await readSpace(exchange, (tx, space) => tx.entity(space.id, { type, id }));
  if (row === null) throw new RequestRefused(notFound(type, id));
  if (row.document === null) {
    const { status, code, message, details } = gone(row);
    throw new RequestRefused({ status, code, message, ...(details === undefined ? {} : { details }) });
  }
  const etag = formatEtag(row.version);
  if (matchesNone(exchange.request.headers["if-none-match"], etag)) return { status: 304, headers: { ETag: etag } };
  return { status: 200, data: row.document, headers: { ETag: etag } };
}

/** `If-None-Match` compares weakly (RFC 9110 §13.1.2). */
function matchesNone(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const tags = header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag);
}

async function list(exchange: Exchange, { entityType: type }: Collection): Promise<Reply> {
  const { query } = exchange.request;
  const limit = limitOf(query, exchange.deps.limits);
  const after = afterOf(query.cursor);
  const rows = await readSpace(exchange, (tx, space) => tx.entitiesOfType(space.id, type, { after, limit: limit + 1 }));
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const next = rows.length > limit && last !== undefined ? { next_cursor: `l1:${encodeURIComponent(last.id)}` } : {};
  return { status: 200, data: { items: page.map(({ document }) => document), ...next } };
}

function afterOf(cursor: string | undefined): string {
  if (cursor === undefined) return "";
  const match = /^l1:(.{1,2000})$/.exec(cursor);
  try {
    if (match?.[1] !== undefined) return decodeURIComponent(match[1]);
  } catch {
    // Falls through: it is none of ours.
  }
  throw new RequestRefused(invalid("cursor", "cursor", "the cursor is none that this list gave; start without one", 400));
}
