/** The sync face, version 1: the shapes that travel. Names are snake_case because they are the wire. */
import type { WireCode } from "./codes.ts";
import type { Json, JsonObject } from "./json.ts";

export const PROTOCOL_VERSION = 1;

export interface RequestMeta {
  readonly trace_id: string;
  /** ISO 8601 UTC, the moment of sending. */
  readonly timestamp: string;
  /** ISO 8601 UTC, when the user acted: days ago, when offline. Absent on requests that carry no operation. */
  readonly created_at?: string;
  readonly txn_token?: string;
  /** Tries so far, by key, of the operations inside. */
  readonly attempts?: { readonly [key: string]: number };
}
export interface RequestEnvelope<P = Json> {
  readonly meta: RequestMeta;
  readonly payload: P;
}

export interface ResponseMeta {
  readonly trace_id: string;
  readonly timestamp: string;
  readonly txn_token?: string;
}
export interface WireError {
  /** A `WireCode`, or one of a later version: then the status decides. */
  readonly code: WireCode | (string & {});
  readonly message: string;
  readonly details?: JsonObject;
}
/** Exactly one of `data` and `error`. */
export type ResponseEnvelope<D = Json> =
  | { readonly meta: ResponseMeta; readonly data: D; readonly error?: never }
  | { readonly meta: ResponseMeta; readonly error: WireError; readonly data?: never };

export type Ordering = "global" | "entity";
/** What an operation was written against: a version the client saw, or the result of an earlier operation of its own. */
export type Base = { readonly version: number } | { readonly after: string };

/** The part of an operation that is sealed: these bytes are sent on every try, whatever version of the app runs. */
export interface SealedOperation {
  readonly key: string;
  readonly operation_id: string;
  /** `CREATE`, `UPDATE`, `DELETE` or the name of a declared operation. */
  readonly type: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly payload: Json;
  readonly base?: Base;
  readonly supersedes?: readonly string[];
  readonly lane?: string;
  readonly depends_on?: readonly string[];
  readonly group?: string;
  readonly trace_id: string;
  readonly txn_token?: string;
  readonly created_at: string;
}
/** As sent: with its number under global ordering, which stands beside the sealed bytes. */
export interface WireOperation extends SealedOperation {
  /** Contiguous per client and space, from 1; global ordering only. */
  readonly op_number?: number;
  /** A cancelled or discarded sealed operation, sent once more in its place: the server writes the marker and consumes the number. */
  readonly cancelled?: true;
}

export interface OpsRequest {
  readonly ordering: Ordering;
  readonly fence: number;
  readonly lease: string;
  readonly operations: readonly WireOperation[];
}

export const RESULT_OUTCOMES = ["applied", "noop", "applied_before", "conflict", "rejected", "cancelled", "skipped", "retry"] as const;
export type ResultOutcome = (typeof RESULT_OUTCOMES)[number];

export interface CurrentState {
  readonly version: number;
  readonly data: JsonObject | null;
  readonly deleted: boolean;
  readonly last_operation_id?: string;
}
export interface OperationResult {
  readonly key: string;
  /** The HTTP status that the REST face would have answered. */
  readonly status: number;
  readonly outcome: ResultOutcome;
  readonly applied_key?: string;
  readonly version?: number;
  readonly commit_seq?: number;
  readonly data?: JsonObject;
  readonly error?: WireError;
  readonly current?: CurrentState;
  readonly replayed?: true;
}
export interface OpsResponse {
  readonly generation: string;
  readonly head_seq: number;
  readonly results: readonly OperationResult[];
}

/** `GET /api/v1/sync/ops/{key}`; `POST …/{key}/cancel` answers the same shape. */
export interface Verdict {
  readonly key: string;
  readonly verdict: "applied" | "rejected" | "cancelled" | "unknown";
  /** ISO 8601: keys first sent before this moment may have been forgotten. */
  readonly known_since: string;
  /** The stored result, for `applied` and `rejected`. */
  readonly result?: OperationResult;
}

export interface HandshakeRequest {
  readonly protocol: { readonly min: number; readonly max: number };
  readonly app_version?: string;
  readonly client_id?: string;
  readonly account?: { readonly space: string; readonly principal: string };
}
export interface HandshakeResponse {
  readonly protocol: { readonly min: number; readonly max: number };
  readonly idempotency: { readonly honoured: boolean; readonly replay_window_s: number; readonly key_window_s: number };
  readonly batch: { readonly max_operations: number; readonly max_bytes: number };
  readonly operations: readonly string[];
  /** Entity type → collection (path segment). */
  readonly collections: { readonly [entityType: string]: string };
  readonly feed: { readonly changes: boolean; readonly snapshot: boolean; readonly max_wait_s: number };
  readonly realtime: { readonly socket: boolean };
  readonly cancel: boolean;
  readonly server_time: string;
  readonly generation: string;
  readonly account: { readonly space: string; readonly principal: string };
}

export type ChangeKind = "put" | "del" | "drop";
export interface Change {
  readonly seq: number;
  /** Changes with the same number were one transaction; a page never splits it. */
  readonly txn: number;
  readonly op: ChangeKind;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly version: number;
  readonly data: JsonObject | null;
  readonly origin: { readonly client_id: string | null; readonly operation_id: string | null };
}
export interface ChangesPage {
  readonly from_seq: number;
  readonly to_seq: number;
  readonly head_seq: number;
  readonly generation: string;
  readonly cursor: string;
  readonly has_more: boolean;
  readonly complete: boolean;
  readonly changes: readonly Change[];
}
export interface SnapshotRow {
  readonly entity_type: string;
  readonly entity_id: string;
  readonly version: number;
  readonly seq: number;
  readonly data: JsonObject;
}
export interface OwnProgress {
  readonly client_id: string;
  /** The last one consumed; 0: none. */
  readonly op_number: number;
}
export interface SnapshotPage {
  readonly generation: string;
  /** On the first page: the seq from which changes must be replayed afterwards. */
  readonly as_of?: number;
  /** On the last page: swap when the cursor has reached it. */
  readonly until?: number;
  /** Opens the change feed at `as_of`. */
  readonly cursor: string;
  /** Absent on the last page. */
  readonly next_page?: string;
  /** The items contain what the asking client numbered up to here: also that of which it has no answer yet. */
  readonly own?: OwnProgress;
  readonly items: readonly SnapshotRow[];
}
