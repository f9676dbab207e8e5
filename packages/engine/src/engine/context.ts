import type { EpochMs } from "@guardian-sync/protocol";
import type { DurableQueue } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { Emitter, OperationEventFacts } from "./events.ts";
import type { Platform, Settings } from "./options.ts";
import type { Meters } from "./meters.ts";
import type { Watchers } from "./watchers.ts";

/** What every part of the shell works with. */
export interface EngineContext {
  readonly settings: Settings;
  readonly platform: Platform;
  readonly queue: DurableQueue;
  readonly events: Emitter;
  readonly watchers: Watchers;
  readonly meters: Meters;
}

export function nowOf(context: EngineContext): EpochMs {
  return context.platform.clock.now();
}

export function factsOf(operation: QueuedOperation): OperationEventFacts {
  const { id, type, entityType, traceId } = operation.content;
  return { operationId: id, seq: operation.seq, type, entityType, traceId };
}
