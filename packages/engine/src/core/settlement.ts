import type { EpochMs, Ordering } from "@guardian-sync/protocol";
import { isOneUnit, type Judgement, type OperationVerdict, type RequestFault } from "./answer.ts";
import { type BackoffPolicy, retryDelayMs } from "./backoff.ts";
import type { Finding } from "./finding.ts";

/** What is known of one operation of a request when its answer is settled. */
export interface InFlight {
  readonly key: string;
  readonly groupId?: string | undefined;
  readonly attempts: number;
  readonly policy: BackoffPolicy;
  /** A request with this key went out before: a refusal may come from a world in which it had already been applied. */
  readonly sentBefore: boolean;
  /** Its one correction of the clock is spent. */
  readonly skewCorrected: boolean;
  /** Under entity ordering: the names of its lanes. */
  readonly lanes?: readonly string[];
  /** Those of what it depends on. */
  readonly ahead?: readonly string[];
}

/** What went wrong in a row before this answer. */
export interface Strain {
  /** Whole requests that failed: the exponent of the lane's backoff. */
  readonly failures: number;
  readonly tlsFailures: number;
  /** Answers that refused the token. */
  readonly refusals: number;
  /** How a request waits that carries no operation: a handshake, a question. Default: the standard one. */
  readonly policy?: BackoffPolicy;
}

export interface SettlementInput extends Strain {
  /** In the order sent. */
  readonly operations: readonly InFlight[];
  readonly judgement: Judgement;
  /** Of the request; default `global`. `entity`: what happens to one operation is nothing to the lanes of others. */
  readonly ordering?: Ordering;
  readonly now: EpochMs;
  /** Uniform in [0, 1). */
  readonly draws: { readonly jitter: number; readonly spread: number };
}

export interface Charge {
  readonly index: number;
  readonly attempts: number;
  readonly delayMs: number;
}
interface Wait {
  readonly delayMs: number;
  readonly reason: string;
  /** Nothing goes to the origin before; asked for by the server. */
  readonly wholeOrigin: boolean;
}
export type PauseReason =
  | "auth_required"
  | "client_too_old"
  | "tls_failed"
  | "pin_mismatch"
  | "principal_mismatch"
  | "backend_changed"
  | "cors_suspected";

/** What an answer does. Data: the shell carries it out. Indices count the operations of the request. */
export interface Settlement {
  /** Operations that move. All others stay sealed, with their bytes and their keys. */
  readonly moves: readonly { readonly index: number; readonly verdict: OperationVerdict }[];
  /** Before this one may fail, the backend is asked what became of its key. */
  readonly ask?: { readonly index: number; readonly verdict: OperationVerdict };
  readonly charge?: Charge;
  /** The origin was silent, or this would be the last try: charge this one if a safe GET succeeds. */
  readonly chargeIfReachable?: Charge;
  readonly wait?: Wait;
  /** Grows by one, or starts again at 0. */
  readonly failed: boolean;
  /** `shrink`: it was too large as it was. */
  readonly batch: "grow" | "halve" | "shrink" | "keep";
  readonly breaker: "success" | "failure" | "none";
  readonly refused?: true;
  readonly tlsFailed?: true;
  readonly correctClock?: true;
  readonly pause?: { readonly reason: PauseReason; readonly code: string; readonly security: boolean };
  readonly lockLost?: true;
  /** The number that the server waits for. */
  readonly rewindTo?: number;
  /** Nobody answered what became of an operation that cannot go on without an answer. */
  readonly originFailing?: true;
  /** A finding that only a fault of the engine explains. */
  readonly engineFault?: Finding;
  /** What went wrong, for the log and the event. */
  readonly problem?: Finding;
}

/** After `CONCURRENT_REQUEST`: the first request with this key is still running. */
const CONCURRENT_MS = 2000;

/** No operation and no lane waits longer by itself. */
export function longestWaitMs({ maxDelayMs }: BackoffPolicy): number {
  return Math.max(maxDelayMs, CONCURRENT_MS);
}

/** What one judged answer does to the operations that were in the request, to the lane and to the engine. */
export function settle(input: SettlementInput): Settlement {
  const { judgement } = input;
  return judgement.kind === "operations" ? settleResults(input, judgement.results) : settleFault(input, judgement);
}

/** Everything was applied as it was sent, and the answer asks for nothing. */
export function isPlainSuccess({ moves, failed, breaker, batch, ...asks }: Settlement, count: number): boolean {
  const isAsked = Object.values(asks).some((ask) => ask !== undefined);
  if (isAsked || failed || breaker !== "success" || batch !== "grow" || moves.length !== count) return false;
  return moves.every(({ verdict }) => verdict.step === "succeed" && verdict.consumesNumber);
}

/** It is about its own operations: nothing that others wait for. */
export function isLocal(settlement: Settlement): boolean {
  const {
    moves: _moves,
    failed: _failed,
    breaker: _breaker,
    problem: _problem,
    engineFault: _fault,
    charge,
    wait,
    batch,
    ...asks
  } = settlement;
  const waitsAlone = wait === undefined || (charge !== undefined && !wait.wholeOrigin);
  return waitsAlone && (batch === "grow" || batch === "keep") && Object.values(asks).every((ask) => ask === undefined);
}

function settleResults(input: SettlementInput, results: readonly OperationVerdict[]): Settlement {
  const moves: { readonly index: number; readonly verdict: OperationVerdict }[] = [];
  let stuck: { readonly index: number; readonly verdict: OperationVerdict } | undefined;
  let ask: Settlement["ask"];
  let engineFault: Finding | undefined;
  const stuckGroups = groupsToRetry(input.operations, results);
  const staysSealed = behindStuck(input, stuckGroups);
  results.forEach((verdict, index) => {
    const stays = staysSealed(verdict, index);
    if (verdict.step === "mismatch") engineFault = verdict;
    if (verdict.event === "retry_later") stuck ??= { index, verdict };
    else if (stays) return;
    else if (mustAsk(verdict, input.operations[index])) ask = { index, verdict };
    else moves.push({ index, verdict });
  });
  const told = { moves, ...(ask === undefined ? {} : { ask }), ...(engineFault === undefined ? {} : { engineFault }) };
  if (stuck === undefined) return { ...told, failed: false, batch: "grow", breaker: "success" };

  const alone = isOneUnit(input.operations);
  // Of a group the first is charged: it is the one that is looked at before the group goes again.
  const charged = firstOfGroup(input.operations, stuck.index);
  const fault: RequestFault = { ...stuck.verdict, kind: "request", halve: !alone, chargeIfReachable: false };
  const operation = input.operations[charged] as InFlight;
  const inner = settleFault({ ...input, operations: [operation] }, alone ? fault : { ...fault, burnsAttempt: false });
  const { moves: _none, charge: certain, chargeIfReachable, ...rest } = inner;
  // The origin has just answered about it: nothing more has to be asked.
  const charge = certain ?? chargeIfReachable;
  if (input.ordering === "entity" && rest.wait?.wholeOrigin === false) {
    // Only its own lane waits for it.
    const { attempts, delayMs } = (alone ? charge : undefined) ?? { attempts: operation.attempts, delayMs: rest.wait.delayMs };
    const own = { charge: { index: charged, attempts, delayMs }, ...(rest.problem === undefined ? {} : { problem: rest.problem }) };
    return { ...told, ...own, failed: false, batch: "keep", breaker: "success" };
  }
  // Others of the request had their answers, so the origin works: what is stuck goes alone next, and is charged then.
  return {
    ...told,
    ...rest,
    ...(charge === undefined ? {} : { charge: { ...charge, index: charged } }),
    batch: alone ? rest.batch : "halve",
  };
}

function groupsToRetry(operations: readonly InFlight[], results: readonly OperationVerdict[]): ReadonlySet<string | undefined> {
  const groups = results.flatMap(({ event }, index) => (event === "retry_later" ? [operations[index]?.groupId] : []));
  return new Set(groups.filter((groupId) => groupId !== undefined));
}

function firstOfGroup(operations: readonly InFlight[], index: number): number {
  const groupId = operations[index]?.groupId;
  return groupId === undefined ? index : operations.findIndex((operation) => operation.groupId === groupId);
}

/**
 * Skipped behind one that stays sealed: nothing before it left the sequence, so its number and its seal hold. Under entity ordering
 * the sequence is the lane's; who stands behind an opened one as well is opened. The others of a group that is tried again stay
 * sealed with it: they go again together.
 */
function behindStuck(
  { ordering, operations }: SettlementInput,
  stuckGroups: ReadonlySet<string | undefined>,
): (verdict: OperationVerdict, index: number) => boolean {
  const stuck = new Set<string>();
  const opened = new Set<string>();
  return ({ event }, index) => {
    const { lanes, ahead } = ordering === "entity" ? lanesOfGroup(operations, index) : ONE_LANE;
    const isBehind = (whom: ReadonlySet<string>): boolean => [...lanes, ...ahead].some((lane) => whom.has(lane));
    const isOpened = ordering === "entity" && isBehind(opened);
    const isOfStuckGroup = event !== "retry_later" && stuckGroups.has(operations[index]?.groupId);
    const stays = isOfStuckGroup || (event === "unseal" && !isOpened && isBehind(stuck));
    const into = event === "retry_later" || stays ? stuck : event === "unseal" || event === "conflict" ? opened : undefined;
    for (const lane of lanes) into?.add(lane);
    return stays;
  };
}

const ONE_LANE = { lanes: [""], ahead: [] } as const;

/** Members end together, so whatever stops one of them stops the lanes of all. */
function lanesOfGroup(operations: readonly InFlight[], index: number): Required<Pick<InFlight, "lanes" | "ahead">> {
  const own = operations[index];
  const members = own?.groupId === undefined ? [own] : operations.filter(({ groupId }) => groupId === own.groupId);
  return { lanes: members.flatMap((member) => member?.lanes ?? []), ahead: members.flatMap((member) => member?.ahead ?? []) };
}

/** A refusal that is not the ledger's, after an earlier request with the key, proves nothing yet. */
function mustAsk(verdict: OperationVerdict, operation: InFlight | undefined): boolean {
  if (verdict.fromLedger || operation?.sentBefore !== true) return false;
  return verdict.event === "reject" || verdict.event === "conflict";
}

function settleFault(input: SettlementInput, fault: RequestFault): Settlement {
  const first = input.operations[0];
  const policy = first?.policy ?? input.policy ?? FALLBACK_POLICY;
  const alone = isOneUnit(input.operations) ? first : undefined;
  const { retryAfterMs } = fault;
  const delay = (attempt: number): number => retryDelayMs({ policy, attempt, retryAfterMs, draws: input.draws });
  const code = fault.code ?? "INTERNAL_ERROR";
  const wait = (wholeOrigin: boolean, delayMs = delay(input.failures + 1)): Wait => ({ delayMs, reason: code, wholeOrigin });
  const base = {
    moves: [],
    problem: fault,
    failed: true,
    batch: fault.halve ? "halve" : "keep",
    breaker: fault.countsForBreaker ? "failure" : fault.status === undefined || fault.mayHaveHappened ? "none" : "success",
  } as const satisfies Settlement;

  switch (fault.step) {
    case "authenticate":
      if (input.refusals === 0) return { ...base, failed: false, refused: true };
      return { ...base, refused: true, pause: { reason: "auth_required", code, security: false } };
    case "pause":
      return { ...base, pause: { reason: PAUSE_REASONS[code] ?? "backend_changed", code, security: false } };
    case "tls":
      if (input.tlsFailures === 0) return { ...base, tlsFailed: true, wait: wait(false) };
      return { ...base, tlsFailed: true, pause: { reason: code === "PIN_MISMATCH" ? "pin_mismatch" : "tls_failed", code, security: true } };
    case "rate_limit":
      return { ...base, wait: wait(true) };
    case "wait":
      return { ...base, wait: wait(retryAfterMs !== undefined) };
    case "concurrent":
      return { ...base, failed: false, wait: wait(false, CONCURRENT_MS) };
    case "lock_lost":
      return { ...base, lockLost: true };
    case "rewind":
      return fault.expected === undefined ? { ...base, wait: wait(false) } : { ...base, rewindTo: fault.expected };
    case "correct_clock":
      // Judged per envelope. Corrected every time, because a clock may be set again; at once only the first time.
      return input.operations.some((operation) => operation.skewCorrected)
        ? { ...base, wait: wait(false), correctClock: true }
        : { ...base, failed: false, correctClock: true };
    case "split":
      // Nothing was judged but the request: no need to wait before the halves.
      return { ...base, failed: false, batch: code === "PAYLOAD_TOO_LARGE" ? "shrink" : "halve" };
    case "retry":
    case "confirm":
    case "follow":
    case "ignore":
    // Verdicts about one operation, which the judge of answers never leaves to the whole request.
    case "succeed":
    case "fail":
    case "cancel":
    case "reconcile":
    case "gone":
    case "mismatch":
    case "unseal":
      return unsure(input, fault, base, alone, wait(retryAfterMs !== undefined));
    default:
      return fault.step satisfies never;
  }
}

/** Nothing definite: the operations stay as they are. Only one that was alone in its request can be charged. */
function unsure(input: SettlementInput, fault: RequestFault, base: Settlement, alone: InFlight | undefined, wait: Wait): Settlement {
  if (alone === undefined || !(fault.burnsAttempt || fault.chargeIfReachable)) return { ...base, wait };
  const attempts = alone.attempts + 1;
  const delayMs = retryDelayMs({ policy: alone.policy, attempt: attempts, retryAfterMs: fault.retryAfterMs, draws: input.draws });
  const charge = { index: 0, attempts, delayMs };
  // The last try ends in a failure. While the origin fails whatever it is asked, it is not this operation's: it waits.
  const isProven = fault.burnsAttempt && attempts < alone.policy.maxAttempts;
  return isProven ? { ...base, wait: { ...wait, delayMs }, charge } : { ...base, wait, chargeIfReachable: charge };
}

const PAUSE_REASONS: Readonly<Record<string, PauseReason>> = {
  CLIENT_TOO_OLD: "client_too_old",
  PRINCIPAL_MISMATCH: "principal_mismatch",
  CORS_SUSPECTED: "cors_suspected",
};
const FALLBACK_POLICY: BackoffPolicy = { baseMs: 1000, maxDelayMs: 30_000, maxAttempts: 5 };
