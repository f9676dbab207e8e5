import { count, objectOf, oneOf, uuid } from "./checks.ts";
import { isUuidV4 } from "./ids.ts";
import { isJsonObject } from "./json.ts";
import { MAX_BATCH_OPERATIONS } from "./limits.ts";
import type { OpsRequest, Ordering, WireOperation } from "./messages.ts";
import { parseOperation } from "./parse-operation.ts";
import { accept, border, type Check, type Parsed, type Refused, refuse } from "./parsed.ts";

/** A refused operation with its key, where that at least could be read: its result carries it. */
export type ParsedOperation = { readonly ok: true; readonly value: WireOperation } | (Refused & { readonly key?: string });

/** A batch whose envelope is good. Each operation stands or falls alone. */
export interface ParsedOpsRequest extends Omit<OpsRequest, "operations"> {
  readonly operations: readonly ParsedOperation[];
}

const ordering: Check<Ordering> = /* @__PURE__ */ oneOf(["global", "entity"]);

const opsRequest: Check<ParsedOpsRequest> = /* @__PURE__ */ objectOf((members) => {
  const order = members.need("ordering", ordering);
  return members.done({
    ordering: order,
    fence: members.need("fence", count),
    lease: members.need("lease", uuid),
    operations: members.need("operations", (value, path) => operationsOf(value, path, order)),
  });
});

/**
 * Reads the payload of `POST /api/v1/sync/ops`. Refused as a whole: an envelope that is wrong, more than 500 operations,
 * one key twice (its two results could not be told apart). A malformed operation is refused alone, in its place.
 */
export function parseOpsRequest(value: unknown, path = ""): Parsed<ParsedOpsRequest> {
  return border(value, path, opsRequest);
}

function operationsOf(value: unknown, path: string, order: Ordering): Parsed<readonly ParsedOperation[]> {
  if (!Array.isArray(value)) return refuse(path, "must be a list");
  const length = value.length;
  if (length === 0) return refuse(path, "must not be empty");
  if (length > MAX_BATCH_OPERATIONS) return refuse(path, `must have at most ${MAX_BATCH_OPERATIONS} items`, "PAYLOAD_TOO_LARGE");
  const operations: ParsedOperation[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < length; i++) {
    const at = `${path}[${i}]`;
    const operation = readOne(value[i], at, order);
    const key = operation.ok ? operation.value.key : operation.key;
    if (key !== undefined && seen.has(key)) return refuse(`${at}.key`, "stands twice in the batch");
    if (key !== undefined) seen.add(key);
    operations.push(operation);
  }
  return accept(operations);
}

function readOne(value: unknown, path: string, order: Ordering): ParsedOperation {
  const parsed = parseOperation(value, path);
  if (!parsed.ok) return { ...parsed, ...keyOf(value) };
  if (order === "global" && parsed.value.op_number === undefined)
    return { ...refuse(`${path}.op_number`, "is missing: ordering is global"), key: parsed.value.key };
  return parsed;
}

function keyOf(value: unknown): { readonly key?: string } {
  const read = border(value, "", (input) => accept(isJsonObject(input) && Object.hasOwn(input, "key") ? input.key : undefined));
  return read.ok && isUuidV4(read.value) ? { key: read.value } : {};
}
