/** A server on a given storage in standing time, and clients that speak to it by plain requests. For the server's contract. */
import { createHash } from "node:crypto";
import {
  type ChangesPage,
  cancelPath,
  HEADERS,
  type Json,
  type JsonObject,
  type OperationResult,
  type OpsResponse,
  parseChangesPage,
  parseOpsResponse,
  parseSnapshotPage,
  parseVerdict,
  type RandomBytes,
  type SnapshotPage,
  SYNC_PATHS,
  uuidV4,
  type Verdict,
  verdictPath,
  type WireOperation,
} from "@guardian-sync/protocol";
import { OperationRejected } from "../core/refusal.ts";
import { type CollectionDefinition, defineServerOperation, emit, type OperationDefinition } from "../core/registry.ts";
import type { StandardSchema } from "../core/schema.ts";
import type { Storage } from "../core/storage.ts";
import type { PlainRequest, PlainResponse } from "../ports.ts";
import { createSyncServer, type SyncServer } from "../http/server.ts";
import type { SyncServerOptions } from "../http/options.ts";
import { ManualTimer } from "./manual-timer.ts";
import { seededRandom } from "./seeded-random.ts";

type FieldType = "string" | "number" | "object";

/** A small schema: required fields of one type each, optional ones with a question mark. */
export function fields(types: { readonly [name: string]: FieldType | `${FieldType}?` }): StandardSchema {
  const issueOf = (value: JsonObject): { message: string; path: string[]; code: string } | null => {
    for (const name of Object.keys(value))
      if (types[name] === undefined) return { message: "is not known", path: [name], code: "unrecognized" };
    for (const [name, type] of Object.entries(types)) {
      const isOptional = type.endsWith("?");
      if (value[name] === undefined && isOptional) continue;
      // null is a value: the sync face keeps it.
      if (isOptional && value[name] === null) continue;
      if (typeof value[name] !== type.replace("?", "")) return { message: `must be a ${type}`, path: [name], code: "invalid_type" };
    }
    return null;
  };
  const validate = (value: unknown): { value: unknown } | { issues: { message: string; path: string[]; code: string }[] } => {
    const issue = issueOf(value as JsonObject);
    return issue === null ? { value } : { issues: [issue] };
  };
  return { "~standard": { version: 1, vendor: "test", validate } };
}

export const contractCollections: Readonly<Record<string, CollectionDefinition>> = {
  devices: { entityType: "device", schema: fields({ name: "string", size: "number?", settings: "object?" }) },
  rooms: { entityType: "room", schema: fields({ name: "string" }), requireVersion: true },
  "health/readings": { entityType: "reading", schema: fields({ value: "number" }), appendOnly: true },
  locks: {
    entityType: "lock",
    schema: fields({ name: "string" }),
    authorize: ({ roles }) => roles.includes("owner") || { requiredPermission: "locks:write" },
  },
};

export const contractOperations: Readonly<Record<string, OperationDefinition>> = {
  "device.rename": defineServerOperation<{ name: string }>({
    input: fields({ name: "string", device_id: "string?" }),
    route: { method: "POST", path: "/api/v1/devices/{device_id}/rename", entityType: "device", entityIdFrom: "device_id" },
    handler: async (tx, { name }, { entityId }) => {
      const device = await tx.entity("device", entityId);
      if (device === null) {
        throw new OperationRejected({ status: 404, code: "RESOURCE_NOT_FOUND", message: `no device ${entityId}` });
      }
      return emit.put("device", entityId, { ...device, name });
    },
  }),
  "device.pair": {
    handler: (_, input, { entityId }) => {
      const { other } = input as { other: string };
      return [emit.put("device", entityId, { name: "left" }), emit.put("device", other, { name: "right" })];
    },
  },
  "device.retire": {
    handler: (_, input, { entityId }) => {
      const { how } = input as { how: "del" | "drop" };
      return [emit[how]("device", entityId), emit.put("reading", entityId, { value: 0 })];
    },
  },
  "device.broken": {
    handler: () => {
      throw new Error("secret inside");
    },
  },
  "device.busy": {
    handler: () => {
      throw new OperationRejected({ status: 409, code: "CONFLICT", message: "not now" });
    },
  },
  "device.ping": {
    route: {
      method: "POST",
      path: "/api/v1/devices/{device_id}/ping",
      entityType: "device",
      entityIdFrom: "device_id",
      requiresIdempotency: false,
    },
    handler: (_, __, { entityId, now }) => emit.put("device", entityId, { name: "pinged", size: now }),
  },
};

export interface RestAnswer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly data?: JsonObject;
  readonly error?: { readonly code: string; readonly message: string; readonly details?: JsonObject };
  readonly meta?: JsonObject;
  readonly text: string;
}

export class ContractWorld {
  readonly timer: ManualTimer = new ManualTimer();
  readonly random: RandomBytes;
  readonly server: SyncServer;
  readonly storage: Storage;
  /** What handlers and schemas threw. */
  readonly faults: unknown[] = [];

  constructor(storage: Storage, options: Partial<SyncServerOptions> = {}, seed = 1) {
    this.storage = storage;
    this.random = seededRandom(seed);
    this.server = createSyncServer({
      storage,
      collections: contractCollections,
      operations: contractOperations,
      authenticate: tokenOfTests,
      clock: this.timer,
      random: this.random,
      sha256: (text) => createHash("sha256").update(text).digest("hex"),
      reportError: (error) => this.faults.push(error),
      rateLimit: { perPrincipal: 1_000_000, perAddress: 1_000_000 },
      ...options,
    });
  }

  id(): string {
    return uuidV4(this.random);
  }
  client(account: string = "ada@home"): ContractClient {
    return new ContractClient(this, account);
  }
}

/** `principal@space`, with `#role,role` when there are any. */
function tokenOfTests({ headers }: PlainRequest): { principal: string; space: string; roles: string[] } | null {
  const match = /^Bearer ([^@]+)@([^#]+)(?:#(.*))?$/.exec(headers.authorization ?? "");
  if (match === null) return null;
  return { principal: match[1] ?? "", space: match[2] ?? "", roles: match[3]?.split(",") ?? [] };
}

export interface BatchOptions {
  readonly ordering?: "global" | "entity";
  readonly fence?: number;
  readonly lease?: string;
}

export class ContractClient {
  readonly world: ContractWorld;
  readonly account: string;
  readonly clientId: string;
  readonly lease: string;
  fence = 1;

  constructor(world: ContractWorld, account: string) {
    this.world = world;
    this.account = account;
    this.clientId = world.id();
    this.lease = world.id();
  }

  /** An operation with a new key; CREATE of a device unless told otherwise. */
  operation(more: Partial<WireOperation> = {}): WireOperation {
    const { world } = this;
    return {
      key: world.id(),
      operation_id: world.id(),
      type: "CREATE",
      entity_type: "device",
      entity_id: world.id(),
      payload: { name: "lamp" },
      trace_id: world.id(),
      created_at: "2026-01-01T00:00:00.000Z",
      ...more,
    };
  }

  async send(request: Partial<PlainRequest> & { readonly json?: unknown }): Promise<RestAnswer> {
    const { json, headers, ...rest } = request;
    const body = json === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(json));
    const answer = await this.world.server.handle({
      method: "GET",
      path: "/",
      query: {},
      body,
      remoteAddress: "127.0.0.1",
      headers: {
        authorization: `Bearer ${this.account}`,
        "x-device-id": this.clientId,
        ...(json === undefined ? {} : { "content-type": "application/json; charset=utf-8" }),
        ...headers,
      },
      ...rest,
    });
    return readAnswer(answer);
  }

  envelope(payload: unknown): JsonObject {
    const timestamp = new Date(this.world.timer.now()).toISOString();
    return { meta: { trace_id: this.world.id(), timestamp }, payload: payload as Json };
  }

  async batch(operations: readonly unknown[], options: BatchOptions = {}): Promise<RestAnswer> {
    const { ordering = "entity", fence = this.fence, lease = this.lease } = options;
    return await this.send({ method: "POST", path: SYNC_PATHS.ops, json: this.envelope({ ordering, fence, lease, operations }) });
  }

  /** The results of a batch that must be understood. */
  async ops(operations: readonly WireOperation[], options: BatchOptions = {}): Promise<readonly OperationResult[]> {
    return (await this.opsResponse(operations, options)).results;
  }
  async opsResponse(operations: readonly WireOperation[], options: BatchOptions = {}): Promise<OpsResponse> {
    const answer = await this.batch(operations, options);
    const keys = operations.map(({ key }) => key);
    return must(parseOpsResponse(answer.data, keys), answer);
  }
  /** The result of an operation sent alone. */
  async op(more: Partial<WireOperation>, options: BatchOptions = {}): Promise<OperationResult> {
    const [result] = await this.ops([this.operation(more)], options);
    if (result === undefined) throw new Error("no result");
    return result;
  }

  async verdict(key: string): Promise<Verdict> {
    const answer = await this.send({ path: verdictPath(key) });
    return must(parseVerdict(answer.data, key), answer);
  }
  async cancel(key: string): Promise<Verdict> {
    const answer = await this.send({ method: "POST", path: cancelPath(key) });
    return must(parseVerdict(answer.data, key), answer);
  }

  async pull(query: { readonly [name: string]: string } = {}): Promise<RestAnswer> {
    return await this.send({ path: SYNC_PATHS.changes, query });
  }
  async changes(query: { readonly [name: string]: string } = {}): Promise<ChangesPage> {
    const answer = await this.pull(query);
    return must(parseChangesPage(answer.data), answer);
  }
  async snapshot(query: { readonly [name: string]: string } = {}): Promise<SnapshotPage> {
    const answer = await this.send({ path: SYNC_PATHS.snapshot, query });
    return must(parseSnapshotPage(answer.data), answer);
  }

  /** A REST call; a write gets a new key unless `key` is given, `null` for none. */
  async rest(
    method: string,
    path: string,
    more: { readonly payload?: unknown; readonly key?: string | null; readonly headers?: { readonly [name: string]: string } } = {},
  ): Promise<RestAnswer> {
    const { payload, headers = {} } = more;
    const key = more.key === undefined ? this.world.id() : more.key;
    const keyed = method === "GET" || key === null ? {} : { [HEADERS.idempotencyKey.toLowerCase()]: key };
    const json = payload === undefined ? {} : { json: this.envelope(payload) };
    return await this.send({ method, path: `/api/v1/${path}`, headers: { ...keyed, ...headers }, ...json });
  }
}

function readAnswer({ status, headers, body }: PlainResponse): RestAnswer {
  const type = headers["Content-Type"] ?? "";
  const content = type.includes("json") && body !== "" ? (JSON.parse(body) as Partial<RestAnswer>) : {};
  const { data, error, meta } = content;
  return {
    status,
    headers,
    text: body,
    ...(data === undefined ? {} : { data }),
    ...(error === undefined ? {} : { error }),
    ...(meta === undefined ? {} : { meta }),
  };
}

function must<T>(
  parsed: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly path: string; readonly problem: string },
  answer: RestAnswer,
): T {
  if (parsed.ok) return parsed.value;
  throw new Error(`${parsed.path} ${parsed.problem}: ${answer.status} ${answer.text.slice(0, 500)}`);
}
