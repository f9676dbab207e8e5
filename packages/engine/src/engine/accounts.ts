import type { AccountTag } from "../ports/index.ts";
import type { EngineContext } from "./context.ts";
import type { KeptOperation } from "./kept.ts";
import { type Waiting, waitingOf } from "./left-behind.ts";
import type { PendingOperation } from "./pending.ts";

export interface LeaveOptions {
  /**
   * `send`: sends first, and says what stayed. `keep`: leaves everything as it is, encrypted, until this account signs in again.
   * `discard`: takes everything back, with a record.
   */
  readonly waiting: "send" | "keep" | "discard";
  /** Of `send`. Default 60 000. */
  readonly timeoutMs?: number;
  /** Of `discard`: written down with it. */
  readonly reason?: string;
}
export interface LeaveResult {
  /** Nothing stays behind that its person has not decided about: the app can sign them out. */
  readonly left: boolean;
  readonly remaining: Waiting;
  /** How many were taken back for certain. */
  readonly discarded: number;
  /** Why `send` could not send everything: as `drain` says it. */
  readonly reason?: string;
}

/** Who is signed in, and what becomes of their work when they go. It is the app that signs them out: its `session` says so. */
export interface Accounts {
  /** Asks the app's session for a new token, or for who is signed in now; lifts a pause that waited for it. */
  refresh(): Promise<void>;
  /** What would be left behind if the account signed out now. */
  waiting(): Promise<Waiting>;
  /** Prepares a sign-out. Rejects with `INVALID_OPERATION` without one of the three choices, and then nothing was done. */
  leave(options: LeaveOptions): Promise<LeaveResult>;
  /** All of it for reading, some at a time: as `pending.list` gives it, then what failed, is parked, conflicts or cannot be read. */
  unsent(): AsyncGenerator<readonly (PendingOperation | KeptOperation)[], void, undefined>;
}

interface LeavingDesk {
  leave(account: AccountTag, options: LeaveOptions): Promise<LeaveResult>;
  unsent: Accounts["unsent"];
}

/** `needed`: brings the code for the rest of it, which a page loads after it has begun. */
export function accountsOver(
  context: EngineContext,
  account: () => AccountTag,
  refresh: () => Promise<void>,
  needed: () => Promise<{ readonly leaving: LeavingDesk }>,
): Accounts {
  return {
    refresh,
    waiting: async () => waitingOf(context, account()),
    leave: async (options) => {
      // Whoever signs in meanwhile keeps theirs.
      const leaver = account();
      return (await needed()).leaving.leave(leaver, options);
    },
    async *unsent() {
      yield* (await needed()).leaving.unsent();
    },
  };
}
