import { isJsonObject, type Json } from "@guardian-sync/protocol";
import { type References, referencesIn, replaced, SAME_ID, type WireId } from "../core/server-ids.ts";
import type { OperationContent } from "../format/index.ts";
import type { AccountTag, EntityTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { DurableQueue } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { type EntityRef, PLAIN_TYPES, type Registry } from "./definitions.ts";

/** What the backend calls the entities that these operations name. */
export async function wireIdsOf(
  { queue, registry }: { readonly queue: Pick<DurableQueue, "entityTag">; readonly registry: Registry },
  view: AccountView,
  operations: readonly QueuedOperation[],
): Promise<WireId> {
  if (!registry.hasServerIds) return SAME_ID;
  const tagOf = ({ entityType, entityId }: EntityRef) => queue.entityTag(view.account, entityType, entityId);
  const named = operations.flatMap(({ content }) => [content, ...refersTo(registry, content)]);
  const tags = new Set(named.filter(({ entityType }) => registry.isServerNamed(entityType)).map(tagOf));
  const documents = await view.documents([...tags]);
  return (entityType, entityId) => documents.get(tagOf({ entityType, entityId }))?.serverId ?? entityId;
}

/** Those that name a document whose CREATE is held back, or was refused, and what holds it: there is no name for it yet. */
export async function heldByReferences(
  names: { readonly queue: Pick<DurableQueue, "entityTag">; readonly registry: Registry },
  view: AccountView,
  operations: readonly QueuedOperation[],
): Promise<ReadonlyMap<Seq, Seq>> {
  const held = new Map<Seq, Seq>();
  if (!names.registry.hasServerIds) return held;
  for (const { seq, content } of operations) {
    const lanes = await view.lanes(namedByBackend(names, view.account, content));
    for (const { blockedBy } of lanes.values()) if (blockedBy !== 0 && blockedBy < seq) held.set(seq, blockedBy);
  }
  return held;
}

/** The documents that it names, and that get their names from their backend. */
export function namedByBackend(
  { queue, registry }: { readonly queue: Pick<DurableQueue, "entityTag">; readonly registry: Registry },
  account: AccountTag,
  content: OperationContent,
): readonly EntityTag[] {
  if (!registry.hasServerIds) return [];
  const named = refersTo(registry, content).filter(({ entityType }) => registry.isServerNamed(entityType));
  return named.map(({ entityType, entityId }) => queue.entityTag(account, entityType, entityId));
}

/** The operation as the backend understands it: for rendering, never for the queue. */
export function inWireIds(registry: Registry, operation: QueuedOperation, wireId: WireId): QueuedOperation {
  if (wireId === SAME_ID) return operation;
  const { content } = operation;
  const entityId = wireId(content.entityType, content.entityId);
  return { ...operation, content: { ...content, entityId, payload: withReferences(registry, content, wireId) } };
}

/** The documents that its payload names. */
function refersTo(registry: Registry, content: OperationContent): readonly EntityRef[] {
  return partsOf(registry, content).flatMap(({ value, references }) => referencesIn(value, references));
}

function withReferences(registry: Registry, content: OperationContent, wireId: WireId): Json {
  const [first, second] = partsOf(registry, content).map(({ value, references }) => replaced(value, references, wireId));
  if (first === undefined) return content.payload;
  return second === undefined ? first : { ...(content.payload as object), input: second, patch: first };
}

/** A plain payload, or patch and input of a declared one, each with the references that are declared for it. */
function partsOf(registry: Registry, content: OperationContent): readonly { readonly value: Json; readonly references: References }[] {
  const { type, entityType, payload } = content;
  const references = registry.entities.get(entityType)?.references ?? {};
  if (PLAIN_TYPES.has(type)) return [{ value: payload, references }];
  if (!isJsonObject(payload)) return [];
  const { input = null, patch = null } = payload;
  return [
    { value: patch, references },
    { value: input, references: registry.operations.get(type)?.references ?? {} },
  ];
}
