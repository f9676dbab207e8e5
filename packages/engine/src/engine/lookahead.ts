import type { Waiting } from "../core/lanes.ts";
import type { AccountTag, Fence, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { isTombstone } from "../queue/account-view.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";

/** Under entity ordering so many operations that cannot go yet are passed over in search of one that can. */
export const LOOKAHEAD = 1000;
const READ_AT_ONCE = 200;

export function waitingOf({ seq, entityTag, content, row }: QueuedOperation): Waiting {
  return { seq, entityTag, lane: content.lane, priority: content.priority ?? 0, dueAt: row?.dueAt ?? 0 };
}

/**
 * The operations without a row that were looked at and passed over, because their lanes were busy: each is read once to be
 * known, and again when its turn has come. The queue file decides: what is remembered only says where to look.
 */
export class Lookahead {
  #of: { readonly account: AccountTag; readonly fence: Fence } | undefined;
  #waiting: Waiting[] = [];
  #next = 0 as Seq;

  /** In order of seq. */
  get waiting(): readonly Waiting[] {
    return this.#waiting;
  }

  /** Nobody else processes the queue while the fence stays the same, so what was passed over is still there, or has ended. */
  sync({ account, global }: AccountView, { fence }: Lease): void {
    const isSame = this.#of?.account === account && this.#of.fence === fence && this.head === global.head;
    if (isSame) return;
    this.#of = { account, fence };
    this.#waiting = [];
    this.#next = global.head;
  }

  /** The first one that has not been taken. */
  get head(): Seq {
    return this.#waiting[0]?.seq ?? this.#next;
  }

  headWithout(taken: ReadonlySet<Seq>): Seq {
    return this.#waiting.find(({ seq }) => !taken.has(seq))?.seq ?? this.#next;
  }

  /** Looks at some more. false: there are none, or enough wait already. */
  async readOn(view: AccountView): Promise<boolean> {
    const room = LOOKAHEAD - this.#waiting.length;
    if (room <= 0) return false;
    const limit = Math.min(room, READ_AT_ONCE);
    const { operations, next } = await view.fresh(limit, this.#next);
    this.#waiting.push(...operations.filter((operation) => !isTombstone(operation)).map(waitingOf));
    const hasMoved = next > this.#next;
    this.#next = next;
    return hasMoved;
  }

  /** They were taken, or have ended. */
  forget(seqs: ReadonlySet<Seq>): void {
    if (seqs.size > 0) this.#waiting = this.#waiting.filter(({ seq }) => !seqs.has(seq));
  }

  /** Nobody knows what was written: everything is read again. */
  reset(): void {
    this.#of = undefined;
  }
}
