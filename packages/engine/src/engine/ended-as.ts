import type { SyncErrorCode } from "@guardian-sync/protocol";
import type { OperationVerdict } from "../core/answer.ts";
import { currentKey, type SendableRecord } from "../queue/records.ts";

/** The verdict about an operation that ended otherwise than an answer to it said: found out by a question, or decided by a rule. */
export function endedAs(
  record: SendableRecord,
  event: OperationVerdict["event"],
  code: SyncErrorCode | null,
  refusal: OperationVerdict | undefined,
): OperationVerdict {
  const base: OperationVerdict = refusal ?? {
    key: currentKey(record.operation),
    event,
    step: event === "reject" || event === "park" ? "fail" : "succeed",
    code,
    errorClass: "none",
    mayHaveHappened: false,
    burnsAttempt: false,
    countsForBreaker: false,
    message: MESSAGES[code ?? ""] ?? "",
    fromLedger: false,
    consumesNumber: false,
    replayed: false,
  };
  if (event === "reject" || event === "conflict" || event === "park") return { ...base, event, code: code ?? base.code };
  // Found applied, or stopped, after all: the refusal that led here says nothing about it.
  const { status: _status, ...ended } = base;
  const isStopped = event === "cancelled";
  return { ...ended, event, step: isStopped ? "cancel" : "succeed", code: isStopped ? "CANCELLED" : null, errorClass: "none", message: "" };
}

const MESSAGES: Readonly<Record<string, string>> = {
  RETRIES_EXHAUSTED: "every try failed, and the server has confirmed that it was not applied",
  OUTCOME_UNKNOWN: "nobody can say any more whether it was applied; look at the document, then retry or discard it",
};
