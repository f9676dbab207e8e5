import type { EpochMs } from "@guardian-sync/protocol";
import type { Clock } from "../ports/index.ts";
import type { DurableQueue } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { Emitter, OperationEventFacts } from "./events.ts";
import type { Platform, Settings } from "./options.ts";
import type { Meters } from "./meters.ts";
import type { Watchers } from "./watchers.ts";

/** What the decisions of a person need: an operator's tool has a queue and a clock, and nobody who listens. */
export interface DeskContext {
  readonly platform: { readonly clock: Clock };
  readonly queue: DurableQueue;
  readonly events: Pick<Emitter, "emit">;
  readonly watchers: Pick<Watchers, "tell">;
}

/** What every part of the shell works with. */
export interface EngineContext extends DeskContext {
  readonly settings: Settings;
  readonly platform: Platform;
  readonly events: Emitter;
  readonly watchers: Watchers;
  readonly meters: Meters;
}

export function nowOf(context: Pick<DeskContext, "platform">): EpochMs {
  return context.platform.clock.now();
}

export function factsOf(operation: QueuedOperation): OperationEventFacts {
  const { id, type, entityType, traceId } = operation.content;
  return { operationId: id, seq: operation.seq, type, entityType, traceId };
}
