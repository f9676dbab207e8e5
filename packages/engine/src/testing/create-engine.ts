import { createEngine as create } from "../engine/create.ts";
import type { EngineOptions, Platform } from "../engine/options.ts";
import * as processing from "../engine/processing.ts";
import type { LoadProcessing } from "../engine/processing-keeper.ts";
import type { SyncEngine } from "../engine/sync-engine.ts";

/** An engine on any platform. Its code is all there, unless `load` says otherwise: virtual time waits for nothing real. */
export function createEngine(options: EngineOptions, platform: Platform, load: LoadProcessing = () => processing): Promise<SyncEngine> {
  return create(options, platform, load);
}
