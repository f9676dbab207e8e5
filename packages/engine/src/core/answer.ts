import {
  type AnswerFacts,
  type CapabilityLevel,
  type CurrentState,
  type Echo,
  isJsonObject,
  type Json,
  type OperationResult,
  type OpsResponse,
  type OutcomeRow,
  parseEtag,
  parseOperationResult,
  parseOpsResponse,
  parseRetryAfter,
} from "@guardian-sync/protocol";
import type { Exchange } from "../ports/index.ts";
import { type Finding, findingOf } from "./finding.ts";
import type { Redact } from "./last-error.ts";
import type { VerdictEvent } from "./lifecycle.ts";
import { type Answer, anyDocument, type ForeignShape, type ReadAnswer, readEnvelope, readForeign } from "./read-answer.ts";

export interface ExpectedOperation {
  readonly key: string;
  /** `CREATE`, `UPDATE`, `DELETE` or a declared name, which on 404 and 410 counts as an update. */
  readonly type: string;
  /** The route's own rows, before the table. */
  readonly overrides?: readonly OutcomeRow[];
}

/** What is known of the request that an exchange answers. */
export type ExpectedAnswer =
  | { readonly face: "sync"; readonly operations: readonly ExpectedOperation[]; readonly echo: Echo }
  | {
      readonly face: "rest";
      readonly operation: ExpectedOperation;
      readonly echo: Echo;
      /** At level 4 answers come in our envelope; below, as the route likes. */
      readonly level: CapabilityLevel;
      readonly shape?: ForeignShape;
    };

/** The meaning of one result of a batch. */
export interface ResultFinding extends Finding {
  /** For the life cycle, unless the reconciler takes a `conflict` first. */
  readonly event: VerdictEvent;
  readonly result: OperationResult;
}

/** One meaning for the whole request: every REST answer, and whatever held no results. */
export interface WholeFinding extends Finding {
  readonly kind: "whole";
  /** For the operation that was alone in the request. Absent for a batch: nothing is known of any single one. */
  readonly event?: VerdictEvent;
  /** The origin said nothing: if a safe GET succeeds now, an operation that was alone is charged as by a 5xx. */
  readonly silent: boolean;
  /** 202: where to ask. */
  readonly location?: string;
  readonly replayed: boolean;
  /** The document after the write, and its version. */
  readonly data?: Json;
  readonly version?: number;
  /** As the backend wrote it, for `If-Match` where ETags are not versions. */
  readonly etag?: string;
  /** 409 and 412: what stands on the server instead. */
  readonly current?: CurrentState;
}

export type Judgement =
  | {
      readonly kind: "results";
      /** By key, in the order sent; one for each operation. */
      readonly results: ReadonlyMap<string, ResultFinding>;
      readonly generation: string;
      readonly headSeq: number;
    }
  | WholeFinding;

/** What one exchange means for each operation in the request. Total: every exchange means something. */
export function judgeExchange(exchange: Exchange, expected: ExpectedAnswer, redact: Redact): Judgement {
  if (exchange.kind === "answer")
    return expected.face === "sync" ? judgeSync(exchange, expected, redact) : judgeRest(exchange, expected, redact);
  const { failure, detail } = exchange;
  const alone = expected.face === "rest" || expected.operations.length === 1;
  return {
    kind: "whole",
    ...findingOf({ kind: "network", failure }, { note: detail, redact }),
    ...(alone ? { event: "retry_later" } : {}),
    silent: failure === "timeout" || failure === "reset",
    replayed: false,
  };
}

function judgeSync(answer: Answer, expected: ExpectedAnswer & { face: "sync" }, redact: Redact): Judgement {
  const { operations, echo } = expected;
  const keys = operations.map((operation) => operation.key);
  const read = readEnvelope(answer, (value, path) => parseOpsResponse(value, keys, path), echo);
  const found = findingOf(factsOf(answer, read, true), { error: read.error, note: noteOf(answer), redact });
  if (found.row.next === "succeed" && read.data !== undefined) return judgeResults(read.data, operations, redact);
  const [only] = operations.length === 1 ? operations : [];
  const finding = aboutBatch(found, only === undefined);
  const event = only === undefined ? undefined : (eventOf(finding.row, only.type) ?? "retry_later");
  return {
    kind: "whole",
    ...finding,
    ...(event === undefined ? {} : { event }),
    ...locationOf(answer, finding),
    silent: false,
    replayed: false,
  };
}

/** The table speaks of one operation; here its words were said to a whole request of the sync face. */
function aboutBatch(finding: Finding, isBatch: boolean): Finding {
  switch (finding.row.next) {
    case "gone":
      return backendChanged(finding);
    case "fail":
      if (finding.status === 405) return backendChanged(finding);
      return isBatch ? withRow(finding, { next: "split" }) : finding;
    case "mismatch":
      return isBatch ? withRow(finding, { next: "split" }) : finding;
    case "succeed":
    case "reconcile":
    case "unseal":
    case "cancel":
      // Only results can say this: it answers something else.
      return {
        ...withRow(finding, { next: "retry", errorClass: "MalformedResponse", mayHaveHappened: true, burnsAttempt: true }),
        code: "MALFORMED_RESPONSE",
      };
    default:
      return finding;
  }
}

/** The face itself is not there: the backend was rolled back, or another one answers. Shaking hands again tells. */
function backendChanged(finding: Finding): Finding {
  return { ...withRow(finding, { next: "pause" }), code: "BACKEND_CHANGED" };
}

function withRow(finding: Finding, change: Partial<OutcomeRow>): Finding {
  return { ...finding, row: { ...finding.row, ...change } };
}

function judgeResults(response: OpsResponse, operations: readonly ExpectedOperation[], redact: Redact): Judgement {
  const results = new Map<string, ResultFinding>();
  for (const [i, result] of response.results.entries()) {
    const operation = operations[i] as ExpectedOperation;
    results.set(operation.key, judgeResult(result, operation, redact));
  }
  return { kind: "results", results, generation: response.generation, headSeq: response.head_seq };
}

/** One result of a batch; also the stored result that the ledger tells when it is asked about a key. */
export function judgeResult(result: OperationResult, { type, overrides }: ExpectedOperation, redact: Redact): ResultFinding {
  const { outcome, status, error } = result;
  const facts: AnswerFacts = { kind: "result", outcome, status, ...(error === undefined ? {} : { code: error.code }) };
  const finding = findingOf(facts, { error, note: `the server answered ${outcome}`, overrides, redact });
  const event = eventOf(finding.row, type) ?? "retry_later";
  return { ...finding, event: event === "applied" && (outcome === "noop" || outcome === "applied_before") ? outcome : event, result };
}

function judgeRest(answer: Answer, expected: ExpectedAnswer & { face: "rest" }, redact: Redact): Judgement {
  const { operation, echo, level } = expected;
  const read = level === 4 ? readEnvelope(answer, anyDocument, echo) : readForeign(answer, operation.type, expected.shape ?? {});
  const detail = { error: read.error, note: noteOf(answer), overrides: operation.overrides, redact };
  const finding = findingOf(factsOf(answer, read, false), detail);
  const etag = answer.headers["etag"];
  const version = parseEtag(etag) ?? versionIn(read.data);
  const current = currentOf(operation.key, finding);
  return {
    kind: "whole",
    ...finding,
    event: eventOf(finding.row, operation.type) ?? "retry_later",
    ...locationOf(answer, finding),
    silent: false,
    replayed: answer.headers["idempotent-replayed"] === "true",
    ...(read.data === undefined ? {} : { data: read.data }),
    ...(version === undefined ? {} : { version }),
    ...(etag === undefined ? {} : { etag }),
    ...(current === undefined ? {} : { current }),
  };
}

/** Where a row of the outcome table moves an operation; `undefined`: nothing definite, it stays sealed. */
export function eventOf({ next }: Pick<OutcomeRow, "next">, type: string): VerdictEvent | undefined {
  switch (next) {
    case "succeed":
      return "applied";
    case "cancel":
      return "cancelled";
    case "unseal":
      return "unseal";
    case "reconcile":
      return "conflict";
    case "fail":
    case "mismatch":
    case "split":
      return "reject";
    case "gone":
      if (type === "DELETE") return "noop";
      return type === "CREATE" ? "reject" : "conflict";
    default:
      return undefined;
  }
}

function factsOf(answer: Answer, read: ReadAnswer<unknown>, needsData: boolean): AnswerFacts {
  const retryAfterMs = parseRetryAfter(answer.headers["retry-after"], answer.headers["date"]);
  return {
    kind: "http",
    status: answer.status,
    body: needsData && read.body === "empty" && answer.status < 300 ? "other" : read.body,
    ...(read.error === undefined ? {} : { code: read.error.code }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(answer.crossOrigin === true ? { crossOriginRedirect: true } : {}),
  };
}

function noteOf({ status }: Answer): string {
  return status < 300 ? "the answer is not what this request asked for" : "the server gave no reason";
}

function locationOf(answer: Answer, { row }: Finding): { readonly location?: string } {
  const location = answer.headers["location"];
  return row.next === "confirm" && location !== undefined ? { location } : {};
}

function versionIn(data: Json | undefined): number | undefined {
  const version = data !== undefined && isJsonObject(data) ? data["version"] : undefined;
  return Number.isSafeInteger(version) && (version as number) >= 0 ? (version as number) : undefined;
}

function currentOf(key: string, { details }: Finding): CurrentState | undefined {
  const parsed = parseOperationResult({ key, status: 409, outcome: "conflict", current: details?.["current"] });
  return parsed.ok ? parsed.value.current : undefined;
}
