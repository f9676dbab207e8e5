import {
  type Base,
  type EpochMs,
  type IdempotencyKey,
  isJsonObject,
  type Json,
  type JsonObject,
  MAX_NAME_CHARS,
  type OperationId,
  SyncError,
  type TraceId,
  uuidV7Maker,
} from "@guardian-sync/protocol";
import { type Apply, applied, frozen } from "../core/apply.ts";
import { checkPayload, PAYLOAD_LIMITS } from "../core/payload.ts";
import type { OperationContent } from "../format/index.ts";
import { type AnyOperation, type EntityRef, PLAIN_TYPES, type PlainType, type StandardSchema } from "./definitions.ts";
import type { EngineContext } from "./context.ts";
import { type Dependency, dependencyIds } from "./dependencies.ts";
import { validated } from "./validated.ts";

/** A plain write: CREATE carries the whole document, UPDATE a patch of top-level fields, DELETE nothing. */
export interface EnqueueInput {
  readonly type: PlainType;
  readonly entityType: string;
  /** Made by the client. Default for CREATE: a new UUID v4. */
  readonly entityId?: string;
  readonly payload?: Json | JsonObject;
  /** The version that the user saw: a write of others in between is then a conflict, not lost. */
  readonly baseVersion?: number;
  /** Given up when it was never sent by then. Epoch ms. */
  readonly expiresAt?: number;
  /** In order with everything else of this lane, too, not only with its entity. */
  readonly lane?: string;
  /** Under entity ordering, between lanes: higher first. Default 0. */
  readonly priority?: number;
  readonly traceId?: string;
  /** What has to be applied first. In `enqueueMany` and `group` a number is the place of an earlier input. */
  readonly dependsOn?: readonly Dependency[];
  /** false: it is sent by itself, whatever waits next to it. */
  readonly coalesce?: boolean;
}
export type RunOptions = Pick<EnqueueInput, "baseVersion" | "expiresAt" | "lane" | "priority" | "traceId" | "dependsOn" | "coalesce">;

/** A declared operation as a member of a group. */
export interface RunMember extends RunOptions {
  readonly run: AnyOperation;
  readonly input: unknown;
}
export type GroupMember = EnqueueInput | RunMember;

/** An entity as it is shown, and what that is: a version of the server's, or the result of an own operation. */
export interface Seen {
  readonly base: Base;
  readonly value: JsonObject | null;
}
/** What a call becomes: the content, and the JSON of its payload, which checking has made already. */
export interface Prepared {
  readonly content: OperationContent;
  readonly payloadText: string;
  /** What it writes, for the view. */
  readonly patch: JsonObject | null;
}

const CONTROL = /\p{Cc}/u;
const NO_PAYLOAD = { value: null, text: "null" } as const;

/** Turns a call into the content of an operation, or refuses it: nothing that is wrong gets into the queue. */
export class Intake {
  readonly #context: EngineContext;
  readonly #newId: (now: EpochMs) => OperationId;
  readonly #seen: (ref: EntityRef) => Seen | undefined;

  /** `seen`: what the user has before them; undefined: nobody looks, or nothing is known. */
  constructor(context: EngineContext, seen: (ref: EntityRef) => Seen | undefined) {
    this.#context = context;
    this.#seen = seen;
    this.#newId = uuidV7Maker(() => context.queue.newUuid());
  }

  /** One call: nothing is refused when all are prepared. */
  many(inputs: readonly GroupMember[]): readonly Prepared[] {
    const ids: OperationId[] = [];
    return inputs.map((input) => {
      const isRun = typeof input === "object" && input !== null && "run" in input;
      const prepared = isRun ? this.declared(input.run, input.input, input, ids) : this.plain(input, ids);
      ids.push(prepared.content.id);
      return prepared;
    });
  }

  /** `earlier`: ids of the inputs before it in the same call. */
  plain(input: EnqueueInput, earlier: readonly OperationId[] = []): Prepared {
    if (typeof input !== "object" || input === null) throw invalid("enqueue needs an object: { type, entityType, entityId, payload }");
    const { type, entityType } = input;
    if (!PLAIN_TYPES.has(type)) {
      const text = `"${String(type)}" is no plain type. Enqueue CREATE, UPDATE or DELETE; declare anything else with defineOperation and call run(). Nothing was queued.`;
      throw this.#context.settings.registry.operations.has(type)
        ? new SyncError(
            "INVALID_OPERATION",
            `"${String(type)}" is a declared operation: call run() with its definition. Nothing was queued.`,
          )
        : new SyncError("UNKNOWN_TYPE", text);
    }
    checkName("entityType", entityType);
    const entityId = input.entityId ?? (type === "CREATE" ? this.#context.queue.newUuid() : "");
    checkName("entityId", entityId);
    if (type === "DELETE" && input.payload !== undefined && input.payload !== null) throw invalid("DELETE carries no payload");
    if (type !== "DELETE" && !isPlainObject(input.payload)) throw invalid(`${type} of ${entityType} needs a payload object`);
    const checked = type === "DELETE" ? NO_PAYLOAD : this.#checked(input.payload, `${type} ${entityType}`);
    const schema = this.#context.settings.registry.entities.get(entityType)?.schema;
    if (type === "CREATE" && schema !== undefined) validate(schema, checked.value, `${type} ${entityType}`);
    const ref = { entityType, entityId };
    const against = type === "CREATE" ? undefined : this.#against(ref, checked.value, input);
    const content = this.#content(type, 1, ref, checked.value, input, against, earlier);
    return { content, payloadText: checked.text, patch: checked.value as JsonObject | null };
  }

  declared(definition: AnyOperation, input: unknown, options: RunOptions, earlier: readonly OperationId[] = []): Prepared {
    const known = this.#context.settings.registry.operations.get(definition?.name);
    if (known === undefined || known !== definition) {
      throw new SyncError(
        "UNREGISTERED_OPERATION",
        `Operation "${String(definition?.name)}" is not registered with this engine. Add it to the option operations: a queued one must be found again after a restart. Nothing was queued.`,
      );
    }
    const { name } = definition;
    const valid = definition.input === undefined ? input : validate(definition.input, input, name);
    const checked = this.#checked(valid, name);
    const copied = checked.value;
    // None of the definition's functions can change what will be queued.
    frozen(copied);
    const ref = own(definition, "entity", () => definition.entity(copied as never));
    checkName(`entityType of ${name}`, ref?.entityType);
    checkName(`entityId of ${name}`, ref.entityId);
    const apply = definition.apply as Apply | undefined;
    const draft = apply === undefined ? {} : own(definition, "apply", () => applied(null, apply, copied));
    const checkedPatch = this.#checked(draft, `patch of ${name}`);
    const patch = checkedPatch.value as JsonObject;
    this.#tryRequest(definition, ref, copied, patch);
    const payload = { input: copied, patch };
    const payloadText = `{"input":${checked.text},"patch":${checkedPatch.text}}`;
    const against = this.#against(ref, patch, options);
    const content = this.#content(name, definition.version, ref, payload, options, against, earlier);
    return { content, payloadText, patch };
  }

  /** A path parameter that is missing now is missing for ever: refused here, before anything is queued. */
  #tryRequest(definition: AnyOperation, ref: EntityRef, input: Json, patch: JsonObject): void {
    const request = own(definition, "request", () => definition.request?.({ entityId: ref.entityId, input: input as never, patch }));
    if (request === undefined) return;
    const body = request.body ?? patch;
    const missing = [...request.path.matchAll(/\{([^}]*)\}/g)]
      .map((match) => match[1] as string)
      .filter((name) => !fills(name, body, ref.entityId));
    if (missing.length > 0) {
      throw new SyncError(
        "MISSING_PATH_PARAMETER",
        `Operation "${definition.name}": its path ${request.path} needs ${missing.join(", ")}, which the body does not have. Nothing was queued.`,
      );
    }
  }

  #checked(value: unknown, what: string): { readonly value: Json; readonly text: string } {
    const checked = checkPayload(value, PAYLOAD_LIMITS);
    if (checked.ok) return checked;
    throw new SyncError(
      checked.code,
      `${what}: ${checked.path === "" ? "the payload" : `"${checked.path}"`} ${checked.problem}. Nothing was queued.`,
    );
  }

  /** What the edit was made against, where it matters what somebody else wrote. */
  #against(ref: EntityRef, patch: Json, { baseVersion }: RunOptions): Pick<OperationContent, "base" | "before"> | undefined {
    if (!this.#context.settings.registry.merges(ref.entityType)) return undefined;
    const seen = this.#seen(ref);
    if (seen === undefined || baseVersion !== undefined) return undefined;
    const { base, value } = seen;
    const names = isJsonObject(patch) ? Object.keys(patch).filter((name) => value !== null && Object.hasOwn(value, name)) : [];
    const before = Object.fromEntries(names.map((name) => [name, value?.[name] ?? null]));
    return { base, before };
  }

  #content(
    type: string,
    version: number,
    ref: EntityRef,
    payload: Json,
    options: RunOptions,
    against: Pick<OperationContent, "base" | "before"> = {},
    earlier: readonly OperationId[] = [],
  ): OperationContent {
    const { platform, queue } = this.#context;
    const now = platform.clock.now();
    const id = this.#newId(now);
    const { baseVersion, expiresAt, lane, priority, traceId, coalesce } = options;
    if (baseVersion !== undefined && (!Number.isSafeInteger(baseVersion) || baseVersion < 0))
      throw invalid(`baseVersion must be a whole number >= 0, got ${baseVersion}`);
    if (expiresAt !== undefined && !(Number.isFinite(expiresAt) && expiresAt > 0))
      throw invalid(`expiresAt must be in milliseconds since the epoch, got ${expiresAt}`);
    if (lane !== undefined) checkName("lane", lane);
    if (priority !== undefined && !Number.isFinite(priority)) throw invalid(`priority must be a number, got ${priority}`);
    if (traceId !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(traceId))
      throw invalid("traceId must be a lowercase UUID");
    const dependsOn = dependencyIds(`${type} ${ref.entityType}`, options.dependsOn, earlier);
    const content: OperationContent = {
      id,
      type,
      version,
      entityType: ref.entityType,
      entityId: ref.entityId,
      payload,
      key: queue.newUuid() as IdempotencyKey,
      traceId: (traceId ?? queue.newUuid()) as TraceId,
      txnToken: `txn-${id}`,
      createdAt: now,
      ...against,
    };
    const asked = [baseVersion, expiresAt, lane, priority, dependsOn];
    if (coalesce !== false && asked.every((option) => option === undefined)) return content;
    return {
      ...content,
      ...(coalesce === false ? { coalesce } : {}),
      ...(baseVersion === undefined ? {} : { base: { version: baseVersion } }),
      ...(expiresAt === undefined ? {} : { expiresAt: expiresAt as EpochMs }),
      ...(dependsOn === undefined ? {} : { dependsOn }),
      ...(lane === undefined ? {} : { lane }),
      ...(priority === undefined ? {} : { priority }),
    };
  }
}

function fills(name: string, body: Json, entityId: string): boolean {
  const value = isJsonObject(body) && Object.hasOwn(body, name) ? body[name] : undefined;
  if (value !== undefined) return (typeof value === "string" && value !== "") || typeof value === "number";
  return entityId !== "" && /(^|_)id$|Id$/.test(name);
}

function validate(schema: StandardSchema, value: unknown, what: string): unknown {
  const result = validated(schema, value);
  if (result.ok) return result.value;
  const { why, path, constraint } = result;
  if (why === "asynchronous")
    throw invalid(`${what}: its schema validates asynchronously; an operation is shown in the same tick, so give a synchronous schema`);
  if (why === "threw") throw invalid(`${what}: its schema threw ${constraint}; a schema answers with issues`);
  throw new SyncError(
    "INVALID_INPUT",
    `${what}: ${path === "" ? "the input" : `"${path}"`} is not valid (${constraint}). Nothing was queued.`,
    { details: { field: path, constraint } },
  );
}

/** What a definition's own function gives. What it throws is a mistake of the program, told with where it was made. */
function own<T>(definition: AnyOperation, part: "entity" | "apply" | "request", call: () => T): T {
  try {
    return call();
  } catch (error) {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
    const message = `Operation "${definition.name}": its ${part} threw ${what}. Nothing was queued.`;
    throw new SyncError("INVALID_OPERATION", message, { cause: error });
  }
}

/** As the wire takes a name: a backend would refuse the whole request of one that is not. */
function checkName(what: string, value: unknown): void {
  if (typeof value !== "string" || value === "" || value.length > MAX_NAME_CHARS || CONTROL.test(value))
    throw invalid(`${what} must be a string of 1 to ${MAX_NAME_CHARS} characters without control characters`);
}

function isPlainObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): SyncError {
  return new SyncError("INVALID_OPERATION", `${message}. Nothing was queued.`);
}
