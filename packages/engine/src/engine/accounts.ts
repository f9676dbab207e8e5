import { SyncError } from "@guardian-sync/protocol";
import type { AccountTag } from "../ports/index.ts";
import { type EngineContext, nowOf } from "./context.ts";
import type { KeptOperation } from "./kept.ts";
import type { PendingOperation } from "./pending.ts";
import { oldestPendingAgeMs } from "./status.ts";

/** What of an account has not reached the server, by why. */
export interface Waiting {
  /** Waits its turn, or for another one. */
  readonly pending: number;
  /** May be under way. */
  readonly sealed: number;
  /** Refused. */
  readonly failed: number;
  readonly parked: number;
  readonly conflict: number;
  readonly quarantined: number;
  /** Of what is pending or sealed; null: nothing is. */
  readonly oldestPendingAgeMs: number | null;
}
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

/** What the rest of the engine does for a leave. */
export interface AccountsParts {
  /** @throws SyncError `NO_ACCOUNT` when nobody is signed in. */
  readonly account: () => AccountTag;
  readonly refresh: () => Promise<void>;
  readonly drain: (options: { readonly timeoutMs?: number }) => Promise<{ readonly empty: boolean; readonly reason?: string }>;
  readonly discard: (account: AccountTag, reason: string) => Promise<number>;
  readonly pending: (after: number) => Promise<readonly PendingOperation[]>;
  readonly kept: (after: number) => Promise<readonly KeptOperation[]>;
}

const CHOICES: ReadonlySet<unknown> = new Set<LeaveOptions["waiting"]>(["send", "keep", "discard"]);

/** Who is signed in, and what becomes of their work when they go. It is the app that signs them out: its `session` says so. */
export class Accounts {
  readonly #context: EngineContext;
  readonly #parts: AccountsParts;

  constructor(context: EngineContext, parts: AccountsParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** Asks the app's session for a new token, or for who is signed in now; lifts a pause that waited for it. */
  refresh(): Promise<void> {
    return this.#parts.refresh();
  }

  /** What would be left behind if the account signed out now. */
  async waiting(): Promise<Waiting> {
    return this.#waitingOf(this.#parts.account());
  }

  /** Prepares a sign-out. Rejects with `INVALID_OPERATION` without one of the three choices, and then nothing was done. */
  async leave({ waiting, timeoutMs, reason = "discarded at sign-out" }: LeaveOptions): Promise<LeaveResult> {
    if (!CHOICES.has(waiting))
      throw new SyncError(
        "INVALID_OPERATION",
        `auth.leave: waiting must be send, keep or discard, got ${String(waiting)}. Nothing was done.`,
      );
    // Whoever signs in meanwhile keeps theirs.
    const account = this.#parts.account();
    const sent = waiting === "send" ? await this.#parts.drain(timeoutMs === undefined ? {} : { timeoutMs }) : undefined;
    const discarded = waiting === "discard" ? await this.#parts.discard(account, reason) : 0;
    const remaining = await this.#waitingOf(account);
    const { oldestPendingAgeMs: _age, ...counts } = remaining;
    const isEmpty = Object.values(counts).every((count) => count === 0);
    return { left: waiting !== "send" || isEmpty, remaining, discarded, ...(sent?.reason === undefined ? {} : { reason: sent.reason }) };
  }

  /** All of it for reading, some at a time: as `pending.list` gives it, then what failed, is parked, conflicts or cannot be read. */
  async *unsent(): AsyncGenerator<readonly (PendingOperation | KeptOperation)[], void, undefined> {
    const { pending, kept } = this.#parts;
    yield* pages<PendingOperation | KeptOperation>(pending);
    yield* pages<PendingOperation | KeptOperation>(kept);
  }

  async #waitingOf(account: AccountTag): Promise<Waiting> {
    await this.#context.queue.appender.settle();
    const view = await this.#context.queue.view(account);
    const { pending, sealed, failed, parked, conflict, quarantined } = view.row.counts;
    const age = await oldestPendingAgeMs(view, nowOf(this.#context));
    return { pending, sealed, failed, parked, conflict, quarantined, oldestPendingAgeMs: age };
  }
}

async function* pages<T extends { readonly seq: number }>(
  read: (after: number) => Promise<readonly T[]>,
): AsyncGenerator<readonly T[], void, undefined> {
  for (let after = 0; ; ) {
    const page = await read(after);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last.seq;
  }
}
