/** What the demo's server tells the page about itself, and what the page may ask of it. */
export interface Faults {
  /** Added to every call of the sync face. */
  readonly latencyMs: number;
  /** Every call of the sync face is answered with 500, and nothing is done. */
  readonly failing: boolean;
  /** What is sent is done, and then the connection is cut. */
  readonly losingAnswers: boolean;
}

/** One thing that an operation changed, as the server's feed has it. */
export interface Effect {
  readonly seq: number;
  readonly kind: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  /** `phone`, `tablet`; `house` for what was there from the beginning; `unknown` when the server was started anew since. */
  readonly device: string;
  readonly operationId: string | null;
  /** The document after it; null: it was deleted. */
  readonly data: { readonly [field: string]: unknown } | null;
}

interface ServerDocument {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly data: { readonly [field: string]: unknown };
}

export interface DemoState {
  readonly documents: readonly ServerDocument[];
  /** How many effects there are in all: the end of the feed. */
  readonly effects: number;
  /** The latest ones, or those after the one that was asked for; in order. */
  readonly latest: readonly Effect[];
  /** Operations that came again after their answer had been lost, and were answered again but not done again. */
  readonly replays: number;
  readonly faults: Faults;
}

/** Calm enough to be seen: without it everything is over before anybody looks. */
export const NORMAL_LATENCY_MS = 180;
export const SLOW_LATENCY_MS = 2500;
export const DEVICE_HEADER = "X-Demo-Device";
