/** What every handler works with. Made once, at construction. */
import type { ErrorReporter, Logger } from "@guardian-sync/telemetry";
import type { FeedSignal } from "../core/feed-signal.ts";
import type { Registry } from "../core/registry.ts";
import type { Storage } from "../core/storage.ts";
import type { World } from "../ports.ts";
import type { ServerMetrics } from "./metrics.ts";

export interface Limits {
  readonly maxBodyBytes: number;
  readonly maxOperations: number;
  /** Items on a page when the caller does not say, and at most. */
  readonly pageItems: number;
  readonly maxPageItems: number;
  readonly maxWaitMs: number;
}

export interface Deps {
  readonly storage: Storage;
  readonly registry: Registry;
  readonly world: World;
  readonly limits: Limits;
  readonly feed: FeedSignal;
  readonly metrics: ServerMetrics;
  readonly logger: Logger;
  readonly reportError: ErrorReporter;
  readonly clockSkew: "report" | "refuse";
  /** Names what is made here: generations, request ids. */
  readonly newId: () => string;
}
