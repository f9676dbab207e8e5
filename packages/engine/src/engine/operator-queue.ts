import { type ExportedStatus, type PendingOp, SyncError } from "@guardian-sync/protocol";
import { cooldownRemainingMs, parseBreaker } from "../core/breaker.ts";
import { BREAKER_DEFAULTS } from "../core/breaker-options.ts";
import { conserved } from "../core/conservation.ts";
import type { AccountTag, Clock, Counts, IntegrityReport, LockRow, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { noteAction, type OperatorAction, readActions } from "../queue/operator-log.ts";
import type { AccountIdentity, DurableQueue } from "../queue/queue.ts";
import { rebuildIndex, type RebuildReport, verifyIndex } from "../queue/rebuild.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { DeskContext } from "./context.ts";
import { exportedStatus, pendingOpOf } from "./exported.ts";
import { FailedList } from "./failed.ts";
import { forceReleaseLock } from "./lock-release.ts";
import { liftPause, type Pause, putPause } from "./standing-pause.ts";
import { oldestPendingAgeMs } from "./left-behind.ts";

/** One account of a queue file, as an operator sees it. */
export interface QueueStatus {
  readonly account: AccountIdentity;
  readonly counts: Counts;
  /** Whether the conservation law holds on the counts. It always should. */
  readonly conserved: boolean;
  /** Age of the oldest operation that still waits; null when none does. */
  readonly oldestPendingAgeMs: number | null;
  readonly paused: { readonly reason: string; readonly by: string; readonly at: number } | null;
  /** As it was last written down, with the cooldown of the default options. */
  readonly breaker: { readonly state: "closed" | "open" | "half_open"; readonly cooldownRemainingMs: number };
  /** Nothing is sent before (backoff, Retry-After). Epoch ms; null = nothing is known to hold it back. */
  readonly nextAttemptAt: number | null;
}

export interface ExportSelection {
  /** Operations after this seq. */
  readonly after?: number;
  /** At most this many in all. */
  readonly limit?: number;
  /** Default: everything that is still in the file. */
  readonly statuses?: readonly ExportedStatus[];
}

const PAGE = 500;
/** A page is read again when the queue moved under it; a queue that never rests is shown as it was met. */
const PAGE_TRIES = 5;

/** A queue file in the hands of an operator: everything but sending. Apps may have it open meanwhile. */
export class OperatorQueue {
  readonly #context: DeskContext;
  readonly #queue: DurableQueue;
  readonly #by: string;

  constructor(context: DeskContext, by: string) {
    this.#context = context;
    this.#queue = context.queue;
    this.#by = by;
  }

  /** The accounts that ever signed in here. */
  async accounts(): Promise<readonly AccountIdentity[]> {
    const views = await this.#queue.accounts();
    return views.map(({ detail: { space, principal } }) => ({ space, principal }));
  }

  async status(account: AccountIdentity): Promise<QueueStatus> {
    const view = await this.#view(account);
    const now = this.#now();
    const { detail, global, row } = view;
    const origin = await this.#queue.origin();
    const breaker = parseBreaker(origin?.breaker, BREAKER_DEFAULTS);
    const until = Math.max(global.dueAt, origin?.holdUntil ?? 0);
    return {
      account: { space: detail.space, principal: detail.principal },
      counts: row.counts,
      conserved: conserved(row.counts).ok,
      oldestPendingAgeMs: await oldestPendingAgeMs(view, now),
      paused: detail.pause ?? null,
      breaker: { state: breaker.kind, cooldownRemainingMs: cooldownRemainingMs(breaker, now, BREAKER_DEFAULTS) },
      nextAttemptAt: until > now ? until : null,
    };
  }

  /**
   * What is still in the file, in order, in pages of at most 500. Each page is one moment of the queue; between pages an app may
   * go on, so that an operation may move or settle, but none appears twice.
   */
  async *export(account: AccountIdentity, selection: ExportSelection = {}): AsyncGenerator<readonly PendingOp[], void, undefined> {
    const { after = 0, statuses } = selection;
    const wanted = statuses === undefined ? undefined : new Set(statuses);
    let left = selection.limit ?? Number.POSITIVE_INFINITY;
    let from = (after + 1) as Seq;
    while (left > 0) {
      const { operations, next } = await this.#page(account, from);
      if (next === from) return;
      from = next;
      const page = operations
        // Their rows only keep them from being read as pending.
        .filter((operation) => operation.phase !== "cancelled" && wanted?.has(exportedStatus(operation)) !== false)
        .slice(0, left)
        .map(pendingOpOf);
      left -= page.length;
      if (page.length > 0) yield page;
    }
  }

  /** Failed, parked and archived operations of an account. */
  failed(account: AccountIdentity): FailedList {
    return new FailedList(
      this.#context,
      () => this.#queue.accountTag(account),
      () => {},
    );
  }

  /** Holds an account back until `resume`, across restarts of the app. */
  async pause(account: AccountIdentity, reason: string): Promise<void> {
    await this.#view(account);
    await putPause(this.#context, this.#queue.accountTag(account), { reason, by: this.#by });
    await this.note("pause", account, { reason });
  }

  /** Lifts a pause, also one that the engine made. Resolves with it; undefined: there was none. */
  async resume(account: AccountIdentity): Promise<Pause | undefined> {
    const lifted = await liftPause(this.#context, this.#queue.accountTag(account));
    if (lifted !== undefined) await this.note("resume", account, { detail: `it was paused: ${lifted.reason}` });
    return lifted;
  }

  /** Whoever processes this file; undefined: nobody ever did. */
  lock(): Promise<LockRow | undefined> {
    return this.#queue.opened.store.readLock();
  }

  /** Raises the fence: the holder's next write is refused, and it stops. Resolves with the row that was there. */
  async forceReleaseLock(reason: string): Promise<LockRow | undefined> {
    if (typeof reason !== "string" || reason === "") throw new TypeError("forceReleaseLock needs a reason: it is recorded");
    const row = await forceReleaseLock(this.#context);
    const [account] = await this.accounts();
    if (row !== undefined && account !== undefined) {
      await this.note("lock release", account, { reason, detail: `owner ${row.owner}, fence ${row.fence}` });
    }
    return row;
  }

  /** Recomputes lanes and counts from what is stored, and repairs what differs. */
  rebuildIndex(account: AccountIdentity): Promise<RebuildReport> {
    return rebuildIndex(this.#queue, this.#queue.accountTag(account));
  }

  /** What `rebuildIndex` would repair. */
  verifyIndex(account: AccountIdentity): Promise<RebuildReport> {
    return verifyIndex(this.#queue, this.#queue.accountTag(account));
  }

  checkIntegrity(): Promise<IntegrityReport> {
    return this.#queue.opened.store.checkIntegrity();
  }

  sizeBytes(): Promise<number> {
    return this.#queue.opened.store.sizeBytes();
  }

  /** What operators did to this file, the oldest first. */
  actions(): Promise<readonly OperatorAction[]> {
    return readActions(this.#queue);
  }

  /** Writes down what an operator did: who and when are added. */
  async note(
    action: string,
    account: AccountIdentity,
    facts: { readonly reason?: string | undefined; readonly detail?: string } = {},
  ): Promise<void> {
    const { reason, detail } = facts;
    await noteAction(this.#queue, this.#queue.accountTag(account), {
      at: this.#now(),
      action,
      by: this.#by,
      ...(reason === undefined ? {} : { reason }),
      ...(detail === undefined ? {} : { detail }),
    });
  }

  close(): Promise<void> {
    return this.#queue.opened.store.close();
  }

  async #page(account: AccountIdentity, from: Seq): Promise<{ readonly operations: readonly QueuedOperation[]; readonly next: Seq }> {
    const tag = this.#queue.accountTag(account);
    for (let tries = 1; ; tries++) {
      const view = await this.#queue.view(tag);
      const page = await view.from(from, PAGE);
      if (tries === PAGE_TRIES || (await this.#revision(tag)) === view.row.revision) return page;
    }
  }

  async #revision(account: AccountTag): Promise<number> {
    return (await this.#queue.opened.store.readAccount(account))?.revision ?? 0;
  }

  async #view(account: AccountIdentity): Promise<AccountView> {
    const view = await this.#queue.view(this.#queue.accountTag(account));
    if (view.detail.clientId === "")
      throw new SyncError("NOT_FOUND", `The queue file has no account ${account.space}/${account.principal}.`);
    return view;
  }

  #now(): ReturnType<Clock["now"]> {
    return this.#context.platform.clock.now();
  }
}
