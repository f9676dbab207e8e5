/** CREATE, UPDATE and DELETE of one entity: from what is there and what is asked to what shall be. Pure but for the schema. */
import { formatIso, isJsonObject, isUuidV4, type JsonObject } from "@guardian-sync/protocol";
import { conflict, currentState, judgeBase, judgePrecondition, versionRequired } from "./base.ts";
import { clientFields, equalFields, mergePatch, served, shallowPatch } from "./document.ts";
import type { Envelope, Operation } from "./operation.ts";
import { forbidden, invalid, notFound, type Refusal, unknownCollection } from "./refusal.ts";
import type { Authorize, Collection, Registry, WriteAction } from "./registry.ts";
import { validateDocument } from "./schema.ts";
import type { EntityRow, LedgerRow } from "./storage.ts";
import type { EntityWrite } from "./working.ts";

export type Decision =
  | { readonly kind: "write"; readonly status: number; readonly writes: readonly EntityWrite[] }
  /** Nothing to change: it is so already. */
  | { readonly kind: "noop"; readonly status: number; readonly row: EntityRow | null }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export interface Facts {
  readonly envelope: Envelope;
  readonly row: EntityRow | null;
  readonly ledger: ReadonlyMap<string, LedgerRow>;
}

const ACTIONS: ReadonlyMap<string, WriteAction> = new Map([
  ["CREATE", "create"],
  ["UPDATE", "update"],
  ["DELETE", "delete"],
]);

export function isPlain(type: string): boolean {
  return ACTIONS.has(type);
}

export async function decidePlain(operation: Operation, facts: Facts, registry: Registry): Promise<Decision> {
  const action = ACTIONS.get(operation.type);
  const collection = registry.byType.get(operation.entityType);
  if (action === undefined) throw new TypeError(`${operation.type} is no plain operation`);
  if (collection === undefined) return refused(unknownCollection(operation.entityType));
  const refusal = permission(action, collection, operation, facts);
  if (refusal !== null) return refused(refusal);
  if (action === "create") return await create(operation, facts, collection);
  return await change(action, operation, facts, collection);
}

export function judgeAccess(authorize: Authorize | undefined, action: WriteAction, operation: Operation, facts: Facts): Refusal | null {
  if (authorize === undefined) return null;
  const { principal, roles, space } = facts.envelope;
  const current = facts.row?.document ?? null;
  const answer = authorize({ principal, roles, space, action, entityId: operation.entityId, current });
  if (answer === true) return null;
  return forbidden(`you may not ${action} this ${operation.entityType}`, answer === false ? undefined : answer.requiredPermission);
}

/** Null when an entity of this collection may be called so. */
export function judgeId({ idFormat, entityType }: Collection, id: string): Refusal | null {
  if (idFormat === undefined || isUuidV4(id)) return null;
  return invalid("id", idFormat, `the id of a ${entityType} must be a lower-case UUID v4`);
}

function permission(action: WriteAction, collection: Collection, operation: Operation, facts: Facts): Refusal | null {
  const { allow, appendOnly, entityType } = collection;
  if (appendOnly === true && action !== "create") return forbidden(`what is recorded as ${entityType} is never changed`);
  if (allow !== undefined && !allow.includes(action)) return forbidden(`${action} of ${entityType} goes by a named operation only`);
  return judgeAccess(collection.authorize, action, operation, facts);
}

async function create(operation: Operation, facts: Facts, collection: Collection): Promise<Decision> {
  const { row, ledger, envelope } = facts;
  const read = payloadOf(operation);
  if ("refusal" in read) return refused(read.refusal);
  const misnamed = judgeId(collection, operation.entityId);
  if (misnamed !== null) return refused(misnamed);
  if (row !== null) {
    if (!row.deleted) {
      return refused(conflict("already_exists", row, undefined, `there is a ${row.type} ${row.id} already, at version ${row.version}`));
    }
    // What was deleted does not come back by itself: only by a CREATE that knows of the deletion.
    if (operation.base === undefined) return refused(gone(row));
    const stale = judgeBase(operation.base, row, ledger);
    if (stale !== null) return refused(stale);
  }
  const valid = await validateDocument(collection.schema, read.fields);
  if (!valid.ok) return refused(valid.refusal);
  return put(operation, 201, (row?.version ?? 0) + 1, valid.value, formatIso(envelope.now), facts);
}

async function change(action: "update" | "delete", operation: Operation, facts: Facts, collection: Collection): Promise<Decision> {
  const { row, ledger } = facts;
  if (row === null) return refused(notFound(operation.entityType, operation.entityId));
  if (row.deleted || row.document === null) return refused(gone(row));
  const { base, precondition } = operation;
  if (collection.requireVersion === true && base === undefined && precondition === undefined) return refused(versionRequired(row));
  const stale = judgePrecondition(precondition, row) ?? judgeBase(base, row, ledger);
  if (stale !== null) return refused(stale);
  const version = row.version + 1;
  const ref = { type: row.type, id: row.id };
  if (action === "delete") return { kind: "write", status: 204, writes: [{ kind: "del", ref, version, document: null }] };

  const read = payloadOf(operation);
  if ("refusal" in read) return refused(read.refusal);
  const before = clientFields(row.document);
  const valid = await validateDocument(collection.schema, changed(operation, before, read.fields));
  if (!valid.ok) return refused(valid.refusal);
  if (equalFields(before, valid.value)) return { kind: "noop", status: 200, row };
  return put(operation, 200, version, valid.value, String(row.document.created_at), facts);
}

function changed(operation: Operation, before: JsonObject, fields: JsonObject): JsonObject {
  if (operation.patch === "replace") return fields;
  return operation.patch === "merge" ? mergePatch(before, fields) : shallowPatch(before, fields);
}

function put(operation: Operation, status: number, version: number, fields: JsonObject, createdAt: string, facts: Facts): Decision {
  const { entityType: type, entityId: id } = operation;
  const document = served(fields, { id, version, createdAt, now: facts.envelope.now });
  return { kind: "write", status, writes: [{ kind: "put", ref: { type, id }, version, document }] };
}

/** The client's fields of the payload, if it is an object that speaks of this entity. */
function payloadOf({ payload, entityId }: Operation): { readonly fields: JsonObject } | { readonly refusal: Refusal } {
  if (!isJsonObject(payload)) return { refusal: invalid("payload", "object", "the payload must be an object") };
  const { id } = payload;
  if (id !== undefined && id !== entityId) {
    return { refusal: invalid("id", "immutable", "the payload's id is not the entity's; an id never changes") };
  }
  return { fields: clientFields(payload) };
}

export function gone(row: EntityRow): Refusal {
  return {
    status: 410,
    code: "GONE",
    message: `${row.type} ${row.id} was deleted`,
    details: { resource_type: row.type, resource_id: row.id },
    current: currentState(row),
  };
}

function refused(refusal: Refusal): Decision {
  return { kind: "refused", refusal };
}
