import { count, isoTime, listOf, name, objectOf, onlyTrue, ordinal, uuid, uuidV4 } from "./checks.ts";
import { inspectPayload } from "./inspect-json.ts";
import { isJsonObject } from "./json.ts";
import { MAX_BATCH_OPERATIONS } from "./limits.ts";
import type { Base, WireOperation } from "./messages.ts";
import { border, type Check, type Parsed, refuse } from "./parsed.ts";

const base: Check<Base> = /* @__PURE__ */ objectOf<Base>((members) => {
  const { version } = members.may("version", count);
  const { after } = members.may("after", uuidV4);
  if (version !== undefined && after === undefined) return members.done({ version });
  if (after !== undefined && version === undefined) return members.done({ after });
  members.refuse("", "must have either version or after");
  return members.done({ version: 0 });
});

const keys: Check<readonly string[]> = /* @__PURE__ */ listOf(uuidV4, MAX_BATCH_OPERATIONS);

const documentPayload: typeof inspectPayload = (value, path) =>
  isJsonObject(value) ? inspectPayload(value, path) : refuse(path ?? "", "must be an object");

const operation: Check<WireOperation> = /* @__PURE__ */ objectOf((members) => {
  const type = members.need("type", name);
  const payload = type === "CREATE" || type === "UPDATE" ? documentPayload : inspectPayload;
  return members.done({
    key: members.need("key", uuidV4),
    operation_id: members.need("operation_id", uuid),
    ...members.may("op_number", ordinal),
    ...members.may("cancelled", onlyTrue),
    type,
    entity_type: members.need("entity_type", name),
    entity_id: members.need("entity_id", name),
    // A DELETE says nothing beyond what it deletes.
    payload: type === "DELETE" && members.raw("payload") === undefined ? null : members.need("payload", payload),
    ...members.may("base", base),
    ...members.may("supersedes", keys),
    ...members.may("lane", name),
    ...members.may("depends_on", keys),
    ...members.may("group", name),
    trace_id: members.need("trace_id", uuid),
    ...members.may("txn_token", name),
    created_at: members.need("created_at", isoTime),
  });
});

/** Reads one operation of a batch: shape, identifiers, and a payload within its bounds. */
export function parseOperation(value: unknown, path = ""): Parsed<WireOperation> {
  return border(value, path, operation);
}
