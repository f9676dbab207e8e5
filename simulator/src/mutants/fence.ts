import { isOpsRequest, withOperations } from "../wire.ts";
import { type Mutant, storeLike, transportLike } from "./mutant.ts";

export const noFence: Mutant = {
  name: "no fence",
  wrong: "the store takes changes of a holder that lost its lock, and requests claim the current fence",
  store: (inner) =>
    storeLike(inner, {
      commit: async ({ fence: _fence, ...change }) => {
        let revision = change.expectRevision;
        for (;;) {
          const result = await inner.commit({ ...change, expectRevision: revision });
          if (result.ok) return result;
          revision = result.revision;
        }
      },
    }),
  transport: (inner, { currentLock }) =>
    transportLike(inner, (request) => {
      const lock = currentLock();
      if (lock === null || !isOpsRequest(request)) return inner.exchange(request);
      return inner.exchange(withOperations(request, (operation) => operation, { fence: lock.fence, lease: lock.leaseId }));
    }),
};
