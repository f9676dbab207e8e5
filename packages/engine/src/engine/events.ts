import type { EpochMs, SyncErrorCode } from "@guardian-sync/protocol";
import type { Seq } from "../ports/index.ts";

export interface OperationEventFacts {
  readonly operationId: string;
  readonly seq: Seq;
  readonly type: string;
  readonly entityType: string;
  readonly traceId: string;
}
interface FailureFacts {
  readonly code: SyncErrorCode | (string & {});
  readonly status?: number;
}

/** What the engine tells while it works. No event holds a payload, an id of a person or a token. */
export type SyncEvent = { readonly at: EpochMs } & (
  | { readonly type: "enqueued" | "sealed" | "cancelled" | "quarantined" | "rolledback"; readonly operation: OperationEventFacts }
  | {
      readonly type: "folded";
      readonly operation: OperationEventFacts;
      /** The id of the operation that it travels with, whose events are its own from here on; null: it has met its DELETE, and both have ended. */
      readonly into: string | null;
    }
  | {
      readonly type: "succeeded";
      readonly operation: OperationEventFacts;
      readonly outcome: string;
      readonly replayed: boolean;
      readonly processingMs: number;
      readonly version?: number;
    }
  | ({
      readonly type: "retried";
      readonly operation: OperationEventFacts;
      readonly attempt: number;
      readonly delayMs: number;
    } & FailureFacts)
  | ({ readonly type: "failed" | "parked" | "conflict"; readonly operation: OperationEventFacts; readonly attempts: number } & FailureFacts)
  | {
      readonly type: "resolved";
      readonly operation: OperationEventFacts;
      /** What of it goes on: all of it, what a merge left of it, or nothing. */
      readonly choice: "mine" | "merged" | "theirs";
      readonly by: "rule" | "person";
    }
  | { readonly type: "paused"; readonly reason: string; readonly by: "engine" | "operator" }
  | { readonly type: "resumed"; readonly by: "engine" | "operator" }
  | { readonly type: "waiting"; readonly reason: string; readonly untilMs: EpochMs | null; readonly delayMs: number | null }
  | { readonly type: "breaker"; readonly state: "closed" | "open" | "half_open"; readonly cooldownMs: number }
  | { readonly type: "lock"; readonly change: "acquired" | "taken_over" | "forced" | "lost" | "released"; readonly fence: number }
  | { readonly type: "auth"; readonly change: "refreshed" | "required" | "signed_in" | "signed_out" }
  | { readonly type: "security"; readonly code: string }
  | { readonly type: "connection"; readonly online: boolean }
  | { readonly type: "notice"; readonly code: string; readonly message: string }
  | { readonly type: "alert"; readonly code: string; readonly message: string }
);
export type SyncEventType = SyncEvent["type"];
/** The event of one type; several types may share a shape. */
export type EventOf<T extends SyncEventType> = SyncEvent extends infer E
  ? E extends { readonly type: infer U }
    ? T extends U
      ? Omit<E, "type"> & { readonly type: T }
      : never
    : never
  : never;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type NewSyncEvent = DistributiveOmit<SyncEvent, "at">;

/** Iterators hold at most this many events; a slower reader is told how many it missed. */
const ITERATOR_BUFFER = 1000;

/** Typed events for listeners and `for await`. A listener that throws harms neither the engine nor the others. */
export class Emitter {
  readonly #listeners = new Map<SyncEventType | "*", Set<(event: SyncEvent) => void>>();
  readonly #now: () => EpochMs;
  readonly #onHandlerError: (error: unknown) => void;
  #closed = false;
  readonly #closers = new Set<() => void>();

  constructor(now: () => EpochMs, onHandlerError: (error: unknown) => void) {
    this.#now = now;
    this.#onHandlerError = onHandlerError;
  }

  /** Returns the end of the subscription. */
  on<T extends SyncEventType>(type: T, listener: (event: EventOf<T>) => void): () => void;
  on(type: "*", listener: (event: SyncEvent) => void): () => void;
  on(type: SyncEventType | "*", listener: (event: never) => void): () => void {
    const set = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, set);
    const entry = listener as (event: SyncEvent) => void;
    set.add(entry);
    return () => set.delete(entry);
  }

  /** Whether telling would reach anybody: for events that come by the thousand. */
  isHeard(type: SyncEventType): boolean {
    return (this.#listeners.get(type)?.size ?? 0) + (this.#listeners.get("*")?.size ?? 0) > 0;
  }

  emit(event: NewSyncEvent): void {
    const specific = this.#listeners.get(event.type);
    const all = this.#listeners.get("*");
    if (!this.isHeard(event.type)) return;
    const stamped = { ...event, at: this.#now() } as SyncEvent;
    for (const listener of [...(specific ?? []), ...(all ?? [])]) {
      try {
        listener(stamped);
      } catch (error) {
        this.#onHandlerError(error);
      }
    }
  }

  /** Events from now on. Ends when the engine stops for good or the loop is left. */
  async *iterate(): AsyncGenerator<SyncEvent, void, undefined> {
    const waiting: SyncEvent[] = [];
    let missed = 0;
    let wake: (() => void) | undefined;
    let ended = this.#closed;
    const end = (): void => {
      ended = true;
      wake?.();
    };
    const off = this.on("*", (event) => {
      if (waiting.length >= ITERATOR_BUFFER) missed += 1;
      else waiting.push(event);
      wake?.();
    });
    this.#closers.add(end);
    try {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else if (missed > 0) {
          const count = missed;
          missed = 0;
          yield {
            type: "notice",
            code: "EVENTS_MISSED",
            message: `This reader was too slow: ${count} events were left out.`,
            at: this.#now(),
          };
        } else if (ended) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        wake = undefined;
      }
    } finally {
      off();
      this.#closers.delete(end);
    }
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#closers) end();
    this.#listeners.clear();
  }
}
