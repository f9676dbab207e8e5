/** `guardian-sync` on Node. The engine itself knows no platform: this entry gives it one. */
import * as processing from "./engine/processing.ts";
import type { SyncEngine } from "./engine/sync-engine.ts";
import { openEngine, type SyncEngineOptions } from "./open-engine.ts";
import { nodePlatform } from "./platform/node.ts";

export * from "./public.ts";

/**
 * Opens the queue and starts syncing.
 *
 * Rejects with a `SyncError`: `WRONG_KEY`, `STORE_NEWER`, `STORAGE_READ_ONLY`, `STORAGE_UNAVAILABLE`, `STORAGE_CORRUPT` (the file is then
 * untouched), or with `TypeError`/`RangeError` that names the option that is wrong.
 */
export function createSyncEngine(options: SyncEngineOptions): Promise<SyncEngine> {
  return openEngine(options, nodePlatform(), () => processing);
}
