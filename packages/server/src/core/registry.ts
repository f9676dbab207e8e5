/** What a team declares: collections with schemas, and named operations with code. */
import type { EpochMs, Json, JsonObject } from "@guardian-sync/protocol";
import type { StandardSchema } from "./schema.ts";
import type { SqlRow, SqlValue } from "./storage.ts";

export type WriteAction = "create" | "update" | "delete";

export interface AccessRequest {
  readonly principal: string;
  readonly roles: readonly string[];
  readonly space: string;
  readonly action: WriteAction;
  readonly entityId: string;
  /** The document as it is now; null when there is none. */
  readonly current: JsonObject | null;
}
/** True to allow. A refusal may name the permission that was missing. */
export type Authorize = (request: AccessRequest) => boolean | { readonly requiredPermission: string };

export interface CollectionDefinition {
  /** The type's name on the wire: `device` for the collection `devices`. */
  readonly entityType: string;
  /** Validates the whole document without the server's fields, after every write. */
  readonly schema: StandardSchema;
  /** What the ids of its entities must look like. Default: any name of up to 255 characters. */
  readonly idFormat?: "uuid_v4";
  /** What clients may do by CREATE, UPDATE and DELETE; named operations may always. Default: all three. */
  readonly allow?: readonly WriteAction[];
  /** An existing entity never changes, also not by a named operation. */
  readonly appendOnly?: boolean;
  /** Updates and deletes must name the version they were made against; without one 428. */
  readonly requireVersion?: boolean;
  readonly authorize?: Authorize;
}

export interface Collection extends CollectionDefinition {
  /** Its path below `/api/v1/`. */
  readonly path: string;
}

/** A document as code writes it: members that are undefined are left out, as JSON leaves them out. */
export interface DocumentFields {
  readonly [field: string]: Json | undefined;
}

/** What an operation does to entities. Data: the server writes it, with versions, feed and ledger, in the same transaction. */
export type Effect =
  | { readonly kind: "put"; readonly type: string; readonly id: string; readonly document: DocumentFields }
  /** Leaves a tombstone. */
  | { readonly kind: "del"; readonly type: string; readonly id: string }
  /** Forgets the entity without a tombstone and tells clients to drop theirs. */
  | { readonly kind: "drop"; readonly type: string; readonly id: string };
export type Effects = Effect | readonly Effect[];

export const emit: {
  /** The whole document, without the server's fields; creates or replaces. */
  put(type: string, id: string, document: DocumentFields): Effect;
  del(type: string, id: string): Effect;
  drop(type: string, id: string): Effect;
} = {
  put: (type, id, document) => ({ kind: "put", type, id, document }),
  del: (type, id) => ({ kind: "del", type, id }),
  drop: (type, id) => ({ kind: "drop", type, id }),
};

/** What a handler may read and write, all inside the transaction of its operation. */
export interface HandlerTx {
  /** The live entity, as served, locked until commit. */
  entity(type: string, id: string): Promise<JsonObject | null>;
  /** SQL on the team's own tables, where the storage has any. Its effect commits or vanishes with the operation. */
  run(sql: string, parameters?: readonly SqlValue[]): Promise<{ readonly changes: number }>;
  get(sql: string, parameters?: readonly SqlValue[]): Promise<SqlRow | undefined>;
  all(sql: string, parameters?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
}

export interface HandlerContext {
  readonly principal: string;
  readonly roles: readonly string[];
  readonly space: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly now: EpochMs;
}

/**
 * Runs inside the write transaction, so it holds up every other writer of a SQLite server: no network, no waiting. It may run
 * again after a transaction that failed. To say no, throw `OperationRejected`.
 */
export type Handler<Input = unknown> = (tx: HandlerTx, input: Input, context: HandlerContext) => Effects | Promise<Effects>;

export interface OperationRoute {
  readonly method: "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/api/v1/devices/{device_id}/state`. Clients take path parameters out of the body; here they return to the input. */
  readonly path: string;
  readonly entityType: string;
  /** The path parameter that is the entity's id. Without one it is the payload's `id`, or else the idempotency key. */
  readonly entityIdFrom?: string;
  /** False: a request without a key is executed, and a repetition executed again. Default true. */
  readonly requiresIdempotency?: boolean;
}

export interface OperationDefinition<Input = unknown> {
  readonly input?: StandardSchema;
  readonly handler: Handler<Input>;
  readonly authorize?: Authorize;
  readonly route?: OperationRoute;
}

interface InputSchema<Input> extends StandardSchema {
  readonly "~standard": StandardSchema["~standard"] & { readonly types?: { readonly output: Input } | undefined };
}

/** Declares a named operation; the handler's input has the schema's type. */
export function defineServerOperation<Input>(definition: {
  readonly input: InputSchema<Input>;
  readonly handler: Handler<Input>;
  readonly authorize?: Authorize;
  readonly route?: OperationRoute;
}): OperationDefinition {
  // The schema has validated the input before the handler sees it.
  return definition as unknown as OperationDefinition;
}

export interface NamedOperation extends OperationDefinition {
  readonly name: string;
}

export interface Registry {
  readonly byPath: ReadonlyMap<string, Collection>;
  readonly byType: ReadonlyMap<string, Collection>;
  readonly operations: ReadonlyMap<string, NamedOperation>;
}

const PLAIN_TYPES = ["CREATE", "UPDATE", "DELETE"] as const;

const ENTITY_TYPE = /^[a-z][a-z0-9_.-]{0,63}$/i;
const PATH = /^[a-z0-9][a-z0-9_-]*(?:\/[a-z0-9][a-z0-9_-]*)*$/;
const RESERVED = /^(?:sync|auth)(?:\/|$)/;
const OPERATION_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** @throws TypeError that names the option. */
export function buildRegistry(
  collections: Readonly<Record<string, CollectionDefinition>>,
  operations: Readonly<Record<string, Handler | OperationDefinition>>,
): Registry {
  const byPath = new Map<string, Collection>();
  const byType = new Map<string, Collection>();
  for (const [path, definition] of Object.entries(collections)) {
    const option = `collections[${JSON.stringify(path)}]`;
    if (!PATH.test(path) || RESERVED.test(path)) throw new TypeError(`${option}: must be a lower-case path and not below sync/ or auth/`);
    const { entityType, schema } = definition;
    if (!ENTITY_TYPE.test(entityType)) throw new TypeError(`${option}.entityType must be a name, got ${JSON.stringify(entityType)}`);
    if (typeof schema?.["~standard"]?.validate !== "function") throw new TypeError(`${option}.schema must be a Standard Schema`);
    if (byType.has(entityType))
      throw new TypeError(`${option}.entityType ${JSON.stringify(entityType)} belongs to another collection already`);
    const collection = { ...definition, path };
    byPath.set(path, collection);
    byType.set(entityType, collection);
  }
  const named = new Map<string, NamedOperation>();
  for (const [name, given] of Object.entries(operations)) {
    const option = `operations[${JSON.stringify(name)}]`;
    if (!OPERATION_NAME.test(name) || (PLAIN_TYPES as readonly string[]).includes(name)) {
      throw new TypeError(`${option}: must be a name of its own, not one of CREATE, UPDATE, DELETE`);
    }
    const definition = typeof given === "function" ? { handler: given } : given;
    if (typeof definition?.handler !== "function") throw new TypeError(`${option}.handler must be a function`);
    const { route } = definition;
    if (route !== undefined && !byType.has(route.entityType)) {
      throw new TypeError(`${option}.route.entityType ${JSON.stringify(route.entityType)} is the type of no collection`);
    }
    named.set(name, { ...definition, name });
  }
  return { byPath, byType, operations: named };
}
