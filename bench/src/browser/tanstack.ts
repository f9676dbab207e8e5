/// <reference lib="dom" />
import { createCollection } from "@tanstack/db";
import { IndexedDBAdapter, type OnlineDetector, startOfflineExecutor } from "@tanstack/offline-transactions";
import { rowOf } from "./row.ts";
import type { Subject } from "./subject.ts";

/** Its promises end when an operation was sent. Whether one is stored, only the storage can say. */
class ToldStorage extends IndexedDBAdapter {
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  stored(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  override async set(key: string, value: string): Promise<void> {
    const waiting = this.#waiting.shift();
    try {
      await super.set(key, value);
      waiting?.resolve();
    } catch (error) {
      waiting?.reject(error);
      throw error;
    }
  }
}

class Switch implements OnlineDetector {
  #online = false;
  readonly #listeners = new Set<() => void>();
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  notifyOnline(): void {
    for (const listener of this.#listeners) listener();
  }
  isOnline(): boolean {
    return this.#online;
  }
  turn(online: boolean): void {
    this.#online = online;
    if (online) this.notifyOnline();
  }
  dispose(): void {
    this.#listeners.clear();
  }
}

export function tanstack(): Subject {
  return {
    async open(name, origin) {
      const storage = new ToldStorage(name);
      const detector = new Switch();
      const operations = createCollection<ReturnType<typeof rowOf>, string>({
        id: "operations",
        getKey: ({ id }) => id,
        sync: { sync: ({ markReady }) => markReady() },
      });
      operations.startSyncImmediate();
      const executor = startOfflineExecutor({
        collections: { operations },
        storage,
        onlineDetector: detector,
        mutationFns: {
          async send({ transaction, idempotencyKey }) {
            const body = JSON.stringify({ key: idempotencyKey, operation: transaction.mutations[0]?.modified });
            const answer = await fetch(`${origin}/peer/rest`, { method: "POST", body });
            await answer.text();
          },
        },
      });
      await executor.waitForInit();
      if (!executor.isOfflineEnabled) throw new Error("TanStack is not the leader of its own page");
      const keys = async (): Promise<readonly string[]> => (await storage.keys()).filter((key) => key.startsWith("tx:"));
      const add = async (index: number): Promise<void> => {
        const stored = storage.stored();
        const transaction = executor.createOfflineTransaction({ mutationFnName: "send", autoCommit: false });
        transaction.mutate(() => operations.insert(rowOf(index)));
        transaction.commit().catch(() => undefined);
        await stored;
      };
      return {
        add,
        // Through the executor, 10,000 take minutes: copies of one that it has written itself.
        async fill(from, count) {
          await add(from);
          const [key = ""] = await keys();
          const text = (await storage.get(key)) ?? "";
          const { id, idempotencyKey, mutations } = JSON.parse(text) as {
            readonly id: string;
            readonly idempotencyKey: string;
            readonly mutations: readonly { readonly modified: { readonly id: string } }[];
          };
          const rowId = mutations[0]?.modified.id ?? "";
          const copies = Array.from({ length: count - 1 }, () => crypto.randomUUID());
          for (let done = 0; done < copies.length; done += 500) {
            await Promise.all(
              copies.slice(done, done + 500).map((copy) => {
                const other = text.replaceAll(id, copy).replaceAll(rowId, crypto.randomUUID());
                return storage.set(`tx:${copy}`, other.replaceAll(idempotencyKey, crypto.randomUUID()));
              }),
            );
          }
        },
        async send() {
          detector.turn(true);
          while ((await keys()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
          detector.turn(false);
        },
        stored: async () => (await keys()).length,
        async close() {
          executor.dispose();
        },
      };
    },
  };
}
