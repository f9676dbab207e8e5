import { type Base, formatIso, isJsonObject, type Json, type JsonObject, type SyncErrorCode } from "@guardian-sync/protocol";
import type { Capabilities } from "../core/handshake.ts";
import { chooseFace, type Face, sealRest, sealSync } from "../core/render.ts";
import { collectionRoute, renderRoute, type Route } from "../core/route.ts";
import type { OperationContent } from "../format/index.ts";
import type { EntityRow } from "../ports/index.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import { type OperationDefinition, PLAIN_TYPES, type PlainType, type Registry } from "./definitions.ts";

export type Rendered =
  | { readonly ok: true; readonly face: Face; readonly text: string }
  | { readonly ok: false; readonly code: SyncErrorCode; readonly problem: string };

export interface RenderContext {
  readonly capabilities: Capabilities;
  /** The operation of the same entity that goes just before, in the same request. */
  readonly predecessor: QueuedOperation | undefined;
  /** The last own result of the entity. */
  readonly known: EntityRow | undefined;
}

/** Payload of a declared operation in the queue: what was asked for, and what it did to the draft. */
interface DeclaredPayload {
  readonly input: Json;
  readonly patch: JsonObject;
}

/** Whether anything says where an operation of this type goes. */
export function isKnownType(registry: Registry, content: OperationContent, capabilities: Pick<Capabilities, "collections">): boolean {
  if (PLAIN_TYPES.has(content.type)) return collectionOf(registry, content.entityType, capabilities) !== undefined;
  const definition = registry.operations.get(content.type);
  return definition !== undefined && (definition.version === content.version || definition.migrate !== undefined);
}

/** Fixes method, path, body and conditions of an operation. Happens once, when it is sealed. */
export function renderFor(registry: Registry, operation: QueuedOperation, context: RenderContext): Rendered {
  const { content } = operation;
  const definition = registry.operations.get(content.type) as OperationDefinition | undefined;
  if (PLAIN_TYPES.has(content.type)) {
    const collection = collectionOf(registry, content.entityType, context.capabilities);
    return form(operation, context, {
      payload: content.payload,
      route: collection === undefined ? undefined : collectionRoute(content.type as PlainType, collection),
      body: content.type === "DELETE" ? null : content.payload,
    });
  }
  if (definition === undefined) return { ok: false, code: "UNKNOWN_TYPE", problem: `operation "${content.type}" is not registered` };
  let declared: DeclaredPayload;
  let request: ReturnType<NonNullable<typeof definition.request>> | undefined;
  try {
    declared = migrated(definition, content);
    request = definition.request?.({ entityId: content.entityId, input: declared.input, patch: declared.patch });
  } catch (error) {
    return {
      ok: false,
      code: "INVALID_OPERATION",
      problem: `its definition threw ${error instanceof Error ? error.name : typeof error} while it was rendered`,
    };
  }
  return form(operation, context, {
    payload: declared.input,
    route: request === undefined ? undefined : { method: request.method, path: request.path },
    body: request?.body ?? (request?.method === "DELETE" ? null : declared.patch),
  });
}

/** The stored input, converted when an older version of its definition wrote it. */
function migrated(definition: OperationDefinition, content: OperationContent): DeclaredPayload {
  const { input, patch } = content.payload as unknown as DeclaredPayload;
  if (content.version === definition.version || definition.migrate === undefined) return { input, patch };
  const converted = definition.migrate(input, content.version);
  const draft: Record<string, unknown> = {};
  definition.apply?.(draft as never, converted);
  return { input: converted as Json, patch: draft as JsonObject };
}

function form(
  operation: QueuedOperation,
  context: RenderContext,
  parts: { readonly payload: Json; readonly route: Route | undefined; readonly body: Json },
): Rendered {
  const { content } = operation;
  const { capabilities } = context;
  const face = chooseFace({ type: content.type, entityType: content.entityType, capabilities, hasRequest: parts.route !== undefined });
  const common = {
    key: currentKey(operation),
    traceId: content.traceId,
    txnToken: content.txnToken,
    createdAt: formatIso(content.createdAt),
  };
  const base = baseOf(content, context);
  if (face === "sync") {
    const text = sealSync({
      ...common,
      operationId: content.id,
      type: content.type,
      entityType: content.entityType,
      entityId: content.entityId,
      payload: parts.payload,
      base,
      supersedes: operation.detail.supersedes,
      lane: content.lane,
    });
    return { ok: true, face, text };
  }
  if (face === "none" || parts.route === undefined) {
    return { ok: false, code: "UNKNOWN_TYPE", problem: `the backend does not know "${content.type}", and it has no request of its own` };
  }
  const route = renderRoute({ route: parts.route, entityId: content.entityId, payload: parts.body });
  if (!route.ok) return route;
  const ifMatch = base !== undefined && "version" in base ? `"v${base.version}"` : undefined;
  return { ok: true, face, text: sealRest({ ...common, method: route.method, path: route.path, ifMatch }, route.payload) };
}

/**
 * The base, restamped: what was written against a version that own operations have replaced since was written against
 * their result. Not where it is known exactly what was seen: what differs from it is merged.
 */
function baseOf({ base, before }: OperationContent, { predecessor, known }: RenderContext): Base | undefined {
  if (base === undefined) return undefined;
  if (before !== undefined) {
    const isSeen = "after" in base && predecessor?.content.key === base.after && predecessor.detail.edit === undefined;
    return isSeen ? { after: currentKey(predecessor) } : base;
  }
  if (predecessor !== undefined) return { after: currentKey(predecessor) };
  if ("version" in base && known !== undefined && base.version >= known.chainFrom && base.version < known.version)
    return { version: known.version };
  return base;
}

function collectionOf(registry: Registry, entityType: string, capabilities: Pick<Capabilities, "collections">): string | undefined {
  const own = registry.entities.get(entityType)?.collection;
  if (own !== undefined) return own;
  return Object.hasOwn(capabilities.collections, entityType) ? capabilities.collections[entityType] : undefined;
}

/** The document that an operation would leave, as far as it says: for comparing with what a backend has. */
export function sentDocument(content: OperationContent): Json {
  if (PLAIN_TYPES.has(content.type)) return content.payload;
  return isJsonObject(content.payload) ? ((content.payload as unknown as DeclaredPayload).patch ?? null) : null;
}
