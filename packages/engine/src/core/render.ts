import type { Base, Json, RequestMeta } from "@guardian-sync/protocol";
import type { Face } from "./face.ts";
import type { Method } from "./route.ts";

/**
 * Sealed text: what is stored when an operation is sealed, and sent unchanged on every try, by any version of the app.
 * One JSON text: `{"face":"sync","operation":{…}}` or `{"face":"rest",…,"payload":…}`. It holds nothing that differs between
 * tries: no envelope, no authorisation, no attempt, no operation number.
 */

export interface SyncForm {
  readonly key: string;
  readonly operationId: string;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly payload: Json;
  readonly base?: Base | undefined;
  /** Keys under which this operation was ever sent before. */
  readonly supersedes?: readonly string[] | undefined;
  readonly lane?: string | undefined;
  readonly dependsOn?: readonly string[] | undefined;
  readonly group?: string | undefined;
  readonly traceId: string;
  readonly txnToken?: string | undefined;
  /** ISO 8601. */
  readonly createdAt: string;
}

const SYNC_HEAD = '{"face":"sync","operation":';
const PAYLOAD_MARK = ',"payload":';

/** Fields in a fixed order, absent ones left out. */
export function sealSync(form: SyncForm): string {
  const { key, operationId, type, entityType, entityId, payload, base, supersedes, lane, dependsOn, group, traceId, txnToken, createdAt } =
    form;
  const operation = JSON.stringify({
    key,
    operation_id: operationId,
    type,
    entity_type: entityType,
    entity_id: entityId,
    payload,
    base,
    supersedes: supersedes?.length === 0 ? undefined : supersedes,
    lane,
    depends_on: dependsOn?.length === 0 ? undefined : dependsOn,
    group,
    trace_id: traceId,
    txn_token: txnToken,
    created_at: createdAt,
  });
  return `${SYNC_HEAD}${operation}}`;
}

export interface RestHead {
  readonly method: Method;
  /** Begins with `/`; relative to the origin. */
  readonly path: string;
  readonly key: string;
  /** For `If-Match`. */
  readonly ifMatch?: string | undefined;
  readonly traceId: string;
  readonly txnToken?: string | undefined;
  /** ISO 8601. */
  readonly createdAt: string;
}

export function sealRest(head: RestHead, payload: Json): string {
  const { method, path, key, ifMatch, traceId, txnToken, createdAt } = head;
  const text = JSON.stringify({ face: "rest", method, path, key, ifMatch, traceId, txnToken, createdAt });
  return `${text.slice(0, -1)}${PAYLOAD_MARK}${JSON.stringify(payload)}}`;
}

export function faceOf(sealed: string): Face {
  return sealed.startsWith(SYNC_HEAD) ? "sync" : "rest";
}

/** The operation's JSON text, byte for byte as it was sealed. @throws RangeError on a REST form. */
export function operationText(sealed: string): string {
  if (!sealed.startsWith(SYNC_HEAD)) throw new RangeError("the sealed text is not of the sync face");
  return sealed.slice(SYNC_HEAD.length, -1);
}

export interface RestRequest extends RestHead {
  /** JSON text, byte for byte as it was sealed. */
  readonly payloadText: string;
}

/** @throws RangeError on a sync form, SyntaxError on a text that was not sealed here. */
export function restRequest(sealed: string): RestRequest {
  if (!sealed.startsWith('{"face":"rest"')) throw new RangeError("the sealed text is not of the REST face");
  // Inside a string of the head the quotes would be escaped: the first mark is the mark.
  const at = sealed.indexOf(PAYLOAD_MARK);
  const head = JSON.parse(`${sealed.slice(0, at)}}`) as RestHead;
  return { ...head, payloadText: sealed.slice(at + PAYLOAD_MARK.length, -1) };
}

/** One operation of a batch: its sealed text, and what stands beside it. */
export interface BatchItem {
  readonly sealed: string;
  /** Global ordering only. */
  readonly opNumber?: number | undefined;
  /** Only its cancel marker is wanted, and its number consumed. */
  readonly cancelled?: boolean;
}

export interface BatchHead {
  readonly meta: RequestMeta;
  readonly ordering: "global" | "entity";
  readonly fence: number;
  readonly lease: string;
}

/** Body of `POST /api/v1/sync/ops`: the stored texts joined, never serialised again. */
export function requestBody({ meta, ordering, fence, lease }: BatchHead, items: readonly BatchItem[]): string {
  let operations = "";
  for (const { sealed, opNumber, cancelled } of items) {
    const injected = `${opNumber === undefined ? "" : `"op_number":${opNumber},`}${cancelled === true ? '"cancelled":true,' : ""}`;
    operations += `${operations === "" ? "" : ","}{${injected}${operationText(sealed).slice(1)}`;
  }
  const head = JSON.stringify({ ordering, fence, lease });
  return `{"meta":${JSON.stringify(meta)},"payload":${head.slice(0, -1)},"operations":[${operations}]}}`;
}

/** Body of a REST write: in our envelope at level 4, the bare payload on backends that have none. DELETE has none there. */
export function restBody(request: RestRequest, meta: RequestMeta | undefined): string | undefined {
  if (meta !== undefined) return `{"meta":${JSON.stringify(meta)},"payload":${request.payloadText}}`;
  return request.method === "DELETE" ? undefined : request.payloadText;
}
