import type { Json, JsonObject, OutcomeRow } from "@guardian-sync/protocol";
import { type FieldDeclarations, type FieldPolicy, type FieldRules, fieldRules } from "../core/field-rules.ts";
import type { References } from "../core/server-ids.ts";

/** Standard Schema (https://standardschema.dev), the part that is used: zod, valibot, arktype and others implement it. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  };
}
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

export interface EntityRef {
  readonly entityType: string;
  readonly entityId: string;
}
export interface EntityOptions<Document> {
  /** Checked when a CREATE is enqueued. */
  readonly schema?: StandardSchema<Document>;
  /** Path segment of its collection: `devices` for `/api/v1/devices`. Without it the handshake must name one. */
  readonly collection?: string;
  /** How fields merge; anything not named replaces. */
  readonly fields?: FieldDeclarations;
  /** Who wins where somebody else changed the same field, unless the field says otherwise. Default: `client-wins`. */
  readonly policy?: FieldPolicy;
  /** What becomes of a DELETE of what somebody else has changed meanwhile. Default: `delete-wins`. */
  readonly onChanged?: "delete-wins" | "ask";
  /**
   * Who names its documents. `client` (default): the id that they get here is theirs. `server`: a backend without our sync face makes
   * its own; in the queue and in the view the id from here stands for it, and whatever is sent names the backend's.
   */
  readonly ids?: "client" | "server";
  /** With `ids: "server"`: the member that holds the id in the answer to a CREATE. Default `id`; else the end of `Location` counts. */
  readonly idMember?: string;
  /**
   * With `ids: "server"`, on a backend without idempotency keys: a path that answers with a list in which an unanswered CREATE would
   * be found. Without it such a CREATE is not repeated; it waits for a person (`OUTCOME_UNKNOWN`).
   */
  readonly findExisting?: (facts: { readonly entityId: string; readonly payload: JsonObject }) => string;
  /** Members that hold ids of other documents, alone or in a list: path → entity type. They name the backend's ids when they are sent. */
  readonly references?: References;
}
export interface EntityDefinition<Document = JsonObject> extends EntityOptions<Document> {
  readonly kind: "entity";
  readonly type: string;
  ref(entityId: string): EntityRef;
}

export interface RequestTemplate {
  readonly method: "POST" | "PUT" | "PATCH" | "DELETE";
  /** A path, or a template whose `{name}` are taken out of the body: `/api/v1/devices/{device_id}/state`. */
  readonly path: string;
  readonly body?: Json;
}
interface RequestFacts<Input> {
  readonly entityId: string;
  readonly input: Input;
  readonly patch: JsonObject;
}
export interface OperationOptions<Input, Document = JsonObject> {
  /** Grows whenever queued inputs of the old shape would be misread. Default 1. */
  readonly version?: number;
  readonly input?: StandardSchema<Input>;
  readonly entity: (input: Input) => EntityRef;
  /** Members of the input that hold ids of documents: path → entity type. See `references` of an entity. */
  readonly references?: References;
  /** Pure; writes the effect into the draft. Re-run whenever the document below changes. */
  readonly apply?: (draft: Partial<Document> & Record<string, unknown>, input: Input) => void;
  /** How a plain REST backend takes it. Rendered once, when the operation is sealed. */
  readonly request?: (facts: RequestFacts<Input>) => RequestTemplate;
  /** Converts a queued input of an older version. Runs only on operations that were never sealed. */
  readonly migrate?: (input: Json, fromVersion: number) => Input;
  /**
   * Two that wait, one right after the other, as one: the input that does what both did, or null where there is none. Pure. Without it
   * they are never folded.
   */
  readonly coalesce?: (earlier: Input, later: Input) => Input | null;
  readonly backoff?: "standard" | "aggressive" | "conservative" | "background";
  /** Rows tried before the table of the protocol, for a backend with answers of its own. */
  readonly outcomes?: readonly OutcomeRow[];
}
export interface OperationDefinition<Input = unknown, Document = JsonObject> extends OperationOptions<Input, Document> {
  readonly kind: "operation";
  readonly name: string;
  readonly version: number;
}

/** Any declared document or operation, whatever its types: what a list of them holds. */
export type AnyEntity = EntityDefinition<unknown>;
export type AnyOperation = Omit<OperationDefinition<never, never>, "input" | "migrate" | "coalesce"> & {
  readonly input?: StandardSchema;
  readonly migrate?: (input: Json, fromVersion: number) => unknown;
  readonly coalesce?: (earlier: never, later: never) => unknown;
};

/** Declares a kind of document. */
export function defineEntity<Document = JsonObject>(type: string, options: EntityOptions<Document> = {}): EntityDefinition<Document> {
  checkName("entity type", type);
  const { onChanged = "delete-wins" } = options;
  if (onChanged !== "delete-wins" && onChanged !== "ask")
    throw new TypeError(`entity "${type}": onChanged must be delete-wins or ask, got ${String(onChanged)}`);
  fieldRules(options.fields, options.policy, `entity "${type}": `);
  const { ids = "client", idMember, findExisting } = options;
  if (ids !== "client" && ids !== "server") throw new TypeError(`entity "${type}": ids must be client or server, got ${String(ids)}`);
  if (ids === "client" && (idMember !== undefined || findExisting !== undefined))
    throw new TypeError(`entity "${type}": idMember and findExisting are for ids: "server"`);
  return { ...options, kind: "entity", type, ref: (entityId) => ({ entityType: type, entityId }) };
}

/** Declares an operation with a name of its own. Everything that a queued one needs after a restart is in here. */
export function defineOperation<Input, Document = JsonObject>(
  name: string,
  options: OperationOptions<Input, Document>,
): OperationDefinition<Input, Document> {
  checkName("operation name", name);
  if (PLAIN_TYPES.has(name))
    throw new TypeError(`operation name "${name}" is taken: CREATE, UPDATE and DELETE need no definition, enqueue them`);
  if (typeof options.entity !== "function")
    throw new TypeError(`operation "${name}": option entity must be a function from input to a reference`);
  const version = options.version ?? 1;
  if (!Number.isInteger(version) || version < 1)
    throw new RangeError(`operation "${name}": version must be an integer >= 1, got ${String(version)}`);
  return { ...options, kind: "operation", name, version };
}

export const PLAIN_TYPES: ReadonlySet<string> = new Set(["CREATE", "UPDATE", "DELETE"]);
export type PlainType = "CREATE" | "UPDATE" | "DELETE";

function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name !== "string" || name.length === 0 || name.length > 128) {
    throw new TypeError(
      `${what} must be a string of 1 to 128 characters, got ${typeof name === "string" ? `${name.length} characters` : typeof name}`,
    );
  }
}

/** Definitions by name. What is enqueued or found in the queue is looked up here. */
export class Registry {
  readonly entities: ReadonlyMap<string, AnyEntity>;
  readonly operations: ReadonlyMap<string, AnyOperation>;
  /** Some backend makes ids of its own. */
  readonly hasServerIds: boolean;
  readonly #rules: ReadonlyMap<string, FieldRules>;

  constructor(entities: readonly AnyEntity[], operations: readonly AnyOperation[]) {
    this.entities = byName("entities", entities, (definition) => definition.type);
    this.operations = byName("operations", operations, (definition) => definition.name);
    this.hasServerIds = entities.some(({ ids }) => ids === "server");
    this.#rules = new Map(entities.map(({ type, fields, policy }) => [type, fieldRules(fields, policy)]));
  }

  /** How documents of this type merge. */
  rulesOf(entityType: string): FieldRules {
    return this.#rules.get(entityType) ?? PLAIN_RULES;
  }

  /** Its documents are named by their backend. */
  isServerNamed(entityType: string): boolean {
    return this.entities.get(entityType)?.ids === "server";
  }

  /** Whether it matters what somebody else wrote: only then an edit carries the version that its user saw. */
  merges(entityType: string): boolean {
    const { fields, policy, onChanged } = this.entities.get(entityType) ?? {};
    return fields !== undefined || policy !== undefined || onChanged !== undefined;
  }
}

const PLAIN_RULES: FieldRules = /* @__PURE__ */ fieldRules();

function byName<T>(option: string, definitions: readonly T[], nameOf: (definition: T) => string): ReadonlyMap<string, T> {
  const map = new Map<string, T>();
  for (const definition of definitions) {
    const name = nameOf(definition);
    if (map.has(name)) throw new TypeError(`option ${option}: "${name}" is defined twice`);
    map.set(name, definition);
  }
  return map;
}
