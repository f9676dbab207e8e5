import type { QueueStore } from "guardian-sync/testing";
import { renewingKeys } from "./keys.ts";
import { type Mutant, storeLike } from "./mutant.ts";

export const appliesAgainOnReload: Mutant = {
  name: "applies again on reload",
  wrong: "what was sealed before a restart comes back as new, under a new key",
  store: (inner, { generation }) => {
    if (generation === 1) return inner;
    let opened: Promise<void> | undefined;
    return storeLike(inner, {
      readAccount: async (account) => {
        opened ??= forgetSeals(inner);
        await opened;
        return inner.readAccount(account);
      },
    });
  },
  transport: (inner, around) => {
    const renewed = new Set<string>();
    return renewingKeys(inner, around, (key) => {
      const sentBy = around.memory.firstSentBy.get(key);
      if (sentBy === undefined || sentBy === around.generation || renewed.has(key)) return false;
      renewed.add(key);
      return true;
    });
  },
};

async function forgetSeals(store: QueueStore): Promise<void> {
  for (const { account } of await store.listAccounts()) {
    for (;;) {
      const row = await store.readAccount(account);
      const sealed = await store.readStates({ account, phases: ["sealed"], after: 0, limit: 1000 });
      if (row === undefined || sealed.length === 0) break;
      const packs = new Map<string, number>();
      for (const { packId } of sealed) if (packId !== null) packs.set(packId, (packs.get(packId) ?? 0) + 1);
      const result = await store.commit({
        account,
        expectRevision: row.revision,
        putStates: sealed.map((state) => ({ ...state, phase: "ready", packId: null, packIndex: 0, opNumber: 0, firstSendAt: 0, dueAt: 0 })),
        releasePacks: [...packs].map(([packId, count]) => ({ packId, count })),
        count: { sealed: -sealed.length, pending: sealed.length },
      });
      if (result.ok) break;
    }
  }
}
