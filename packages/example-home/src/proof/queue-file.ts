/** How a process of the proof opens its queue: one file, one key, the home's definitions. */
import { createSyncEngine, type EngineOptions, type SyncEngine, type SyncEngineOptions } from "guardian-sync";
import { sqliteStore } from "guardian-sync/sqlite";
import { device, recordHeartRate, sessionOf } from "./home.ts";

export interface QueueFile {
  readonly path: string;
  /** 32 bytes in hex. */
  readonly keyHex: string;
  readonly baseUrl: string;
  readonly space: string;
  readonly principal: string;
}

/** Options that travel to a child process as JSON. */
export type Tuning = Pick<EngineOptions, "backoff" | "breaker" | "lock" | "batch" | "rateLimit" | "autoStart">;

/** Fast enough for a test, and never in the way of a fault: waits are short, and the breaker stays closed. */
export const IMPATIENT: Tuning = {
  backoff: { baseMs: 10, maxDelayMs: 100 },
  breaker: { failureThreshold: 1_000_000 },
  rateLimit: { requestsPerSecond: 100_000, burst: 100_000 },
};

export function openQueue(file: QueueFile, options: Partial<SyncEngineOptions> = {}): Promise<SyncEngine> {
  return createSyncEngine({
    store: sqliteStore({ path: file.path, encryption: { key: Buffer.from(file.keyHex, "hex") } }),
    backend: { baseUrl: file.baseUrl, session: () => sessionOf(file.space, file.principal) },
    entities: [device],
    operations: [recordHeartRate],
    // Each operation has an effect of its own, so that effects can be counted.
    coalesce: false,
    ...options,
  });
}
