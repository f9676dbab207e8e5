import type { EpochMs } from "@guardian-sync/protocol";
import type { LogLevel } from "./logger.ts";
import { SecureLogger } from "./secure-logger.ts";

export interface JsonLoggerOptions {
  /** Gets one line of JSON without its line break. */
  readonly sink: (line: string) => void;
  readonly now: () => EpochMs;
  readonly level?: LogLevel;
  readonly ringSize?: number;
}

/** A logger that writes JSON lines, redacted. */
export function createJsonLogger(options: JsonLoggerOptions): SecureLogger {
  const { sink, ...rest } = options;
  return new SecureLogger({ ...rest, sink: (record) => sink(JSON.stringify(record)) });
}
