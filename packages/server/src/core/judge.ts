/** One operation against the working state, in the order that the contract fixes: ledger, superseded keys, fence, turn, content. */
import type { OperationResult } from "@guardian-sync/protocol";
import { decideNamed } from "./decide-named.ts";
import { type Decision, type Facts, decidePlain, isPlain } from "./decide-plain.ts";
import type { FenceVerdict } from "./fence.ts";
import { CANCELLED, cancelMarker, mismatch, replay, wasApplied } from "./ledger.ts";
import type { Envelope, Operation } from "./operation.ts";
import { invalid, isFinal, outcomeOf, type Refusal, wireError } from "./refusal.ts";
import type { Registry } from "./registry.ts";
import { type LedgerRow, refKey, type StoredOutcome, type WriteTx } from "./storage.ts";
import { outOfOrder, turnOf } from "./turn.ts";
import type { Working } from "./working.ts";

export interface Bench {
  readonly tx: WriteTx;
  readonly registry: Registry;
  readonly working: Working;
  readonly envelope: Envelope;
  readonly fence: FenceVerdict;
}

export interface Judgement {
  /** `commit_seq` may be provisional. */
  readonly result: OperationResult;
  /** Whether its number is consumed, now or before; always true without global ordering. */
  readonly consumesTurn: boolean;
  readonly isReplay: boolean;
}

/** `txn` is the group's transaction, or null for a transaction of its own. */
export async function judge(operation: Operation, bench: Bench, txn: number | null): Promise<Judgement> {
  return fromLedger(operation, bench) ?? refusedBefore(operation, bench) ?? (await executed(operation, bench, txn));
}

/** What earlier requests settled: the key itself, or one that it supersedes. */
function fromLedger(operation: Operation, bench: Bench): Judgement | null {
  const { key, supersedes } = operation;
  const { working, envelope } = bench;
  if (key === null) return null;
  const row = working.ledger.get(key);
  if (row !== undefined) {
    if (row.fingerprint !== null && row.fingerprint !== operation.fingerprint) return refused(operation, mismatch(key));
    return settledBefore(operation, bench, replay(row, envelope.now));
  }
  for (const old of supersedes) {
    const applied = working.ledger.get(old);
    if (!wasApplied(applied)) continue;
    const { version, commitSeq } = applied;
    return settledBefore(operation, bench, {
      key,
      status: 200,
      outcome: "applied_before",
      applied_key: old,
      ...(version === null ? {} : { version }),
      ...(commitSeq === null ? {} : { commit_seq: commitSeq }),
    });
  }
  return null;
}

/**
 * A settled operation takes its turn too, if that has not been consumed yet: what was applied under another client id, or a marker
 * that a cancel or a successor wrote, had no number then. Before its turn it waits like any other.
 */
function settledBefore(operation: Operation, bench: Bench, result: OperationResult): Judgement {
  const { working, envelope, fence } = bench;
  const { client } = working;
  if (envelope.ordering === "global" && operation.opNumber !== undefined && client !== null && fence.kind !== "refused") {
    const turn = turnOf(client.lastOpNumber, operation.opNumber);
    // A late copy of what was cancelled: its number belongs to whoever comes in its place by now. What follows in that copy was never
    // executed behind it, may have been withdrawn since, and must not slip in because its number has come up.
    if (result.outcome === "cancelled" && !operation.isCancelled) return { result, consumesTurn: false, isReplay: true };
    if (turn === "ahead") return refused(operation, outOfOrder(client.lastOpNumber, operation.opNumber));
    if (turn === "next") working.client = { ...client, lastOpNumber: operation.opNumber };
  }
  return { result, consumesTurn: true, isReplay: true };
}

function refusedBefore(operation: Operation, { fence, envelope, working }: Bench): Judgement | null {
  if (fence.kind === "refused") return refused(operation, fence.refusal);
  if (envelope.ordering !== "global") return null;
  const { opNumber } = operation;
  if (opNumber === undefined) return refused(operation, invalid("op_number", "required", "global ordering needs an op_number", 400));
  const last = working.client?.lastOpNumber ?? 0;
  return turnOf(last, opNumber) === "next" ? null : refused(operation, outOfOrder(last, opNumber));
}

async function executed(operation: Operation, bench: Bench, txn: number | null): Promise<Judgement> {
  const { working, envelope } = bench;
  if (operation.isCancelled) return store(operation, bench, "cancelled", { ...answer(operation, "cancelled", CANCELLED) });
  const row = working.entity({ type: operation.entityType, id: operation.entityId });
  const decision = await decide(operation, bench, { envelope, row, ledger: working.ledger });
  if (decision.kind === "refused") {
    const { refusal } = decision;
    const result = answer(operation, outcomeOf(refusal), refusal);
    return isFinal(refusal) ? store(operation, bench, "rejected", result) : { result, consumesTurn: false, isReplay: false };
  }
  const base = { key: operation.key ?? "", status: decision.status };
  if (decision.kind === "noop") {
    const { row: same } = decision;
    const state =
      same === null ? {} : { version: same.version, commit_seq: same.seq, ...(same.document === null ? {} : { data: same.document }) };
    return store(operation, bench, "noop", { ...base, outcome: "noop", ...state });
  }
  const { principal, clientId, now } = envelope;
  const origin = { principal, clientId, operationId: operation.operationId, now };
  const seq = working.write(decision.writes, txn ?? working.nextSeq, origin);
  const own = decision.writes.findLast(({ ref }) => refKey(ref) === refKey({ type: operation.entityType, id: operation.entityId }));
  const state = own === undefined ? {} : { version: own.version, ...(own.document === null ? {} : { data: own.document }) };
  return store(operation, bench, "applied", { ...base, outcome: "applied", commit_seq: seq, ...state });
}

async function decide(operation: Operation, bench: Bench, facts: Facts): Promise<Decision> {
  if (isPlain(operation.type)) return await decidePlain(operation, facts, bench.registry);
  const named = bench.registry.operations.get(operation.type);
  if (named !== undefined) return await decideNamed(named, operation, facts, bench);
  const message = `this server has no operation ${JSON.stringify(operation.type)}`;
  return { kind: "refused", refusal: invalid("type", "unknown", message) };
}

/** Remembers the outcome, writes the markers of superseded keys and consumes the number. */
function store(operation: Operation, { working, envelope }: Bench, outcome: StoredOutcome, result: OperationResult): Judgement {
  const { now, ordering } = envelope;
  for (const old of operation.supersedes) if (!working.ledger.has(old)) working.decide(cancelMarker(old, now));
  if (operation.key !== null) working.decide(ledgerRow(operation, operation.key, outcome, result, now));
  if (ordering === "global" && operation.opNumber !== undefined && working.client !== null) {
    working.client = { ...working.client, lastOpNumber: operation.opNumber };
  }
  return { result, consumesTurn: true, isReplay: false };
}

export function ledgerRow(
  operation: Operation,
  key: string,
  outcome: StoredOutcome,
  result: OperationResult,
  at: Envelope["now"],
): LedgerRow {
  return {
    key,
    fingerprint: operation.fingerprint,
    outcome,
    status: result.status,
    code: result.error?.code ?? null,
    entityType: operation.entityType,
    entityId: operation.entityId,
    version: result.version ?? null,
    commitSeq: result.commit_seq ?? null,
    response: result,
    at,
  };
}

function refused(operation: Operation, refusal: Refusal): Judgement {
  return { result: answer(operation, outcomeOf(refusal), refusal), consumesTurn: false, isReplay: false };
}

export function answer(operation: { readonly key: string | null }, outcome: OperationResult["outcome"], refusal: Refusal): OperationResult {
  const { status, current } = refusal;
  return { key: operation.key ?? "", status, outcome, error: wireError(refusal), ...(current === undefined ? {} : { current }) };
}
