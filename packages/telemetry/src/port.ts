import { type Logger, SILENT_LOGGER } from "./logger.ts";
import { type Metrics, NO_METRICS } from "./metrics-port.ts";

/** What an error report may say besides the error itself. Grouped by code and operation type. */
export interface ErrorContext {
  readonly code?: string;
  readonly operation_type?: string;
  readonly entity_type?: string;
  readonly trace_id?: string;
  readonly attempt?: number;
  /** The last transitions, oldest first. */
  readonly breadcrumbs?: readonly string[];
}
export type ErrorReporter = (error: unknown, context: ErrorContext) => void;

/** All that the engine and the server need to be observed. */
export interface Telemetry {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For permanent failures and engine faults; see `secureReporter`. */
  readonly reportError?: ErrorReporter;
}

/** Observes nothing. */
export const NO_TELEMETRY: Telemetry = { logger: SILENT_LOGGER, metrics: NO_METRICS };
