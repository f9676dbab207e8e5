import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createSyncEngine, defineEntity, type SyncEngine, type SyncEngineOptions } from "guardian-sync";
import { sqliteStore } from "guardian-sync/sqlite";
import { newFolder } from "./folder.ts";

export interface BenchEngine {
  readonly sync: SyncEngine;
  readonly path: string;
  readonly close: () => Promise<void>;
}

export type BenchEngineOptions = Pick<SyncEngineOptions, "ordering" | "concurrency"> & { readonly maxOperations?: number };

/** An engine on a new queue file; it does not send unless `baseUrl` is given. */
export async function benchEngine(encrypted: boolean, baseUrl?: string, options: BenchEngineOptions = {}): Promise<BenchEngine> {
  const { maxOperations = 50, ...order } = options;
  const folder = newFolder();
  const path = join(folder.path, "queue.db");
  const sync = await createSyncEngine({
    store: sqliteStore({ path, encryption: encrypted ? { key: randomBytes(32) } : "none" }),
    backend: {
      baseUrl: baseUrl ?? "http://127.0.0.1:9",
      session: () => ({ account: { space: "bench", principal: "bench" }, token: "bench-token-0000" }),
    },
    entities: [defineEntity("device", { collection: "devices" }) as never],
    autoStart: baseUrl !== undefined,
    batch: { maxOperations },
    ...order,
    rateLimit: { requestsPerSecond: 1e6, burst: 1e6 },
  });
  return {
    sync,
    path,
    async close() {
      await sync.close();
      folder.remove();
    },
  };
}
