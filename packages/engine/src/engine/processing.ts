import type { AccountTag, LockRow, Seq } from "../ports/index.ts";
import { rebuildIndex, type RebuildReport } from "../queue/rebuild.ts";
import { cancelOperation } from "./cancel.ts";
import { ConflictList } from "./conflicts.ts";
import type { EngineContext } from "./context.ts";
import { FailedList } from "./failed.ts";
import { parkBroken } from "./park-broken.ts";
import { Leaving, type LeavingParts } from "./leaving.ts";
import { LockKeeper } from "./lock-keeper.ts";
import { Processor } from "./processor.ts";
import type { SessionKeeper } from "./session-keeper.ts";

export interface ProcessingParts {
  readonly sessions: SessionKeeper;
  /** Who is signed in. @throws SyncError `NO_ACCOUNT` when nobody is. */
  readonly account: () => AccountTag;
  readonly drain: LeavingParts["drain"];
}

/**
 * What sends, reads, and puts in order: everything that a page needs only once something waits. In a browser it arrives after the
 * page has begun, so nothing that the first load contains may import a value from here.
 */
export class Processing {
  readonly lock: LockKeeper;
  readonly processor: Processor;
  readonly failed: FailedList;
  readonly conflicts: ConflictList;
  readonly leaving: Leaving;
  readonly #context: EngineContext;

  constructor(context: EngineContext, { sessions, account, drain }: ProcessingParts) {
    this.#context = context;
    this.lock = new LockKeeper(context);
    this.processor = new Processor(context, sessions, this.lock);
    this.failed = new FailedList(context, account, () => this.processor.wake());
    this.conflicts = new ConflictList(context, account, () => this.processor.wake());
    this.leaving = new Leaving(context, { account, drain, wake: () => this.processor.wake() });
  }

  /** See `Operation.cancel`. */
  cancel(account: AccountTag, id: string, reason: string): Promise<boolean> {
    return cancelOperation(this.#context, account, id, reason);
  }

  /** See `parkBroken`. */
  parkBroken(account: AccountTag, seq: Seq, error: unknown): Promise<void> {
    return parkBroken(this.#context, account, { seq, error });
  }

  rebuildIndex(account: AccountTag): Promise<RebuildReport> {
    return rebuildIndex(this.#context.queue, account);
  }

  forceReleaseLock(): Promise<LockRow | undefined> {
    return this.lock.forceRelease();
  }
}
