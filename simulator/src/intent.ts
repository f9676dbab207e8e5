import type { ADD } from "./domain.ts";

/** What a person wants done to one thing. */
export interface Intent {
  readonly type: "CREATE" | "UPDATE" | "DELETE" | typeof ADD;
  readonly entityType: "note" | "counter" | "board";
  readonly entityId: string;
  readonly payload: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** Stands in the payload and in no other; empty for a DELETE. */
  readonly marker: string;
  /** Given up when it was not sent so long after it was asked for. */
  readonly expiresInMs: number | null;
  /** The version that the person saw, where they looked. */
  readonly baseVersion: number | null;
  readonly lane?: string;
  readonly priority?: number;
  /** What a counter, or the score of a board, grows by. */
  readonly by: number;
}
