/** The result of an operation as the REST face says it. */
import { formatEtag, HEADERS, type JsonObject, type OperationResult, type WireCode } from "@guardian-sync/protocol";
import { RequestRefused } from "../core/refusal.ts";
import type { Reply } from "./route.ts";

/** @throws RequestRefused for every outcome that is no success */
export function replyOf(result: OperationResult, facts: { readonly entityId: string; readonly location: string | null }): Reply {
  const replayed = result.replayed === true ? { [HEADERS.idempotentReplayed]: "true" } : {};
  const { outcome, status, version } = result;
  if (outcome !== "applied" && outcome !== "noop" && outcome !== "applied_before") throw new RestRefused(result, replayed);
  const etag = version === undefined ? {} : { [HEADERS.etag]: formatEtag(version) };
  const location = status === 201 && facts.location !== null ? { [HEADERS.location]: facts.location } : {};
  const headers = { ...replayed, ...etag, ...location };
  if (status === 204) return { status, headers: replayed };
  return { status, data: result.data ?? remembered(result, facts.entityId), headers };
}

/** After the replay window the document is gone; what the ledger knows of it is not. */
function remembered({ version, commit_seq }: OperationResult, id: string): JsonObject {
  return { id, ...(version === undefined ? {} : { version }), ...(commit_seq === undefined ? {} : { commit_seq }) };
}

/** A refusal of the REST face: with `current` among the details, and headers of its own. */
export class RestRefused extends RequestRefused {
  readonly headers: { readonly [name: string]: string };
  constructor(result: OperationResult, headers: { readonly [name: string]: string }) {
    const { status, error, current } = result;
    const details = { ...error?.details, ...(current === undefined ? {} : { current: { ...current } }) };
    super({
      status,
      code: (error?.code ?? "INTERNAL_ERROR") as WireCode,
      message: error?.message ?? "",
      ...(Object.keys(details).length === 0 ? {} : { details }),
    });
    this.headers = headers;
  }
}
