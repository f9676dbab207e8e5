import type { QueueStore } from "guardian-sync/testing";
import { operationsOf, withOperations, withResults } from "../wire.ts";
import { type Mutant, storeLike, transportLike } from "./mutant.ts";

const ALL = 1000;

/** What is sealed behind one of its entity that is under way goes into that one: it counts as done, and nobody sends it. */
export const foldsIntoSealed: Mutant = {
  name: "folds into a sealed operation",
  wrong: "an edit is folded into one of its entity that is sealed, and may have been sent, already",
  store: (inner) =>
    storeLike(inner, {
      commit: async (change: Parameters<QueueStore["commit"]>[0]) => {
        const { account, putStates = [], count = {} } = change;
        const sealed = await inner.readStates({ account, phases: ["sealed"], after: 0, limit: ALL });
        const before = new Map(sealed.map(({ seq, entityTag }) => [entityTag, seq]));
        const known = new Set(sealed.map(({ seq }) => seq));
        const isLate = (row: (typeof putStates)[number]): boolean =>
          row.phase === "sealed" && !known.has(row.seq) && (before.get(row.entityTag) ?? row.seq) < row.seq;
        const late = putStates.filter(isLate);
        if (late.length === 0) return inner.commit(change);
        const folded = late.map((row) => ({
          ...row,
          phase: "folded" as const,
          blockedBy: before.get(row.entityTag) ?? 0,
          packId: null,
          opNumber: 0,
        }));
        const others = putStates.filter((row) => !isLate(row));
        const moved = { ...count, sealed: (count.sealed ?? 0) - late.length, succeeded: (count.succeeded ?? 0) + late.length };
        return inner.commit({ ...change, putStates: [...others, ...folded] as typeof putStates, count: moved });
      },
    }),
};

/** The server hears of the CREATE, and of its DELETE only that it is not wanted any more; the engine takes both for done. */
export const annihilatesSent: Mutant = {
  name: "annihilates a CREATE that may have been sent",
  wrong: "a CREATE that had no answer and its DELETE end together, and the DELETE is never executed",
  transport: (inner, { memory }) =>
    transportLike(inner, async (request) => {
      for (const { type, entity_id, key } of operationsOf(request)) {
        if (type !== "CREATE") continue;
        if (memory.triedCreates.get(entity_id) === key) memory.doubtful.add(entity_id);
        memory.triedCreates.set(entity_id, key);
      }
      const ended = new Set(
        operationsOf(request).flatMap(({ type, entity_id, key }) => (type === "DELETE" && memory.doubtful.has(entity_id) ? [key] : [])),
      );
      if (ended.size === 0) return inner.exchange(request);
      const answer = await inner.exchange(withOperations(request, (one) => (ended.has(one.key) ? { ...one, cancelled: true } : one)));
      return withResults(answer, (result) => (ended.has(result.key) ? { ...result, status: 204, outcome: "applied" } : result));
    }),
};
