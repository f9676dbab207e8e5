import { beat, decideLock, giveBack, holderDuty, isOwn, type Observation } from "../core/lease.ts";
import type { LockRow, MonotonicMs } from "../ports/index.ts";
import type { Lease } from "../queue/queue.ts";
import { codeOf } from "./code-of.ts";
import type { EngineContext } from "./context.ts";
import { forceReleaseLock } from "./lock-release.ts";

/** While somebody else has the lock: how soon a death that freed the fast lock is noticed. */
const LOOK_EVERY_MS = 500;
/**
 * Who got the lease while a rival just tried the fast lock holds only the lease, and would be missed for the whole stale time if it
 * died so. The rival gives the fast lock back at once: it is asked for again after this long, then after twice as long.
 */
const FAST_LOCK_RETRY_MS = 20;

export type LockAnswer =
  | { readonly held: true; readonly lease: Lease }
  | { readonly held: false; readonly reason: "another_process" | "lock_not_renewed"; readonly lookAgainInMs: number };

/** What the lock is held for: it is given back when nothing needs it any more. */
export type LockUse = "send" | "pull";

/** Holds the processing lock while there is work, and knows when it no longer does. */
export class LockKeeper {
  readonly #context: EngineContext;
  readonly #uses = new Set<LockUse>();
  #ensuring: Promise<LockAnswer> | undefined;
  #lease: Lease | undefined;
  #observed: Observation | undefined;
  #renewedAt = 0 as MonotonicMs;
  #hasFastLock = false;
  #fastLockRetryMs = FAST_LOCK_RETRY_MS;
  #cancelBeat: (() => void) | undefined;
  #beating: Promise<void> | undefined;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  /**
   * Takes the lock if it can be had now. A holder that has not renewed for long renews first, and may learn that it lost; if it cannot
   * renew, somebody else is about to take over, and it starts nothing.
   */
  ensure(use: LockUse): Promise<LockAnswer> {
    this.#uses.add(use);
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  async #ensure(): Promise<LockAnswer> {
    if (this.#lease !== undefined && !this.#duty().mayStartSends) await this.#beat();
    const { queue, platform, settings } = this.#context;
    if (this.#lease !== undefined && this.#duty().mayStartSends) return { held: true, lease: this.#lease };
    if (this.#lease !== undefined) return { held: false, reason: "lock_not_renewed", lookAgainInMs: settings.lock.heartbeatMs };
    const { store, fastLock } = queue.opened;
    if (!this.#hasFastLock && fastLock !== null) this.#hasFastLock = await fastLock.tryAcquire();
    const row = await store.readLock();
    const decision = decideLock({
      row,
      observed: this.#observed,
      now: platform.clock.monotonic(),
      wallNow: platform.clock.now(),
      self: { owner: platform.owner, leaseId: queue.newUuid() },
      holding: undefined,
      gotFastLock: this.#hasFastLock,
      options: settings.lock,
    });
    if (decision.kind === "acquire" && (await store.writeLock(decision.expected, decision.next))) {
      this.#lease = { fence: decision.next.fence, leaseId: decision.next.leaseId };
      this.#renewedAt = platform.clock.monotonic();
      this.#observed = undefined;
      this.#fastLockRetryMs = FAST_LOCK_RETRY_MS;
      this.#scheduleBeat();
      this.#context.events.emit({ type: "lock", change: decision.isTakeover ? "taken_over" : "acquired", fence: decision.next.fence });
      return { held: true, lease: this.#lease };
    }
    if (decision.kind === "wait") this.#observed = decision.observed;
    // Its holder lives, and needs it to be replaceable at once.
    await this.#dropFastLock();
    const recheckInMs = decision.kind === "wait" ? decision.recheckInMs : LOOK_EVERY_MS;
    return { held: false, reason: "another_process", lookAgainInMs: Math.min(LOOK_EVERY_MS, recheckInMs) };
  }

  /** Gives the lock back, durably, unless something else needs it. */
  async release(use: LockUse): Promise<void> {
    this.#uses.delete(use);
    if (this.#uses.size > 0) return;
    const lease = this.#lease;
    // First, so that a heartbeat under way is the last.
    this.#lease = undefined;
    this.#cancelBeat?.();
    await this.#beating;
    if (lease !== undefined) {
      const { store } = this.#context.queue.opened;
      const row = await store.readLock();
      if (row !== undefined && isOwn(row, lease)) await store.writeLock({ fence: row.fence, beats: row.beats }, giveBack(row));
      this.#context.events.emit({ type: "lock", change: "released", fence: lease.fence });
    }
    await this.#dropFastLock();
  }

  /**
   * For a page that is about to freeze: frees the fast lock in this very turn, and leaves the store alone. A frozen page finishes no
   * transaction, and one that it leaves open keeps every other tab out. The row still says that its owner has the fast lock, so
   * whoever gets that takes over at once; what is written under the lease until then is written. Without a fast lock
   * there is nothing that could be done in time.
   */
  letGo(): void {
    if (!this.#hasFastLock) return;
    this.#hasFastLock = false;
    this.#cancelBeat?.();
    this.#uses.clear();
    this.#context.queue.opened.fastLock
      ?.release()
      .catch((error: unknown) => this.#warn("lock_release_failed", "The fast lock could not be freed.", error));
    if (this.#lease !== undefined) this.#context.events.emit({ type: "lock", change: "released", fence: this.#lease.fence });
    this.#lease = undefined;
  }

  /** The store refused a write of ours: somebody else processes now. */
  async lost(): Promise<void> {
    this.#cancelBeat?.();
    if (this.#lease === undefined) return;
    this.#context.events.emit({ type: "lock", change: "lost", fence: this.#lease.fence });
    this.#lease = undefined;
    await this.#dropFastLock();
  }

  /** For operators: whoever holds it is refused from here on. Returns the row that was there. */
  async forceRelease(): Promise<LockRow | undefined> {
    const row = await forceReleaseLock(this.#context);
    if (row !== undefined && this.#lease !== undefined) await this.lost();
    return row;
  }

  #duty(): ReturnType<typeof holderDuty> {
    return holderDuty(this.#renewedAt, this.#context.platform.clock.monotonic(), this.#context.settings.lock);
  }

  #scheduleBeat(): void {
    this.#cancelBeat?.();
    const { queue, platform, settings } = this.#context;
    let delayMs = settings.lock.heartbeatMs;
    if (!this.#hasFastLock && queue.opened.fastLock !== null) {
      delayMs = Math.min(delayMs, this.#fastLockRetryMs);
      this.#fastLockRetryMs *= 2;
    }
    this.#cancelBeat = platform.clock.schedule(delayMs, () => {
      this.#beating = this.#beat().finally(() => {
        this.#beating = undefined;
      });
    });
  }

  /** Never rejects: a heartbeat that fails leaves the lease as old as it is, and age stops the sends. */
  async #beat(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) return;
    const { queue, platform } = this.#context;
    const { store, fastLock } = queue.opened;
    try {
      const row = await store.readLock();
      // Let go meanwhile: the fast lock must not be taken again.
      if (this.#lease !== lease) return;
      if (row === undefined || !isOwn(row, lease)) return await this.lost();
      // Who took over by staleness gets the fast lock as soon as the old holder is gone.
      if (!this.#hasFastLock && fastLock !== null) this.#hasFastLock = await fastLock.tryAcquire();
      const readAt = platform.clock.monotonic();
      if (await store.writeLock({ fence: row.fence, beats: row.beats }, beat(row, platform.clock.now(), this.#hasFastLock), true))
        this.#renewedAt = readAt;
    } catch (error) {
      this.#warn("heartbeat_failed", "The lock could not be renewed; it is tried again.", error);
    }
    if (this.#lease === lease) this.#scheduleBeat();
  }

  #warn(event: string, msg: string, error: unknown): void {
    this.#context.settings.telemetry.logger.warning({ event_type: event, msg, code: codeOf(error) });
  }

  async #dropFastLock(): Promise<void> {
    if (!this.#hasFastLock) return;
    this.#hasFastLock = false;
    await this.#context.queue.opened.fastLock?.release();
  }
}
