import { type CurrentState, isJsonObject, type Json, parseEtag, parseRetryAfter, readBody } from "@guardian-sync/protocol";
import { redactPii } from "@guardian-sync/telemetry";
import { type Finding, findingOf } from "../core/finding.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { collectionRoute, renderRoute } from "../core/route.ts";
import type { Look } from "../core/verdict.ts";
import type { Exchange } from "../ports/index.ts";
import type { SendableRecord } from "../queue/records.ts";
import type { Registry } from "./definitions.ts";

/** Where the entity can be read; its own request's path when no collection is known. */
export function documentPath(registry: Registry, { operation: { content }, text }: SendableRecord): string | undefined {
  // Only its own path names it as its backend does; that of a CREATE is the collection's.
  if (registry.isServerNamed(content.entityType))
    return (content.type === "UPDATE" || content.type === "DELETE") && faceOf(text) === "rest" ? restRequest(text).path : undefined;
  const collection = registry.entities.get(content.entityType)?.collection;
  if (collection === undefined) return faceOf(text) === "rest" ? restRequest(text).path : undefined;
  const route = renderRoute({ route: collectionRoute("UPDATE", collection), entityId: content.entityId, payload: null });
  return route.ok ? route.path : undefined;
}

/** What a GET of a document says. Undefined: nothing. */
export function lookOf(exchange: Exchange): Look | undefined {
  if (exchange.kind !== "answer") return undefined;
  if (exchange.status === 404 || exchange.status === 410) return { kind: "gone" };
  if (exchange.status !== 200) return undefined;
  const read = readBody(exchange.headers["content-type"], exchange.body);
  if (read.kind !== "json") return undefined;
  const value = read.value as Json;
  const inner = isJsonObject(value) && isJsonObject(value.data) && isJsonObject(value.meta) ? value.data : value;
  return { kind: "found", document: inner };
}

/**
 * What stands there, for a merge. A backend that names no versions is taken to have the one that was written against: then nothing can
 * be written on a condition, and a person decides. What is gone is newer than whatever was known.
 */
export function currentOf(look: Look, exchange: Exchange, { text }: SendableRecord): CurrentState | undefined {
  const sent = faceOf(text) === "rest" ? parseEtag(restRequest(text).ifMatch) : undefined;
  if (look.kind === "gone") return { version: (sent ?? 0) + 1, data: null, deleted: true };
  const { document } = look;
  if (!isJsonObject(document)) return undefined;
  const etag = exchange.kind === "answer" ? exchange.headers.etag : undefined;
  const own = Number.isSafeInteger(document.version) ? (document.version as number) : undefined;
  return { version: parseEtag(etag) ?? own ?? sent ?? 0, data: document, deleted: false };
}

/** Why a GET said nothing. */
export function findingOfExchange(exchange: Exchange): Finding {
  if (exchange.kind === "failure")
    return findingOf({ kind: "network", failure: exchange.failure }, { note: exchange.detail, redact: redactPii });
  const retryAfterMs = parseRetryAfter(exchange.headers["retry-after"], exchange.headers.date);
  const body = readBody(exchange.headers["content-type"], exchange.body).kind;
  const facts = { kind: "http" as const, status: exchange.status, body };
  return findingOf(retryAfterMs === undefined ? facts : { ...facts, retryAfterMs }, { redact: redactPii });
}
