/** What the server needs from the world besides a database. Everything is injectable; the simulator gives virtual ones. */
import type { EpochMs } from "@guardian-sync/protocol";

export interface Timer {
  now(): EpochMs;
  /** Calls `fn` once after `delayMs`; the returned function cancels. */
  schedule(delayMs: number, fn: () => void): () => void;
}
