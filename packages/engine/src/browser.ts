/** `guardian-sync` in pages and workers. The engine itself knows no platform: this entry gives it one. */
import type { ProcessingModule } from "./engine/processing-keeper.ts";
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
  const load = (): Promise<ProcessingModule> => import("./engine/processing.ts");
  const platform = browserPlatform();
  // On its way while the database opens. Whether it arrives is looked after by the engine, which asks for it again.
  if (options.processing === undefined) load().catch(() => undefined);
  return openEngine(options, platform, load);
}
