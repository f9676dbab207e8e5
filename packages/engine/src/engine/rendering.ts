import { type Base, formatIso, isJsonObject, type Json, type JsonObject, type SyncErrorCode } from "@guardian-sync/protocol";
import type { Capabilities } from "../core/handshake.ts";
import { chooseFace, type Face } from "../core/face.ts";
import { sealRest, sealSync } from "../core/render.ts";
import { collectionRoute, renderRoute, type Route } from "../core/route.ts";
import type { OperationContent } from "../format/index.ts";
import type { EntityRow } from "../ports/index.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import { currentInput, type Unusable } from "./current-input.ts";
import { type OperationDefinition, PLAIN_TYPES, type PlainType, type Registry } from "./definitions.ts";

export type Rendered =
  | { readonly ok: true; readonly face: Face; readonly text: string }
  | { readonly ok: false; readonly code: SyncErrorCode; readonly problem: string };

/** `key`: as the operation that left it was made. It may have been folded into another, and then only its receipt knows it. */
export interface KnownResult extends Pick<EntityRow, "version" | "chainFrom"> {
  readonly left?: { readonly key: string; readonly version: number };
}

export interface RenderContext {
  readonly capabilities: Capabilities;
  /** The operation of the same entity that goes just before, in the same request. */
  readonly predecessor: QueuedOperation | undefined;
  /** Current keys of what has to be applied before it. */
  readonly parentKeys: readonly string[];
  /** The last own result of the entity. */
  readonly known: KnownResult | undefined;
}

/** Payload of a declared operation in the queue: what was asked for, and what it did to the draft. */
interface DeclaredPayload {
  readonly input: Json;
  readonly patch: JsonObject;
}

/** Why nothing says where an operation goes, or what it means by now; undefined: it can go. */
export function whyUnknown(
  registry: Registry,
  content: OperationContent,
  capabilities: Pick<Capabilities, "collections">,
): string | undefined {
  const { type, entityType } = content;
  if (PLAIN_TYPES.has(type)) {
    if (collectionOf(registry, entityType, capabilities) !== undefined) return undefined;
    return `nothing says where a ${type} of "${entityType}" goes; register its entity with a collection`;
  }
  const current = currentInput(registry, content);
  return current.ok ? undefined : unusableText(registry, content, current);
}

function unusableText(registry: Registry, { type, version }: OperationContent, unusable: Unusable): string {
  const named = `operation "${type}" version ${version}`;
  if (unusable.why === "unregistered") return `${named} is not registered; register it and it goes on by itself`;
  const ours = `${named} cannot be read by version ${registry.operations.get(type)?.version}, which this app has`;
  switch (unusable.why) {
    case "newer":
      return `${ours}; a newer app wrote it, and with that one it goes on by itself`;
    case "no_migrate":
      return `${ours}; give its definition a migrate, and it goes on by itself`;
    case "invalid":
      return `${ours}: what migrate made of it ${unusable.what}; with a migrate that can convert it, it goes on by itself`;
    case "threw":
      return `${ours}: converting it threw ${unusable.what}; with a migrate that can, it goes on by itself`;
    default:
      return unusable satisfies never;
  }
}

/** Fixes method, path, body and conditions of an operation. Happens once, when it is sealed. */
export function renderFor(registry: Registry, operation: QueuedOperation, context: RenderContext): Rendered {
  const { content } = operation;
  if (PLAIN_TYPES.has(content.type)) {
    const collection = collectionOf(registry, content.entityType, context.capabilities);
    return form(operation, context, {
      payload: content.payload,
      route: collection === undefined ? undefined : plainRoute(registry, content, collection),
      body: content.type === "DELETE" ? null : content.payload,
    });
  }
  const current = currentInput(registry, content);
  if (!current.ok) return { ok: false, code: "UNKNOWN_TYPE", problem: unusableText(registry, content, current) };
  const { input, patch } = current;
  const definition = current.definition as OperationDefinition;
  let request: ReturnType<NonNullable<typeof definition.request>> | undefined;
  try {
    request = definition.request?.({ entityId: content.entityId, input, patch });
  } catch (error) {
    return {
      ok: false,
      code: "INVALID_OPERATION",
      problem: `its definition threw ${error instanceof Error ? error.name : typeof error} while it was rendered`,
    };
  }
  return form(operation, context, {
    payload: input,
    route: request === undefined ? undefined : { method: request.method, path: request.path },
    body: request?.body ?? (request?.method === "DELETE" ? null : patch),
  });
}

/** A document that its backend names travels without an id until it has one. */
function plainRoute(registry: Registry, { type, entityType }: OperationContent, collection: string): Route {
  const { idField, ...route } = collectionRoute(type as PlainType, collection);
  return idField === undefined || registry.isServerNamed(entityType) ? route : { ...route, idField };
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
      dependsOn: context.parentKeys,
      group: content.groupId,
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
    if (!("after" in base)) return base;
    // What was made on top of one that others were folded into later names its key, and has not seen them: it must not pass for newer.
    if (predecessor === undefined) {
      if (known?.left === undefined) return base;
      return { version: known.left.key === base.after ? known.left.version : known.left.version - 1 };
    }
    const { edit } = predecessor.detail;
    const resultKey = edit === undefined ? predecessor.content.key : edit.last?.key;
    if (resultKey === base.after) return { after: currentKey(predecessor) };
    return currentKey(predecessor) === base.after ? { version: known?.version ?? 0 } : base;
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
