/** Named operations: the team's code decides, inside the transaction; what it returns is checked and written like any other change. */
import { formatIso, type JsonObject } from "@guardian-sync/protocol";
import { conflict, judgeBase, judgePrecondition } from "./base.ts";
import { type Decision, type Facts, judgeAccess, judgeId } from "./decide-plain.ts";
import { clientFields, equalFields, served } from "./document.ts";
import type { Operation } from "./operation.ts";
import { OperationRejected } from "./refusal.ts";
import type { Effect, HandlerTx, NamedOperation, Registry } from "./registry.ts";
import { validate, validateDocument } from "./schema.ts";
import { type EntityRef, type EntityRow, refKey, sortedRefs, type WriteTx } from "./storage.ts";
import type { EntityWrite, Working } from "./working.ts";

export async function decideNamed(
  named: NamedOperation,
  operation: Operation,
  facts: Facts,
  on: { readonly registry: Registry; readonly working: Working; readonly tx: WriteTx },
): Promise<Decision> {
  const { row, ledger, envelope } = facts;
  const refusal = judgeAccess(named.authorize, row === null || row.deleted ? "create" : "update", operation, facts);
  if (refusal !== null) return { kind: "refused", refusal };
  if (row !== null) {
    const stale = judgePrecondition(operation.precondition, row) ?? judgeBase(operation.base, row, ledger);
    if (stale !== null) return { kind: "refused", refusal: stale };
  }
  const input =
    named.input === undefined ? { ok: true as const, value: operation.payload } : await validate(named.input, operation.payload);
  if (!input.ok) return { kind: "refused", refusal: input.refusal };

  const { principal, roles, space, now } = envelope;
  const { entityType, entityId } = operation;
  const run = async (): Promise<Decision> => {
    const effects = await named.handler(handlerTx(space, on), input.value, { principal, roles, space, now, entityType, entityId });
    return await applied(Array.isArray(effects) ? effects : [effects], operation, facts, on);
  };
  try {
    // The team's SQL is undone with its operation; a refusal found only in its effects must undo it as well.
    return await on.tx.savepoint(run);
  } catch (error) {
    if (error instanceof OperationRejected) return { kind: "refused", refusal: error.refusal };
    throw error;
  }
}

async function applied(
  effects: readonly Effect[],
  operation: Operation,
  facts: Facts,
  on: { readonly registry: Registry; readonly working: Working; readonly tx: WriteTx },
): Promise<Decision> {
  await lock(effects, facts.envelope.space, on);
  const rows = new Map<string, EntityRow | null>();
  const writes: EntityWrite[] = [];
  for (const effect of effects) {
    const ref = { type: effect.type, id: effect.id };
    const before = rows.has(refKey(ref)) ? (rows.get(refKey(ref)) ?? null) : on.working.entity(ref);
    const write = await writeOf(effect, ref, before, facts, on.registry);
    if (write === null) continue;
    writes.push(write);
    rows.set(refKey(ref), write.kind === "drop" ? null : after(write, before, facts));
  }
  const main = { type: operation.entityType, id: operation.entityId };
  const existed = facts.row !== null && !facts.row.deleted;
  if (writes.length === 0) return { kind: "noop", status: 200, row: on.working.entity(main) };
  const own = writes.findLast(({ ref }) => refKey(ref) === refKey(main));
  const status = own?.kind === "put" && !existed ? 201 : 200;
  return { kind: "write", status: own?.kind === "del" ? 204 : status, writes };
}

async function writeOf(
  effect: Effect,
  ref: EntityRef,
  before: EntityRow | null,
  facts: Facts,
  registry: Registry,
): Promise<EntityWrite | null> {
  const collection = registry.byType.get(ref.type);
  if (collection === undefined)
    throw new TypeError(`a handler returned an effect on ${JSON.stringify(ref.type)}, the type of no collection`);
  const version = (before?.version ?? 0) + 1;
  if (collection.appendOnly === true && before !== null && effect.kind !== "drop") {
    throw new OperationRejected(
      conflict("already_exists", before, undefined, `${ref.type} ${ref.id} is recorded already and never changes`),
    );
  }
  if (effect.kind !== "put") {
    if (before === null || (effect.kind === "del" && before.deleted)) return null;
    return { kind: effect.kind, ref, version: effect.kind === "drop" ? before.version : version, document: null };
  }
  const misnamed = before === null ? judgeId(collection, ref.id) : null;
  if (misnamed !== null) throw new OperationRejected(misnamed);
  const valid = await validateDocument(collection.schema, clientFields(effect.document as JsonObject));
  if (!valid.ok) throw new OperationRejected(valid.refusal);
  const document = before?.document ?? null;
  if (document !== null && equalFields(clientFields(document), valid.value)) return null;
  const { now } = facts.envelope;
  const createdAt = document === null ? formatIso(now) : String(document.created_at);
  return { kind: "put", ref, version, document: served(valid.value, { id: ref.id, version, createdAt, now }) };
}

/** Enough of a row for a second effect of the same handler on the same entity. */
function after(write: EntityWrite, before: EntityRow | null, { envelope }: Facts): EntityRow {
  const { ref, version, document } = write;
  const { now: updatedAt, principal: updatedBy } = envelope;
  return { ...ref, version, seq: before?.seq ?? 0, deleted: document === null, document, lastOperationId: null, updatedAt, updatedBy };
}

async function lock(refs: readonly EntityRef[], space: string, { working, tx }: { working: Working; tx: WriteTx }): Promise<void> {
  const more = sortedRefs(refs.filter((ref) => working.entity(ref) === null));
  if (more.length > 0) working.learn(await tx.lockEntities(space, more));
}

function handlerTx(space: string, on: { readonly working: Working; readonly tx: WriteTx }): HandlerTx {
  const sql = (): NonNullable<WriteTx["sql"]> => {
    if (on.tx.sql === null) throw new TypeError("this storage has no SQL; return effects instead, or use a SQL storage");
    return on.tx.sql;
  };
  return {
    entity: async (type, id): Promise<JsonObject | null> => {
      await lock([{ type, id }], space, on);
      return on.working.entity({ type, id })?.document ?? null;
    },
    run: async (text, parameters) => await sql().run(text, parameters),
    get: async (text, parameters) => await sql().get(text, parameters),
    all: async (text, parameters) => await sql().all(text, parameters),
  };
}
