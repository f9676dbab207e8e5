/**
 * The write transaction: one request's operations, from the claimed keys to the rows that commit. Locks are taken in one order
 * for all (keys, client, entities, head), each set sorted, and the head once for the whole request: taking it once per operation
 * deadlocks under load.
 */
import type { OperationResult } from "@guardian-sync/protocol";
import { BATCH_ENDED, type BatchState, emptyBatch, observe, observeMalformed, skipReason } from "./batch.ts";
import { type FenceVerdict, judgeFence } from "./fence.ts";
import { isMalformed, type Item, type Unit, unitsOf } from "./group.ts";
import { answer, type Bench, type Judgement, judge, ledgerRow } from "./judge.ts";
import { cancelMarker, wasApplied } from "./ledger.ts";
import type { Envelope, Operation } from "./operation.ts";
import { dependencyFailed, INTERNAL, outcomeOf, RequestRefused } from "./refusal.ts";
import type { Registry } from "./registry.ts";
import { type ClientRow, type EntityRow, type LedgerRow, type SpaceRow, sortedRefs, StorageError, type WriteTx } from "./storage.ts";
import { turnOf } from "./turn.ts";
import { settledResult, Working } from "./working.ts";

export interface WriteContext {
  readonly registry: Registry;
  readonly envelope: Envelope;
  /** Names the history of a new space. */
  readonly newGeneration: () => string;
  /** Told about what should not happen: an error thrown by a handler or a schema. */
  readonly report: (error: unknown, operation: Operation) => void;
}

export interface WriteReport {
  /** One for each item, in order. */
  readonly results: readonly OperationResult[];
  readonly generation: string;
  readonly headSeq: number;
  /** Whether the feed has something new. */
  readonly hasAdvanced: boolean;
  /** How many were answered from the ledger. */
  readonly replays: number;
  /** New rows of the ledger, markers included. */
  readonly ledgerRows: number;
}

/** A client that sends nothing but repetitions is noted as seen at most this often: noting it is a write. */
const SEEN_EVERY_MS = 3_600_000;

export async function executeOperations(tx: WriteTx, items: readonly Item[], context: WriteContext): Promise<WriteReport> {
  const { envelope, registry } = context;
  const { space: spaceId, principal, now } = envelope;
  const scope = { space: spaceId, principal };
  const operations = items.filter((item): item is Operation => !isMalformed(item));

  const space = await ensureSpace(tx, spaceId, context);
  const claimed = sorted(operations.flatMap(({ key, supersedes }) => (key === null ? supersedes : [key, ...supersedes])));
  const held = await tx.claimKeys(scope, claimed);
  const ledger = new Map([...held, ...(await referred(tx, operations, claimed, context))]);
  const client = envelope.clientId === null ? null : await tx.lockClient(spaceId, envelope.clientId);
  const working = new Working({ ledger, entities: await locked(tx, operations, held, spaceId), client });
  const fence = openClient(working, envelope);

  const run = await runUnits(unitsOf(items), { tx, registry, working, envelope, fence }, context);

  const count = working.changeCount;
  const firstSeq = count === 0 ? 0 : await tx.advanceHead(spaceId, count);
  const outcome = working.outcome(firstSeq);
  await tx.putEntities(spaceId, outcome.entities);
  if (outcome.dropped.length > 0) await tx.dropEntities(spaceId, outcome.dropped);
  await tx.appendChanges(spaceId, outcome.changes);
  await tx.putLedger(scope, outcome.ledger);
  const decided = new Set(outcome.ledger.map(({ key }) => key));
  const unused = claimed.filter((key) => !held.has(key) && !decided.has(key));
  if (unused.length > 0) await tx.releaseKeys(scope, unused);
  const seen = outcome.client ?? (client !== null && now - client.lastSeenAt > SEEN_EVERY_MS ? client : null);
  if (seen !== null) await tx.putClient(spaceId, { ...seen, lastSeenAt: now });

  return {
    results: run.judgements.map(({ result }) => settledResult(result, firstSeq)),
    generation: space.generation,
    headSeq: count === 0 ? space.headSeq : firstSeq + count - 1,
    hasAdvanced: count > 0,
    ledgerRows: outcome.ledger.length,
    replays: run.judgements.filter(({ isReplay }) => isReplay).length,
  };
}

/** The space's row; the first request of a space makes it. */
export async function ensureSpace(
  tx: WriteTx,
  id: string,
  { envelope, newGeneration }: Pick<WriteContext, "newGeneration"> & { readonly envelope: Pick<Envelope, "now"> },
): Promise<SpaceRow> {
  const known = await tx.space(id);
  if (known !== null) return known;
  const row = { id, generation: newGeneration(), headSeq: 0, floorSeq: 0, knownSince: envelope.now };
  await tx.createSpace(row);
  return (await tx.space(id)) ?? row;
}

/** Rows of keys that are only referred to, by a base or a dependency. */
async function referred(
  tx: WriteTx,
  operations: readonly Operation[],
  claimed: readonly string[],
  { envelope }: WriteContext,
): Promise<ReadonlyMap<string, LedgerRow>> {
  const here = new Set(claimed);
  const keys = operations.flatMap(({ base, dependsOn }) =>
    base !== undefined && "after" in base ? [base.after, ...dependsOn] : dependsOn,
  );
  const elsewhere = sorted(keys.filter((key) => !here.has(key)));
  return elsewhere.length === 0 ? new Map() : await tx.ledger(envelope, elsewhere);
}

async function locked(
  tx: WriteTx,
  operations: readonly Operation[],
  held: ReadonlyMap<string, LedgerRow>,
  space: string,
): Promise<ReadonlyMap<string, EntityRow>> {
  const fresh = operations.filter(({ key }) => key === null || !held.has(key));
  return await tx.lockEntities(space, sortedRefs(fresh.map(({ entityType: type, entityId: id }) => ({ type, id }))));
}

/** Compares the fence and adopts a newer one. The client's row is made when something is to be remembered in it. */
function openClient(working: Working, envelope: Envelope): FenceVerdict {
  const { client } = working;
  const { clientId, principal, fence, ordering, now } = envelope;
  if (client !== null && client.principal !== principal) {
    throw new RequestRefused({
      status: 403,
      code: "PRINCIPAL_MISMATCH",
      message: "this client belongs to another principal; a queue is sent only as the person who filled it",
    });
  }
  if (clientId === null || (fence === null && ordering !== "global")) return { kind: "current" };
  const fresh: ClientRow = { id: clientId, principal, lastOpNumber: 0, fence: 0, lease: null, acknowledgedSeq: 0, lastSeenAt: now };
  const verdict: FenceVerdict = fence === null ? { kind: "current" } : judgeFence(client, fence);
  if (verdict.kind === "newer" && fence !== null) working.client = { ...(client ?? fresh), ...fence };
  else if (client === null) working.client = fresh;
  return verdict;
}

async function runUnits(
  units: readonly Unit[],
  bench: Bench,
  context: WriteContext,
): Promise<{ readonly judgements: readonly Judgement[] }> {
  let state = withFailedDependencies(emptyBatch(context.envelope.ordering), bench.working.ledger);
  const judgements: Judgement[] = [];
  for (const unit of units) {
    const [first] = unit;
    if (isMalformed(first)) {
      const refusal = state.hasEnded ? BATCH_ENDED : first.refusal;
      judgements.push(notExecuted(answer(first, outcomeOf(refusal), refusal)));
      state = observeMalformed(state, first.key);
      continue;
    }
    const operations = unit as readonly Operation[];
    const outcome = await runUnit(operations, state, bench, context);
    for (const [index, judgement] of outcome.entries()) {
      judgements.push(judgement);
      state = observe(state, operations[index] as Operation, judgement.result, judgement.consumesTurn);
    }
  }
  return { judgements };
}

/** Dependencies that earlier requests settled without effect. Those that nobody knows have long been settled. */
function withFailedDependencies(state: BatchState, ledger: ReadonlyMap<string, LedgerRow>): BatchState {
  const failed = [...ledger.values()].filter((row) => !wasApplied(row)).map(({ key }) => key);
  return { ...state, failedKeys: new Set(failed) };
}

async function runUnit(
  operations: readonly Operation[],
  state: BatchState,
  bench: Bench,
  context: WriteContext,
): Promise<readonly Judgement[]> {
  const reasons = operations.map((operation) => skipReason(state, operation));
  if (reasons.some((reason) => reason !== null)) {
    const together = dependencyFailed("another member of the group cannot run; a group is applied whole or not at all");
    return operations.map((operation, index) => notExecuted(answer(operation, "skipped", reasons[index] ?? together)));
  }
  const [only] = operations;
  if (only === undefined) return [];
  if (operations.length === 1) return [await judgeSafely(only, bench, context, null)];
  return await runGroup(operations, bench, context);
}

/** Undoes what SQL the group's handlers ran. */
class GroupUndone extends Error {}

async function runGroup(operations: readonly Operation[], bench: Bench, context: WriteContext): Promise<readonly Judgement[]> {
  const mark = bench.working.mark();
  const txn = bench.working.nextSeq;
  const done: Judgement[] = [];
  try {
    await bench.tx.savepoint(async () => {
      for (const operation of operations) {
        const judgement = await judgeSafely(operation, bench, context, txn);
        done.push(judgement);
        if (isFailure(operation, judgement)) throw new GroupUndone();
      }
    });
    return done;
  } catch (error) {
    if (!(error instanceof GroupUndone)) throw error;
  }
  bench.working.reset(mark);
  const failedAt = done.length - 1;
  const failed = keepVerdict(operations[failedAt] as Operation, done[failedAt] as Judgement, bench);
  const undone = dependencyFailed("another member of the group was refused; a group is applied whole or not at all");
  return operations.map((operation, index) => (index === failedAt ? failed : notExecuted(answer(operation, "skipped", undone))));
}

/** A member that was cancelled on purpose leaves the group; one that a marker stops was expected to happen. */
function isFailure(operation: Operation, { result: { outcome } }: Judgement): boolean {
  if (outcome === "cancelled") return !operation.isCancelled;
  return outcome !== "applied" && outcome !== "noop" && outcome !== "applied_before";
}

/**
 * The undone group took the refused member's ledger row with it. A final refusal was told as final, so it is stored again; its
 * number is consumed only when no undone member stands before it.
 */
function keepVerdict(operation: Operation, judgement: Judgement, { working, envelope }: Bench): Judgement {
  const { result, isReplay, consumesTurn } = judgement;
  if (isReplay || !consumesTurn || operation.key === null) return judgement;
  const { now, ordering } = envelope;
  for (const old of operation.supersedes) if (!working.ledger.has(old)) working.decide(cancelMarker(old, now));
  working.decide(ledgerRow(operation, operation.key, "rejected", result, now));
  const { client } = working;
  if (ordering !== "global" || operation.opNumber === undefined || client === null) return judgement;
  if (turnOf(client.lastOpNumber, operation.opNumber) !== "next") return { ...judgement, consumesTurn: false };
  working.client = { ...client, lastOpNumber: operation.opNumber };
  return judgement;
}

/** A handler or a schema that throws costs its own operation an answer of 500, and the others nothing. */
async function judgeSafely(operation: Operation, bench: Bench, context: WriteContext, txn: number | null): Promise<Judgement> {
  try {
    return await judge(operation, bench, txn);
  } catch (error) {
    if (error instanceof StorageError) throw error;
    context.report(error, operation);
    return notExecuted(answer(operation, "retry", INTERNAL));
  }
}

function notExecuted(result: OperationResult): Judgement {
  return { result, consumesTurn: false, isReplay: false };
}

function sorted(keys: readonly string[]): readonly string[] {
  return [...new Set(keys)].toSorted();
}
