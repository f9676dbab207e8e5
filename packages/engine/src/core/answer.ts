import {
  type AnswerFacts,
  type Base,
  type CapabilityLevel,
  type CurrentState,
  type Echo,
  isJsonObject,
  LEDGER_OUTCOMES,
  type Json,
  type JsonObject,
  type NextStep,
  type OperationResult,
  type OpsResponse,
  type OutcomeRow,
  parseEtag,
  parseOperationResult,
  parseOpsResponse,
  parseRetryAfter,
} from "@guardian-sync/protocol";
import type { Exchange } from "../ports/index.ts";
import type { FieldConflict } from "./merge.ts";
import { type Finding, findingOf } from "./finding.ts";
import type { Redact } from "./last-error.ts";
import type { VerdictEvent } from "./lifecycle.ts";
import { type Answer, anyDocument, type ForeignShape, type ReadAnswer, readEnvelope, readForeign } from "./read-answer.ts";

export interface SentOperation {
  readonly key: string;
  /** `CREATE`, `UPDATE`, `DELETE` or a declared name, which on 404 and 410 counts as an update. */
  readonly type: string;
  /** Members of a group share their request, and its fate. */
  readonly groupId?: string | undefined;
  /** The route's own rows, before the table. */
  readonly overrides?: readonly OutcomeRow[];
}

/** What is known of the request that an exchange answers. */
export type SentRequest =
  | { readonly face: "sync"; readonly operations: readonly SentOperation[]; readonly echo: Echo }
  | {
      readonly face: "rest";
      readonly operation: SentOperation;
      readonly echo: Echo;
      /** At level 4 answers come in our envelope; below, as the route likes. */
      readonly level: CapabilityLevel;
      readonly shape?: ForeignShape;
    };

/** The meaning for one operation. `event` goes into the life cycle, unless the reconciler takes a `conflict` first. */
export interface OperationVerdict extends Finding {
  readonly key: string;
  readonly event: VerdictEvent;
  /** The answer is the ledger's own: a result with the operation's key. Nothing has to be asked before it fails. */
  readonly fromLedger: boolean;
  /** The ledger keeps it, so under global ordering it has consumed its number. */
  readonly consumesNumber: boolean;
  readonly replayed: boolean;
  readonly appliedKey?: string;
  readonly version?: number;
  /** As the backend wrote it, for `If-Match` where ETags are not versions. */
  readonly etag?: string;
  readonly commitSeq?: number;
  /** What the backend calls the document that a CREATE made. */
  readonly serverId?: string;
  /** The document after the write. */
  readonly data?: Json;
  /** What stands on the server instead, for the reconciler. */
  readonly current?: CurrentState;
  /** With `unseal`: what the operation has become. */
  readonly edit?: {
    readonly type?: "UPDATE" | "DELETE";
    readonly payload: Json;
    readonly before?: JsonObject;
    readonly base?: Base;
    readonly delayMs: number;
  };
  /** With `conflict`: the fields that only a person can decide. */
  readonly conflicts?: readonly FieldConflict[];
}

/** Nothing definite about any single operation: all of them stay as they are. */
export interface RequestFault extends Finding {
  readonly kind: "request";
  /** More than one operation was in the request, and fewer may fare better. Charged to nobody. */
  readonly halve: boolean;
  /** Alone in its request, and the origin was silent: if a safe GET succeeds, it is charged like a 5xx. */
  readonly chargeIfReachable: boolean;
  /** 202: where to ask. */
  readonly location?: string;
}

export type Judgement =
  | {
      readonly kind: "operations";
      /** In the order sent. */
      readonly results: readonly OperationVerdict[];
      readonly generation?: string;
      readonly headSeq?: number;
    }
  | RequestFault;

/** What one exchange means for each operation in the request. Total: every exchange means something. */
export function judgeExchange(exchange: Exchange, sent: SentRequest, redact: Redact): Judgement {
  if (exchange.kind === "answer") return sent.face === "sync" ? judgeSync(exchange, sent, redact) : judgeRest(exchange, sent, redact);
  const { failure, detail } = exchange;
  const isBatch = sent.face === "sync" && !isOneUnit(sent.operations);
  const isSilence = failure === "timeout" || failure === "reset";
  return {
    kind: "request",
    ...findingOf({ kind: "network", failure }, { note: detail, redact }),
    halve: isBatch && isSilence,
    chargeIfReachable: !isBatch && isSilence,
  };
}

function judgeSync(answer: Answer, { operations, echo }: SentRequest & { face: "sync" }, redact: Redact): Judgement {
  const keys = operations.map((operation) => operation.key);
  const read = readEnvelope(answer, (value, path) => parseOpsResponse(value, keys, path), echo);
  const found = findingOf(factsOf(answer, read, true), { error: read.error, note: noteOf(answer), redact });
  if (found.step === "succeed" && read.data !== undefined) return judgeResults(read.data, operations, redact);
  const isBatch = !isOneUnit(operations);
  const finding = aboutRequest(found, isBatch);
  const results = isBatch ? [] : operations.map((operation) => verdictOf(operation, finding));
  return results.length === 0 || results.some(({ event }) => event === "retry_later")
    ? faultOf(finding, answer, isBatch)
    : { kind: "operations", results };
}

/** It cannot be made smaller: one operation, or one group. */
export function isOneUnit(operations: readonly { readonly groupId?: string | undefined }[]): boolean {
  const [first] = operations;
  return operations.length === 1 || (first?.groupId !== undefined && operations.every(({ groupId }) => groupId === first.groupId));
}

/** What only a result can say; of a whole request it answers something else. */
const OF_ONE_ONLY: readonly NextStep[] = ["succeed", "reconcile", "unseal", "cancel"];

/** The table speaks of one operation; here its words were said to a whole request of the sync face. */
function aboutRequest(finding: Finding, isBatch: boolean): Finding {
  const { step, status } = finding;
  if (step === "gone" || (step === "fail" && status === 405)) return backendChanged(finding);
  if (step === "fail" || step === "mismatch") return isBatch ? { ...finding, step: "split" } : finding;
  return OF_ONE_ONLY.includes(step) ? { ...finding, ...MALFORMED } : finding;
}

const MALFORMED: Partial<Finding> = {
  step: "retry",
  code: "MALFORMED_RESPONSE",
  errorClass: "MalformedResponse",
  mayHaveHappened: true,
  burnsAttempt: true,
};

/** The face itself is not there: the backend was rolled back, or another one answers. Shaking hands again tells. */
function backendChanged(finding: Finding): Finding {
  return { ...finding, step: "pause", code: "BACKEND_CHANGED" };
}

function judgeResults(response: OpsResponse, operations: readonly SentOperation[], redact: Redact): Judgement {
  const results = response.results.map((result, i) => judgeResult(result, operations[i] as SentOperation, redact));
  return { kind: "operations", results, generation: response.generation, headSeq: response.head_seq };
}

/** One result of a batch; also the stored result that the ledger tells when it is asked about a key. */
export function judgeResult(result: OperationResult, operation: SentOperation, redact: Redact): OperationVerdict {
  const { outcome, status, error, applied_key, version, commit_seq, data, current, replayed } = result;
  const facts: AnswerFacts = { kind: "result", outcome, status, ...(error === undefined ? {} : { code: error.code }) };
  const detail = { error, note: `the server answered ${outcome}`, overrides: operation.overrides, redact };
  const verdict = verdictOf(operation, findingOf(facts, detail));
  return {
    ...verdict,
    event: verdict.event === "applied" && (outcome === "noop" || outcome === "applied_before") ? outcome : verdict.event,
    fromLedger: true,
    // `applied_before` tells of an earlier key, which consumed the number when it was applied.
    consumesNumber: outcome === "applied_before" || (LEDGER_OUTCOMES as readonly string[]).includes(outcome),
    replayed: replayed === true,
    ...(applied_key === undefined ? {} : { appliedKey: applied_key }),
    ...(version === undefined ? {} : { version }),
    ...(commit_seq === undefined ? {} : { commitSeq: commit_seq }),
    ...(data === undefined ? {} : { data }),
    ...(current === undefined ? {} : { current }),
  };
}

function judgeRest(answer: Answer, { operation, echo, level, shape = {} }: SentRequest & { face: "rest" }, redact: Redact): Judgement {
  const read = level === 4 ? readEnvelope(answer, anyDocument, echo) : readForeign(answer, operation.type, shape);
  const detail = { error: read.error, note: noteOf(answer), overrides: operation.overrides, redact };
  const finding = findingOf(factsOf(answer, read, false), detail);
  const verdict = verdictOf(operation, finding);
  if (verdict.event === "retry_later") return faultOf(finding, answer, false);
  const etag = answer.headers.etag;
  const version = parseEtag(etag) ?? versionIn(read.data);
  const current = currentOf(operation.key, finding);
  return {
    kind: "operations",
    results: [
      {
        ...verdict,
        replayed: answer.headers["idempotent-replayed"] === "true",
        ...(version === undefined ? {} : { version }),
        ...(etag === undefined ? {} : { etag }),
        ...(read.data === undefined ? {} : { data: read.data }),
        ...(current === undefined ? {} : { current }),
      },
    ],
  };
}

/** What a finding moves one operation to. */
function verdictOf({ key, type }: SentOperation, finding: Finding): OperationVerdict {
  const { event, ...change } = moveOf(type, finding);
  return { ...finding, ...change, key, event, fromLedger: false, consumesNumber: false, replayed: false };
}

type Move = Partial<Finding> & { readonly event: VerdictEvent };

function moveOf(type: string, { step }: Finding): Move {
  if (step === "split") return { event: "reject", step: "fail" };
  if (step === "gone" && type === "DELETE") return { event: "noop", step: "succeed", code: null, errorClass: "none" };
  if (step === "gone" && type === "CREATE") return { event: "reject", step: "fail" };
  return { event: EVENT_OF[step] };
}

const EVENT_OF: Readonly<Record<NextStep, VerdictEvent>> = {
  succeed: "applied",
  cancel: "cancelled",
  unseal: "unseal",
  reconcile: "conflict",
  gone: "conflict",
  fail: "reject",
  mismatch: "reject",
  split: "reject",
  confirm: "retry_later",
  ignore: "retry_later",
  follow: "retry_later",
  retry: "retry_later",
  wait: "retry_later",
  authenticate: "retry_later",
  pause: "retry_later",
  concurrent: "retry_later",
  rewind: "retry_later",
  lock_lost: "retry_later",
  correct_clock: "retry_later",
  rate_limit: "retry_later",
  tls: "retry_later",
};

function faultOf(finding: Finding, answer: Answer, isBatch: boolean): RequestFault {
  const location = answer.headers.location;
  return {
    kind: "request",
    ...finding,
    burnsAttempt: finding.burnsAttempt && !isBatch,
    halve: isBatch && (finding.burnsAttempt || finding.step === "split"),
    chargeIfReachable: false,
    ...(finding.step === "confirm" && location !== undefined ? { location } : {}),
  };
}

function factsOf(answer: Answer, read: ReadAnswer<unknown>, needsData: boolean): AnswerFacts {
  const retryAfterMs = parseRetryAfter(answer.headers["retry-after"], answer.headers.date);
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

function versionIn(data: Json | undefined): number | undefined {
  const version = data !== undefined && isJsonObject(data) ? data.version : undefined;
  return Number.isSafeInteger(version) && (version as number) >= 0 ? (version as number) : undefined;
}

/** 409 and 412 of the REST face carry the current version and document in their details. */
function currentOf(key: string, { details }: Finding): CurrentState | undefined {
  const parsed = parseOperationResult({ key, status: 409, outcome: "conflict", current: details?.current });
  return parsed.ok ? parsed.value.current : undefined;
}
