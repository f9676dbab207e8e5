import type { LogEvent, Logger, LogLevel } from "@guardian-sync/telemetry";
import type { Emitter, SyncEvent, SyncEventType } from "./events.ts";

type Level = LogLevel;

/** Come by the thousand, and only a developer looks at them. */
const FREQUENT: readonly SyncEventType[] = ["enqueued", "sealed", "succeeded", "rolledback", "waiting"];
const RARE: readonly SyncEventType[] = [
  "failed",
  "parked",
  "conflict",
  "resolved",
  "cancelled",
  "quarantined",
  "retried",
  "paused",
  "resumed",
  "breaker",
  "lock",
  "auth",
  "security",
  "connection",
  "notice",
  "alert",
];

/** Writes what the engine tells into the log: ids, types and codes, never content. */
export function logEvents(events: Emitter, logger: Logger): void {
  const write = (event: SyncEvent): void => logger[levelOf(event)](entryOf(event));
  if (logger.isEnabled?.("fatal") === false) return;
  for (const type of RARE) events.on(type, write);
  if (logger.isEnabled?.("debug") === false) return;
  for (const type of FREQUENT) events.on(type, write);
}

function levelOf(event: SyncEvent): Level {
  switch (event.type) {
    case "failed":
    case "parked":
    case "quarantined":
    case "security":
    case "alert":
      return "error";
    case "conflict":
    case "retried":
    case "paused":
    case "notice":
      return "warning";
    case "breaker":
      return event.state === "open" ? "warning" : "info";
    case "lock":
      return event.change === "taken_over" || event.change === "forced" || event.change === "lost" ? "warning" : "info";
    case "cancelled":
    case "resolved":
    case "resumed":
    case "auth":
    case "connection":
      return "info";
    case "enqueued":
    case "folded":
    case "sealed":
    case "succeeded":
    case "rolledback":
    case "waiting":
      return "debug";
    default:
      return event satisfies never;
  }
}

/** Names of engine-wide events stand for themselves; those of operations carry which one. */
function entryOf(event: SyncEvent): LogEvent {
  if ("operation" in event) {
    const { operationId, type, entityType, traceId } = event.operation;
    return {
      event_type: `operation_${event.type}`,
      msg: `${type} ${entityType}: ${event.type}`,
      trace_id: traceId,
      operation_id: operationId,
      operation_type: type,
      entity_type: entityType,
      ...("code" in event ? { code: event.code } : {}),
      ...("attempt" in event ? { attempt: event.attempt } : {}),
      ...("delayMs" in event ? { delay_ms: event.delayMs } : {}),
      ...("processingMs" in event ? { duration_ms: Math.round(event.processingMs) } : {}),
    };
  }
  return { event_type: event.type, msg: wordsOf(event), ...("code" in event ? { code: event.code } : {}) };
}

function wordsOf(event: Exclude<SyncEvent, { readonly operation: unknown }>): string {
  switch (event.type) {
    case "paused":
      return `Paused by the ${event.by}: ${event.reason}`;
    case "resumed":
      return `Resumed by the ${event.by}`;
    case "waiting":
      return `Waiting: ${event.reason}`;
    case "breaker":
      return `Circuit breaker ${event.state}`;
    case "lock":
      return `Processing lock ${event.change}, fence ${event.fence}`;
    case "auth":
      return `Sign-in ${event.change}`;
    case "security":
      return "The connection cannot be trusted; nothing is sent";
    case "connection":
      return event.online ? "The network came" : "The network went";
    case "notice":
    case "alert":
      return event.message;
    default:
      return event satisfies never;
  }
}
