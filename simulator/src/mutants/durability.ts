import { type Mutant, storeLike } from "./mutant.ts";

export const dropOnAck: Mutant = {
  name: "drop on ack",
  wrong: "an operation leaves the queue before its outcome is on disk: two transactions instead of one",
  store: (inner) =>
    storeLike(inner, {
      commit: async (change) => {
        const { account, fence, expectRevision, dropStates, releasePacks, settleContent, ...outcome } = change;
        if ((settleContent ?? []).length === 0) return inner.commit(change);
        const held = fence === undefined ? {} : { fence };
        const first = await inner.commit({
          account,
          expectRevision,
          ...held,
          ...(dropStates === undefined ? {} : { dropStates }),
          ...(releasePacks === undefined ? {} : { releasePacks }),
          ...(settleContent === undefined ? {} : { settleContent }),
        });
        if (!first.ok) return first;
        for (let revision = first.revision; ; ) {
          const second = await inner.commit({ account, expectRevision: revision, ...held, ...outcome });
          if (second.ok) return second;
          revision = second.revision;
        }
      },
    }),
};

/** A disk that is busy: what a lazy store believes to have written arrives this much later. */
const LAZY_MS = 400;

export const ackBeforeCommit: Mutant = {
  name: "ack before commit",
  wrong: "`stored` resolves when the write is on its way, not when it is on disk",
  store: (inner, { clock, memory, nextSeq }) =>
    storeLike(inner, {
      append: (segments) => {
        let seq = Math.max(nextSeq(), memory.promisedSeq);
        const seqs = segments.map(({ count }) => {
          const first = seq;
          seq += count;
          return first;
        });
        memory.promisedSeq = seq;
        clock.schedule(LAZY_MS, () => void inner.append(segments).catch(forget));
        return Promise.resolve(seqs as unknown as Awaited<ReturnType<typeof inner.append>>);
      },
    }),
};

function forget(): void {}
