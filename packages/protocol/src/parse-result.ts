import { count, flag, httpStatus, objectOf, oneOf, onlyTrue, orNull, uuid, uuidV4 } from "./checks.ts";
import { inspectDocument } from "./inspect-json.ts";
import { type CurrentState, type OperationResult, RESULT_OUTCOMES, type ResultOutcome } from "./messages.ts";
import { wireError } from "./parse-error.ts";
import { border, type Check, type Parsed } from "./parsed.ts";

const outcomeName: Check<ResultOutcome> = /* @__PURE__ */ oneOf(RESULT_OUTCOMES);

const currentState: Check<CurrentState> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    version: members.need("version", count),
    data: members.need("data", orNull(inspectDocument)),
    deleted: members.need("deleted", flag),
    ...members.may("last_operation_id", uuid),
  }),
);

const operationResult: Check<OperationResult> = /* @__PURE__ */ objectOf((members) => {
  const outcome = members.need("outcome", outcomeName);
  const applied = members.may("applied_key", uuidV4);
  if (outcome === "applied_before" && applied.applied_key === undefined)
    members.refuse("applied_key", "is missing: which key was applied?");
  return members.done({
    key: members.need("key", uuidV4),
    status: members.need("status", httpStatus),
    outcome,
    ...applied,
    ...members.may("version", count),
    ...members.may("commit_seq", count),
    ...members.may("data", inspectDocument),
    ...members.may("error", wireError),
    ...members.may("current", currentState),
    // A serialiser that writes `false` means nothing by it.
    ...(members.raw("replayed") === false ? {} : members.may("replayed", onlyTrue)),
  });
});

/** Reads what became of one operation. */
export function parseOperationResult(value: unknown, path = ""): Parsed<OperationResult> {
  return border(value, path, operationResult);
}
