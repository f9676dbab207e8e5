import { count, isoTime, type Members, name, objectOf, uuid } from "./checks.ts";
import { isUuidV4 } from "./ids.ts";
import { isJsonObject } from "./json.ts";
import { MAX_BATCH_OPERATIONS } from "./limits.ts";
import type { RequestEnvelope, RequestMeta, ResponseEnvelope, ResponseMeta } from "./messages.ts";
import { wireError } from "./parse-error.ts";
import { border, type Check, type Parsed } from "./parsed.ts";

const requestMeta: Check<RequestMeta> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    trace_id: members.need("trace_id", uuid),
    timestamp: members.need("timestamp", isoTime),
    ...members.may("created_at", isoTime),
    ...members.may("txn_token", name),
    ...attemptsOf(members),
  }),
);

/** Only a hint for logs and metrics: what is malformed in it is left out, and the first 500 keys are enough. */
function attemptsOf(members: Members): { readonly attempts?: { readonly [key: string]: number } } {
  const value = members.raw("attempts");
  if (!isJsonObject(value)) return {};
  const attempts: { [key: string]: number } = {};
  for (const key of Object.keys(value).slice(0, MAX_BATCH_OPERATIONS)) {
    const tries = count(value[key], key);
    if (isUuidV4(key) && tries.ok) attempts[key] = tries.value;
  }
  return { attempts };
}

/**
 * Reads a request body `{meta, payload}`; `readPayload` is the parser of what it carries: `inspectPayload` for a
 * document, `parseOpsRequest`, `parseHandshakeRequest`.
 */
export function parseRequestEnvelope<P>(value: unknown, readPayload: Check<P>): Parsed<RequestEnvelope<P>> {
  return border(
    value,
    "",
    objectOf((members) => members.done({ meta: members.need("meta", requestMeta), payload: members.need("payload", readPayload) })),
  );
}

/** What the request carried and its answer must echo. */
export interface Echo {
  readonly trace_id: string;
  readonly txn_token?: string;
}

/**
 * Reads a response body: exactly one of `data` and `error`, where `null` beside the other counts as absent. With
 * `expected`, a `trace_id` or `txn_token` that is not the request's makes the answer malformed: it may be the answer to
 * something else.
 */
export function parseResponseEnvelope<D>(value: unknown, readData: Check<D>, expected?: Echo): Parsed<ResponseEnvelope<D>> {
  return border(
    value,
    "",
    objectOf((members) => {
      const meta = members.need("meta", responseMeta(expected));
      const data = members.raw("data");
      if ((members.raw("error") ?? null) !== null) {
        if ((data ?? null) !== null) members.refuse("", "must have either data or error, not both");
        return members.done<ResponseEnvelope<D>>({ meta, error: members.need("error", wireError) });
      }
      if (data === undefined) members.refuse("", "must have data or error");
      return members.done<ResponseEnvelope<D>>({ meta, data: members.need("data", readData) });
    }),
  );
}

function responseMeta(expected: Echo | undefined): Check<ResponseMeta> {
  return objectOf((members) => {
    // Foreign backends may name their traces as they like; ours only ever echo what we sent.
    const trace_id = members.need("trace_id", name);
    const token = members.may("txn_token", name);
    if (expected !== undefined && trace_id !== expected.trace_id) members.refuse("trace_id", "is not the request's");
    if (expected !== undefined && token.txn_token !== expected.txn_token) members.refuse("txn_token", "is not the request's");
    return members.done({ trace_id, timestamp: members.need("timestamp", isoTime), ...token });
  });
}
