import { anyText, objectOf } from "./checks.ts";
import { inspectJson } from "./inspect-json.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { lookUpOutcome } from "./look-up-outcome.ts";
import type { WireError } from "./messages.ts";
import { border, type Check, type Parsed } from "./parsed.ts";

const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const MAX_MESSAGE_CHARS = 4096;
const DETAILS_LIMITS = { maxDepth: 16, maxBytes: 65_536 };

/** Reads `error` of our envelope. Bad details are dropped rather than the verdict with them. */
export const wireError: Check<WireError> = /* @__PURE__ */ objectOf((members) => {
  const code = members.need("code", anyText);
  if (!CODE.test(code)) members.refuse("code", "must be written like VALIDATION_ERROR");
  const { message = "" } = members.may("message", anyText);
  return members.done({ code, message: message.slice(0, MAX_MESSAGE_CHARS), ...detailsOf(members.raw("details")) });
});

function detailsOf(value: unknown): { readonly details?: JsonObject } {
  const inspected = inspectJson(value, DETAILS_LIMITS);
  return inspected.ok && isJsonObject(inspected.value) ? { details: inspected.value } : {};
}

/** An RFC 9457 problem document with our extension members. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly details?: JsonObject;
  readonly trace_id?: string;
}

/** How a server writes an error when `Accept` prefers `application/problem+json`. */
export function problemOf(error: WireError, status: number, traceId?: string): ProblemDocument {
  return {
    type: "about:blank",
    title: error.code,
    status,
    detail: error.message,
    code: error.code,
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(traceId === undefined ? {} : { trace_id: traceId }),
  };
}

/**
 * Reads `application/problem+json` (RFC 9457) of any server. Without a `code` member, the one that the outcome table has
 * for the answer's status: the document's own `status` is advisory and may be wrong.
 */
export function parseProblem(value: unknown, status: number): Parsed<WireError> {
  return border(
    value,
    "",
    objectOf((members) => {
      const { code } = members.may("code", anyText);
      const { detail } = members.may("detail", anyText);
      const { title = "" } = members.may("title", anyText);
      const known = code !== undefined && CODE.test(code) ? code : lookUpOutcome({ kind: "http", status, body: "problem" }).code;
      return members.done({
        code: known ?? "MALFORMED_RESPONSE",
        message: (detail ?? title).slice(0, MAX_MESSAGE_CHARS),
        ...detailsOf(members.raw("details")),
      });
    }),
  );
}
