import { isJsonObject } from "@guardian-sync/protocol";
import { ADD } from "../domain.ts";
import { operationsOf, type SeenOperation, withOperations } from "../wire.ts";
import { type Mutant, transportLike } from "./mutant.ts";

export const changedAfterSeal: Mutant = {
  name: "changed after seal",
  wrong: "a later edit is folded into an operation that was sent before: a retry has another content",
  transport: (inner, { memory, generation }) =>
    transportLike(inner, (request) => {
      const again = new Set(operationsOf(request).flatMap(({ key }) => (memory.firstSentBy.has(key) ? [key] : [])));
      for (const { key } of operationsOf(request)) memory.firstSentBy.set(key, generation);
      return inner.exchange(withOperations(request, (operation) => (again.has(operation.key) ? edited(operation) : operation)));
    }),
};

function edited(operation: SeenOperation): SeenOperation {
  const { payload } = operation;
  if (!isJsonObject(payload) || operation.type === "DELETE") return operation;
  if (operation.type === ADD) return { ...operation, payload: { ...payload, by: Number(payload.by) + 1 } };
  return { ...operation, payload: { ...payload, edits: Number(payload.edits ?? 0) + 1 } };
}

export const withoutSupersedes: Mutant = {
  name: "424 without supersedes",
  wrong: "an operation that gets a new key does not name the old one, whose copy may still arrive",
  transport: (inner) =>
    transportLike(inner, (request) => inner.exchange(withOperations(request, ({ supersedes: _old, ...operation }) => operation))),
};
