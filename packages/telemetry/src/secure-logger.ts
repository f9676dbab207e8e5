import { type EpochMs, formatIso, isUuid } from "@guardian-sync/protocol";
import { LOG_LEVELS, type LogEvent, type Logger, type LogLevel, type LogRecord } from "./logger.ts";
import { redactPii } from "./redact-text.ts";

export interface SecureLoggerOptions {
  /** Gets redacted records only. What it throws is swallowed and counted. */
  readonly sink: (record: LogRecord) => void;
  readonly now: () => EpochMs;
  /** Lower levels go nowhere, not even into the ring. Default: `info`. */
  readonly level?: LogLevel;
  /** Records kept for "view logs". Default: 100. */
  readonly ringSize?: number;
}

const MAX_MSG_CHARS = 2000;
const MAX_FIELD_CHARS = 255;
const TEXT_FIELDS = ["trace_id", "operation_id", "operation_type", "entity_type", "code", "class"] as const;
const NUMBER_FIELDS = ["attempt", "duration_ms", "delay_ms"] as const;

/**
 * Stands before any sink: nothing reaches one unredacted. Only the known fields pass, of the known types, redacted and
 * cut; whatever else an event carries stays behind. Keeps the last records in memory.
 */
export class SecureLogger implements Logger {
  readonly #sink: (record: LogRecord) => void;
  readonly #now: () => EpochMs;
  readonly #lowest: number;
  readonly #ring: (LogRecord | undefined)[];
  #written = 0;
  #sinkFailures = 0;

  constructor(options: SecureLoggerOptions) {
    const { ringSize = 100 } = options;
    if (!Number.isInteger(ringSize) || ringSize < 0) throw new RangeError(`ringSize must be a whole number >= 0, got ${ringSize}`);
    this.#sink = options.sink;
    this.#now = options.now;
    this.#lowest = LOG_LEVELS.indexOf(options.level ?? "info");
    this.#ring = Array.from({ length: ringSize });
  }

  isEnabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#lowest;
  }

  debug(event: LogEvent): void {
    this.#write("debug", event);
  }
  info(event: LogEvent): void {
    this.#write("info", event);
  }
  warning(event: LogEvent): void {
    this.#write("warning", event);
  }
  error(event: LogEvent): void {
    this.#write("error", event);
  }
  fatal(event: LogEvent): void {
    this.#write("fatal", event);
  }

  /** The last records, oldest first. */
  ring(): readonly LogRecord[] {
    const size = this.#ring.length;
    const from = Math.max(0, this.#written - size);
    return Array.from({ length: this.#written - from }, (_, i) => this.#ring[(from + i) % size] as LogRecord);
  }

  /** How often the sink threw: the one failure that cannot be logged. */
  get sinkFailures(): number {
    return this.#sinkFailures;
  }

  #write(level: LogLevel, event: LogEvent): void {
    if (!this.isEnabled(level)) return;
    try {
      const record = clean(level, event, this.#now());
      if (this.#ring.length > 0) this.#ring[this.#written % this.#ring.length] = record;
      this.#written += 1;
      this.#sink(record);
    } catch {
      this.#sinkFailures += 1;
    }
  }
}

function clean(level: LogLevel, event: LogEvent, now: EpochMs): LogRecord {
  const record: Record<string, string | number> = {
    timestamp: formatIso(now),
    level,
    event_type: redacted(event.event_type, MAX_FIELD_CHARS),
    msg: redacted(event.msg, MAX_MSG_CHARS),
  };
  for (const field of TEXT_FIELDS) if (event[field] !== undefined) record[field] = redacted(event[field], MAX_FIELD_CHARS);
  for (const field of NUMBER_FIELDS) if (Number.isFinite(event[field])) record[field] = event[field] as number;
  return record as unknown as LogRecord;
}

function redacted(value: unknown, maxChars: number): string {
  if (isUuid(value)) return value;
  const text = typeof value === "string" ? value : "";
  // Redacted before it is cut: half an address is not recognised any more. A limit first, so that a huge text costs little.
  const safe = redactPii(text.length > 20_000 ? text.slice(0, 20_000) : text);
  return safe.length > maxChars ? `${safe.slice(0, maxChars - 1)}…` : safe;
}
