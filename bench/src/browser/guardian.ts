import { createSyncEngine, defineEntity } from "guardian-sync";
import { indexedDbStore } from "guardian-sync/indexeddb";
import { updateOf } from "../workload.ts";
import type { Subject } from "./subject.ts";

const BATCH = 50;

export function guardian(isEncrypted: boolean): Subject {
  return {
    async open(name, origin) {
      const engine = await createSyncEngine({
        store: indexedDbStore(isEncrypted ? { name } : { name, encryption: "none" }),
        backend: { baseUrl: origin, session: () => ({ account: { space: "bench", principal: "bench" }, token: "bench-token-0000" }) },
        entities: [defineEntity("device", { collection: "devices" }) as never],
        autoStart: false,
        batch: { maxOperations: BATCH },
        rateLimit: { requestsPerSecond: 1e6, burst: 1e6 },
      });
      return {
        async add(index) {
          await engine.enqueue(updateOf(index));
        },
        async addMany(from, count) {
          await engine.enqueueMany(Array.from({ length: count }, (_, i) => updateOf(from + i)));
        },
        async send() {
          engine.start();
          const { empty } = await engine.drain({ timeoutMs: 120_000 });
          if (!empty) throw new Error("the queue did not drain");
          await engine.stop();
        },
        async stored() {
          const { pending, sealed } = await engine.status();
          return pending + sealed;
        },
        close: () => engine.close(),
      };
    },
  };
}
