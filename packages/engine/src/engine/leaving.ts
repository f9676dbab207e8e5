import { SyncError } from "@guardian-sync/protocol";
import type { AccountTag, Phase } from "../ports/index.ts";
import type { LeaveOptions, LeaveResult } from "./accounts.ts";
import type { EngineContext } from "./context.ts";
import { discardAll } from "./discarding.ts";
import { FailedList } from "./failed.ts";
import type { KeptOperation } from "./kept.ts";
import { waitingOf } from "./left-behind.ts";
import { PendingList, type PendingOperation } from "./pending.ts";

const CHOICES: ReadonlySet<unknown> = new Set<LeaveOptions["waiting"]>(["send", "keep", "discard"]);
const AT_ONCE = 100;
/** What a sign-out leaves behind besides what waits. */
const STAYING: readonly Phase[] = ["failed", "parked", "conflict", "quarantined"];

/** What the engine does for a leave. */
export interface LeavingParts {
  /** @throws SyncError `NO_ACCOUNT` when nobody is signed in. */
  readonly account: () => AccountTag;
  readonly drain: (options: { readonly timeoutMs?: number }) => Promise<{ readonly empty: boolean; readonly reason?: string }>;
  readonly wake: () => void;
}

/** What becomes of the work of somebody who signs out: see `Accounts`. */
export class Leaving {
  readonly #context: EngineContext;
  readonly #parts: LeavingParts;

  constructor(context: EngineContext, parts: LeavingParts) {
    this.#context = context;
    this.#parts = parts;
  }

  async leave(account: AccountTag, options: LeaveOptions): Promise<LeaveResult> {
    const { waiting, timeoutMs, reason = "discarded at sign-out" } = options;
    if (!CHOICES.has(waiting)) {
      const text = `auth.leave: waiting must be send, keep or discard, got ${String(waiting)}. Nothing was done.`;
      throw new SyncError("INVALID_OPERATION", text);
    }
    const sent = waiting === "send" ? await this.#parts.drain(timeoutMs === undefined ? {} : { timeoutMs }) : undefined;
    const discarded = waiting === "discard" ? await this.#discard(account, reason) : 0;
    const remaining = await waitingOf(this.#context, account);
    const { oldestPendingAgeMs: _age, ...counts } = remaining;
    const isEmpty = Object.values(counts).every((count) => count === 0);
    return { left: waiting !== "send" || isEmpty, remaining, discarded, ...(sent?.reason === undefined ? {} : { reason: sent.reason }) };
  }

  async *unsent(): AsyncGenerator<readonly (PendingOperation | KeptOperation)[], void, undefined> {
    const account = this.#parts.account();
    const pending = new PendingList(this.#context, () => account);
    yield* pages<PendingOperation | KeptOperation>((after) => pending.list({ after, limit: AT_ONCE }));
    yield* pages<PendingOperation | KeptOperation>((after) => this.#keptOf(account).list({ after, limit: AT_ONCE }, STAYING));
  }

  async #discard(account: AccountTag, reason: string): Promise<number> {
    const discarded = await discardAll(this.#context, account, this.#keptOf(account), reason);
    this.#parts.wake();
    return discarded;
  }

  #keptOf(account: AccountTag): FailedList {
    return new FailedList(this.#context, () => account, this.#parts.wake);
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
