export const LOG_LEVELS = ["debug", "info", "warning", "error", "fatal"] as const;
/**
 * fatal: an engine fault. error: somebody should look (permanent failures). warning: transient failures, retries.
 * info: life cycle, lock. debug: flow and redacted request lines, development only.
 */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One thing that happened. The fields are closed: there is no place for a payload, a token, a name or an address. */
export interface LogEvent {
  /** `operation_sealed`, `lock_acquired`: snake_case, from a list that the emitter keeps. */
  readonly event_type: string;
  readonly msg: string;
  readonly trace_id?: string | undefined;
  readonly operation_id?: string | undefined;
  readonly operation_type?: string | undefined;
  readonly entity_type?: string | undefined;
  readonly attempt?: number | undefined;
  readonly duration_ms?: number | undefined;
  readonly code?: string | undefined;
  readonly class?: string | undefined;
  readonly delay_ms?: number | undefined;
}

/** A line of the log, as sinks get it. */
export interface LogRecord extends LogEvent {
  /** ISO 8601 in UTC. */
  readonly timestamp: string;
  readonly level: LogLevel;
}

/** Where log events go. None of the calls throws. */
export interface Logger {
  /** Whether events of this level go anywhere; absent = they may. Saves making those that come by the thousand. */
  isEnabled?(level: LogLevel): boolean;
  debug(event: LogEvent): void;
  info(event: LogEvent): void;
  warning(event: LogEvent): void;
  error(event: LogEvent): void;
  fatal(event: LogEvent): void;
}

/** Says nothing. */
export const SILENT_LOGGER: Logger = { isEnabled: () => false, debug() {}, info() {}, warning() {}, error() {}, fatal() {} };
