import {
  type HandshakeResponse,
  isJsonObject,
  type Json,
  type JsonObject,
  MAX_BODY_BYTES,
  type OperationResult,
  PROTOCOL_VERSION,
  SYNC_PATHS,
  type WireOperation,
} from "@guardian-sync/protocol";
import type { Exchange } from "../ports/index.ts";
import { TinyFeed } from "./tiny-feed.ts";
import { answered, answeredData, echoOf, refused, type SeenRequest } from "./scripted-transport.ts";

export type Judge = (operation: WireOperation) => Omit<OperationResult, "key"> | undefined;

/**
 * A backend of level 4 in a hundred lines: it applies what comes in order, keeps a ledger and counts. It answers as the protocol
 * says and does nothing else; the real one is `@guardian-sync/server`.
 */
export class TinyBackend {
  /** What took effect, in the order in which it did. */
  readonly applied: WireOperation[] = [];
  /** Every change that ever was, whoever made it: the feed. */
  readonly feed: TinyFeed = new TinyFeed();
  readonly ledger: Map<string, OperationResult> = new Map();
  readonly versions: Map<string, number> = new Map();
  /** What each client's next number is. */
  readonly expected: Map<string, number> = new Map();
  account: { readonly space: string; readonly principal: string } = { space: "home", principal: "ada" };
  /** Changes to what the handshake answers. */
  offers: Partial<HandshakeResponse> = {};
  /** ISO 8601: how far back the ledger reaches. */
  knownSince = "2020-01-01T00:00:00.000Z";
  /** Another result for an operation than being applied. */
  judge: Judge = () => undefined;

  readonly answer = (request: SeenRequest): Exchange => {
    const path = request.path.split("?")[0] ?? "";
    if (path === SYNC_PATHS.handshake) return answeredData(request, this.#handshake(request) as unknown as Json);
    if (path === SYNC_PATHS.ops) return this.#ops(request);
    if (path.startsWith(`${SYNC_PATHS.ops}/`)) return this.#verdict(request, path);
    if (path === SYNC_PATHS.snapshot) return this.feed.snapshot(request, this.#expected(request) - 1);
    if (path === SYNC_PATHS.changes && request.path.includes("cursor=")) return this.feed.changes(request);
    if (path === SYNC_PATHS.changes) return answered(200, { meta: echoOf(request), data: {} });
    return refused(404, "RESOURCE_NOT_FOUND")(request);
  };

  /** As another client would. null: deleted. */
  write(entityType: string, entityId: string, data: JsonObject | null): void {
    const version = (this.versions.get(entityId) ?? 0) + 1;
    this.versions.set(entityId, version);
    this.feed.put({ entityType, entityId, version, data, clientId: "another", operationId: null });
  }

  /** Entity ids in the order of their effects. */
  get appliedIds(): readonly string[] {
    return this.applied.map((operation) => operation.entity_id);
  }

  #handshake(request: SeenRequest): HandshakeResponse {
    return {
      protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
      idempotency: { honoured: true, replay_window_s: 86_400, key_window_s: 7_776_000 },
      batch: { max_operations: 500, max_bytes: MAX_BODY_BYTES },
      operations: [],
      collections: { device: "devices" },
      feed: { changes: true, snapshot: true, max_wait_s: 25 },
      realtime: { socket: false },
      cancel: true,
      server_time: new Date(request.at).toISOString(),
      generation: "g1",
      account: this.account,
      ...this.offers,
    };
  }

  #expected(request: SeenRequest): number {
    return this.expected.get(request.headers["X-Device-Id"] ?? "") ?? 1;
  }

  #ops(request: SeenRequest): Exchange {
    const operations = operationsIn(request);
    const client = request.headers["X-Device-Id"] ?? "";
    const expected = this.#expected(request);
    const first = operations.find((operation) => !this.ledger.has(operation.key));
    if (first?.op_number !== undefined && first.op_number !== expected) return refused(409, "OUT_OF_ORDER", { expected })(request);
    const rejected = new Set<string>();
    const stopped = new Set<string | undefined>();
    let hasEnded = false;
    const isGlobal = operations.some(({ op_number }) => op_number !== undefined);
    const results = operations.map((operation): OperationResult => {
      const isStopped = hasEnded || rejected.has(operation.entity_id) || (operation.lane !== undefined && stopped.has(operation.lane));
      const result = isStopped ? SKIPPED : this.#take(operation, client);
      if (result.outcome === "rejected") rejected.add(operation.entity_id);
      if (["conflict", "retry", "skipped"].includes(result.outcome)) {
        if (isGlobal) hasEnded = true;
        rejected.add(operation.entity_id);
        stopped.add(operation.lane);
      }
      return { ...result, key: operation.key };
    });
    return answeredData(request, { generation: "g1", head_seq: this.feed.head, results: results as unknown as Json });
  }

  /** One operation in its turn: what the ledger knows is told again, everything else is judged once. */
  #take(operation: WireOperation, client: string): Omit<OperationResult, "key"> {
    const known = this.ledger.get(operation.key);
    if (known !== undefined) return { ...known, replayed: true };
    const before = operation.supersedes?.find((key) => this.ledger.get(key)?.outcome === "applied");
    for (const key of operation.supersedes ?? []) if (!this.ledger.has(key)) this.ledger.set(key, { ...CANCELLED, key });
    const result = this.#decide(operation, before, client);
    if (result.outcome === "conflict" || result.outcome === "retry" || result.outcome === "skipped") return result;
    this.ledger.set(operation.key, { ...result, key: operation.key });
    if (operation.op_number !== undefined) this.expected.set(client, operation.op_number + 1);
    return result;
  }

  #decide(operation: WireOperation, before: string | undefined, client: string): Omit<OperationResult, "key"> {
    if (before !== undefined) return { status: 200, outcome: "applied_before", applied_key: before };
    if (operation.cancelled === true) return CANCELLED;
    const judged = this.judge(operation);
    if (judged !== undefined && judged.outcome !== "applied") return judged;
    const version = this.versions.get(operation.entity_id) ?? 0;
    const { base } = operation;
    const expected = base === undefined ? version : "version" in base ? base.version : this.ledger.get(base.after)?.version;
    if (expected !== version) {
      const data = this.feed.documents.get(operation.entity_id) ?? null;
      const details = { server_version: version, client_version: expected ?? null };
      const error = { code: "CONFLICT", message: `it is at version ${version}`, details };
      return { status: 409, outcome: "conflict", error, current: { version, data, deleted: data === null } };
    }
    this.applied.push(operation);
    this.versions.set(operation.entity_id, version + 1);
    const commitSeq = this.feed.add(operation, version + 1, client);
    return judged ?? { status: 200, outcome: "applied", version: version + 1, commit_seq: commitSeq };
  }

  #verdict(request: SeenRequest, path: string): Exchange {
    const [, key = "", cancel] = /ops\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
    if (cancel !== undefined && !this.ledger.has(key)) this.ledger.set(key, { ...CANCELLED, key });
    const result = this.ledger.get(key);
    const verdict =
      result === undefined ? "unknown" : result.outcome === "rejected" || result.outcome === "cancelled" ? result.outcome : "applied";
    const data = {
      key,
      verdict,
      known_since: this.knownSince,
      ...(result === undefined || verdict === "cancelled" ? {} : { result: result as unknown as Json }),
    };
    return answeredData(request, data);
  }
}

const SKIPPED = {
  status: 424,
  outcome: "skipped",
  error: { code: "BLOCKED", message: "not executed: something before it was not" },
} as const satisfies Omit<OperationResult, "key">;
const CANCELLED = { status: 200, outcome: "cancelled" } as const satisfies Omit<OperationResult, "key">;

/** The operations of a batch request. */
export function operationsIn(request: SeenRequest): readonly WireOperation[] {
  const payload = isJsonObject(request.json) ? request.json.payload : undefined;
  return isJsonObject(payload) && Array.isArray(payload.operations) ? (payload.operations as unknown as WireOperation[]) : [];
}

/**
 * A backend with nothing but collections of documents: levels 0 to 3. Creates with the client's id, merges patches, knows no
 * keys; with `etags`, versions and `If-Match`.
 */
export class PlainRestBackend {
  readonly documents: Map<string, JsonObject> = new Map();
  /** `METHOD path`, of everything that changed a document. */
  readonly writes: string[] = [];
  readonly #etags: boolean;
  readonly #ids: "client" | "server";
  readonly #versions = new Map<string, number>();
  #made = 0;

  /** `ids: "server"`: whatever a new document is called, it gets another id. */
  constructor(options: { readonly etags?: boolean; readonly ids?: "client" | "server" } = {}) {
    this.#etags = options.etags === true;
    this.#ids = options.ids ?? "client";
  }

  readonly answer = (request: SeenRequest): Exchange => {
    const [, collection, id] = /^\/api\/v1\/([a-z]+)(?:\/([^/?]+))?/.exec(request.path) ?? [];
    if (collection === undefined || collection === "sync") return answered(404, { code: "NOT_FOUND", message: "no such route" });
    const body = isJsonObject(request.json) ? request.json : {};
    if (request.method === "POST") {
      const made = this.#ids === "client" ? String(body.id) : `s${++this.#made}`;
      return this.#write(request, made, this.#ids === "client" ? body : { ...body, id: made }, 201);
    }
    if (request.method === "GET" && id === undefined) return answered(200, { items: [...this.documents.values()] });
    const document = this.documents.get(id ?? "");
    if (document === undefined) return answered(404, { code: "NOT_FOUND", message: "no such document" });
    if (request.method === "GET") return answered(200, document, this.#tag(id ?? ""));
    const ifMatch = request.headers["If-Match"];
    if (this.#etags && ifMatch !== undefined && ifMatch !== this.#tag(id ?? "").etag) {
      return answered(412, { code: "PRECONDITION_FAILED", message: "somebody else wrote" });
    }
    if (request.method !== "DELETE") return this.#write(request, id ?? "", { ...document, ...body }, 200);
    this.writes.push(`DELETE ${request.path}`);
    this.documents.delete(id ?? "");
    return answered(204, undefined);
  };

  /** As another client would. */
  put(id: string, document: JsonObject): void {
    this.documents.set(id, document);
    this.#versions.set(id, (this.#versions.get(id) ?? 0) + 1);
  }

  #write(request: SeenRequest, id: string, document: JsonObject, status: number): Exchange {
    this.writes.push(`${request.method} ${request.path}`);
    this.put(id, document);
    return answered(status, document, this.#tag(id));
  }

  #tag(id: string): Readonly<Record<string, string>> {
    return this.#etags ? { etag: `"v${this.#versions.get(id) ?? 0}"` } : {};
  }
}
