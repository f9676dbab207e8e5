import {
  type Base,
  type EpochMs,
  type IdempotencyKey,
  isJsonObject,
  isUuid,
  isUuidV4,
  type Json,
  type OperationId,
  type TraceId,
} from "@guardian-sync/protocol";
import { Fields } from "./fields.ts";
import { unreadable } from "./unreadable.ts";

/** What a caller enqueued. Written once, never changed. */
export interface OperationContent {
  readonly id: OperationId;
  readonly type: string;
  readonly version: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly payload: Json;
  readonly before?: Json;
  readonly base?: Base;
  readonly key: IdempotencyKey;
  readonly traceId: TraceId;
  readonly txnToken: string;
  readonly createdAt: EpochMs;
  readonly lane?: string;
  readonly groupId?: string;
  /** Where it stands among the members of its group, which follow each other in the queue. */
  readonly groupPlace?: { readonly index: number; readonly size: number };
  readonly dependsOn?: readonly string[];
  readonly priority?: number;
  readonly expiresAt?: EpochMs;
  readonly coalesce?: false;
}

/**
 * One line of compact JSON: JSON text has no raw line break. Names are short because each operation repeats them.
 * `payloadText` is the JSON of the payload, for a caller who has it already.
 */
export function encodeContent(content: OperationContent, payloadText: string = JSON.stringify(content.payload)): string {
  // Put together by hand: one JSON.stringify of the whole costs more than all its parts, and this is the hot path of enqueue.
  const { id, type, version, entityType, entityId, key, traceId, createdAt } = content;
  const head = `{"i":"${id}","t":${quoted(type)},"v":${version},"e":${quoted(entityType)},"n":${quoted(entityId)},"k":"${key}","r":"${traceId}","c":${createdAt}`;
  return `${head}${rareParts(content)},"p":${payloadText}}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function rareParts(content: OperationContent): string {
  const { id, txnToken, before, base, lane, groupId, groupPlace, dependsOn, priority, expiresAt, coalesce } = content;
  let parts = "";
  if (!isTokenOf(id, txnToken)) parts += `,"x":${quoted(txnToken)}`;
  if (lane !== undefined) parts += `,"l":${quoted(lane)}`;
  if (groupId !== undefined) parts += `,"g":${quoted(groupId)}`;
  if (groupPlace !== undefined) parts += `,"h":[${groupPlace.index},${groupPlace.size}]`;
  if (dependsOn !== undefined) parts += `,"d":${JSON.stringify(dependsOn)}`;
  if (priority !== undefined) parts += `,"o":${priority}`;
  if (expiresAt !== undefined) parts += `,"u":${expiresAt}`;
  if (coalesce === false) parts += ',"f":0';
  if (base !== undefined) parts += "version" in base ? `,"a":{"v":${base.version}}` : `,"a":{"k":${quoted(base.after)}}`;
  if (before !== undefined) parts += `,"b":${JSON.stringify(before)}`;
  return parts;
}

const WHAT = "The content of an operation";

/** @throws SyncError `UNREADABLE` when the line is not what `encodeContent` writes. Unknown names are ignored. */
export function parseContent(line: string): OperationContent {
  const fields = new Fields(parseLine(line), WHAT);
  const id = fields.get("i");
  const key = fields.get("k");
  const payload = fields.get("p");
  if (!isUuid(id)) return fields.fail("i");
  if (!isUuidV4(key)) return fields.fail("k");
  if (payload === undefined) return fields.fail("p");
  const before = fields.get("b");
  return {
    id: id as OperationId,
    type: fields.text("t"),
    version: fields.number("v"),
    entityType: fields.text("e"),
    entityId: fields.text("n"),
    payload,
    ...(before === undefined ? {} : { before }),
    ...parseBase(fields),
    key: key as IdempotencyKey,
    traceId: fields.text("r") as TraceId,
    txnToken: fields.get("x") === undefined ? tokenOf(id) : fields.text("x"),
    createdAt: fields.number("c") as EpochMs,
    ...parseOrder(fields),
  };
}

function parseBase(fields: Fields): { readonly base?: Base } {
  const base = fields.get("a");
  if (base === undefined) return {};
  if (!isJsonObject(base)) return fields.fail("a");
  const { v: version, k: after } = base;
  if (typeof version === "number") return { base: { version } };
  if (typeof after === "string") return { base: { after } };
  return fields.fail("a");
}

type OrderParts = Pick<OperationContent, "lane" | "groupId" | "groupPlace" | "dependsOn" | "priority" | "expiresAt" | "coalesce">;

function parseOrder(fields: Fields): OrderParts {
  fields.optionalTexts("d");
  const dependsOn = fields.get("d") as readonly string[] | undefined;
  return {
    ...(fields.get("l") === undefined ? {} : { lane: fields.text("l") }),
    ...(fields.get("g") === undefined ? {} : { groupId: fields.text("g") }),
    ...parsePlace(fields),
    ...(dependsOn === undefined ? {} : { dependsOn }),
    ...(fields.get("o") === undefined ? {} : { priority: fields.number("o") }),
    ...(fields.get("u") === undefined ? {} : { expiresAt: fields.number("u") as EpochMs }),
    ...(fields.get("f") === 0 ? { coalesce: false } : {}),
  };
}

function parsePlace(fields: Fields): Pick<OperationContent, "groupPlace"> {
  const place = fields.get("h");
  if (place === undefined) return {};
  const [index, size] = Array.isArray(place) ? place : [];
  return Number.isSafeInteger(index) && Number.isSafeInteger(size)
    ? { groupPlace: { index: index as number, size: size as number } }
    : fields.fail("h");
}

function parseLine(line: string): Json {
  try {
    return JSON.parse(line) as Json;
  } catch {
    throw unreadable(WHAT);
  }
}

/** What nearly every operation's token is, so it is not stored. */
function tokenOf(id: string): string {
  return `txn-${id}`;
}

/** Without making the other one: this is the hot path. */
function isTokenOf(id: string, token: string): boolean {
  return token.length === id.length + 4 && token.startsWith("txn-") && token.endsWith(id);
}
