/** `guardian-sync` in pages and workers. The engine itself knows no platform: this entry gives it one. */
import type { SyncEngine } from "./engine/sync-engine.ts";
import { openEngine, type SyncEngineOptions } from "./open-engine.ts";
import { browserPlatform } from "./platform/browser.ts";

export * from "./public.ts";

/**
 * Opens the queue and starts syncing. What sends is a chunk of its own, which this call begins to load.
 *
 * Rejects with a `SyncError`: `WRONG_KEY`, `STORE_NEWER`, `STORAGE_READ_ONLY`, `STORAGE_UNAVAILABLE`, `STORAGE_CORRUPT` (the database is then
 * untouched), or with `TypeError`/`RangeError` that names the option that is wrong.
 */
export async function createSyncEngine(options: SyncEngineOptions): Promise<SyncEngine> {
  return openEngine(options, browserPlatform(), () => import("./engine/processing.ts"));
}
