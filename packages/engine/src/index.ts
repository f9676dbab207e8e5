/** `guardian-sync` on Node. The engine itself knows no platform: this entry gives it one. */
import { MANDATED_METRICS } from "@guardian-sync/protocol";
import { MetricsRegistry, SILENT_LOGGER } from "@guardian-sync/telemetry";
import { createEngine } from "./engine/create.ts";
import type { EngineOptions, Platform } from "./engine/options.ts";
import type { SyncEngine } from "./engine/sync-engine.ts";
import { nodePlatform } from "./platform/node.ts";

export interface SyncEngineOptions extends EngineOptions {
  /** Any part of the platform, for tests and special networks. */
  readonly platform?: Partial<Platform>;
}

/**
 * Opens the queue and starts syncing.
 *
 * Rejects with a `SyncError`: `WRONG_KEY`, `STORE_NEWER`, `STORAGE_READ_ONLY`, `STORAGE_UNAVAILABLE`, `STORAGE_CORRUPT` (the file is then
 * untouched), or with `TypeError`/`RangeError` that names the option that is wrong.
 */
export function createSyncEngine(options: SyncEngineOptions): Promise<SyncEngine> {
  const telemetry = options.telemetry ?? { logger: SILENT_LOGGER, metrics: new MetricsRegistry(MANDATED_METRICS) };
  return createEngine({ ...options, telemetry }, { ...nodePlatform(), ...options.platform });
}

export { SyncError } from "@guardian-sync/protocol";
export type { SyncErrorCode } from "@guardian-sync/protocol";
export { account as conservationAccount, conserved } from "./core/conservation.ts";
export type { Session } from "./core/session.ts";
export {
  defineEntity,
  defineOperation,
  type EntityDefinition,
  type EntityRef,
  type OperationDefinition,
  type OperationOptions,
  type RequestTemplate,
  type StandardSchema,
} from "./engine/definitions.ts";
export type { SyncEvent, SyncEventType } from "./engine/events.ts";
export type { KeptOperation, Page, Selection } from "./engine/failed.ts";
export type { EnqueueInput, RunOptions } from "./engine/intake.ts";
export { Operation, type OperationStatus, type Settled, type VerdictKind } from "./engine/operation.ts";
export type { BackendOptions, EngineOptions, Platform } from "./engine/options.ts";
export type { EngineStatus } from "./engine/status.ts";
export { type DrainResult, SyncEngine } from "./engine/sync-engine.ts";
export type { StoreAdapter } from "./ports/index.ts";
