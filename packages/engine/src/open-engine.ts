/** What `createSyncEngine` does on every platform. */
import { MANDATED_METRICS } from "@guardian-sync/protocol";
import { MetricsRegistry, SILENT_LOGGER } from "@guardian-sync/telemetry";
import { createEngine } from "./engine/create.ts";
import type { EngineOptions, Platform } from "./engine/options.ts";
import type { LoadProcessing, ProcessingModule } from "./engine/processing-keeper.ts";
import type { SyncEngine } from "./engine/sync-engine.ts";

export interface SyncEngineOptions extends EngineOptions {
  /** Any part of the platform, for tests and special networks. */
  readonly platform?: Partial<Platform>;
  /** `guardian-sync/processing`, for a page or worker that loads nothing later, such as a service worker. */
  readonly processing?: ProcessingModule;
}

export function openEngine(options: SyncEngineOptions, platform: Platform, load: LoadProcessing): Promise<SyncEngine> {
  const { processing } = options;
  const telemetry = options.telemetry ?? { logger: SILENT_LOGGER, metrics: new MetricsRegistry(MANDATED_METRICS) };
  return createEngine({ ...options, telemetry }, { ...platform, ...options.platform }, processing === undefined ? load : () => processing);
}
