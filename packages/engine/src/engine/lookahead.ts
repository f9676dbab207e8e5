import type { Waiting } from "../core/lanes.ts";
import type { AccountTag, EntityTag, Fence, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { placesOf } from "./members.ts";

/** Under entity ordering so many operations that cannot go yet are passed over in search of one that can. */
export const LOOKAHEAD = 1000;
const READ_AT_ONCE = 200;

/** What may go, and where its group stands in the queue; without one, where it stands itself. */
export interface Seen extends Waiting {
  readonly isReadable: boolean;
  readonly from: Seq;
  readonly to: Seq;
}

export function waitingOf(operation: QueuedOperation): Seen {
  const { seq, entityTag, content, row, readable } = operation;
  const { id, lane, dependsOn, groupId, priority = 0 } = content;
  const places = placesOf(operation);
  const [from = seq, to = seq] = [places[0], places.at(-1)];
  return { seq, id, entityTag, lane, dependsOn, groupId, priority, dueAt: row?.dueAt ?? 0, isReadable: readable, from, to };
}

type RefersTo = (account: AccountTag, operation: QueuedOperation) => readonly EntityTag[];

/**
 * The operations without a row that were looked at and passed over, because their lanes were busy: each is read once to be
 * known, and again when its turn has come. The queue file decides: what is remembered only says where to look.
 */
export class Lookahead {
  #of: { readonly account: AccountTag; readonly fence: Fence } | undefined;
  #waiting: Seen[] = [];
  #next = 0 as Seq;
  readonly #refersTo: RefersTo;

  constructor(refersTo: RefersTo = () => []) {
    this.#refersTo = refersTo;
  }

  /** In order of seq. */
  get waiting(): readonly Seen[] {
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

  /** Everything before it has been read. */
  get horizon(): Seq {
    return this.#next;
  }

  headWithout(taken: ReadonlySet<Seq>): Seq {
    return this.#waiting.find(({ seq }) => !taken.has(seq))?.seq ?? this.#next;
  }

  seen({ account }: AccountView, operation: QueuedOperation): Seen {
    const refersTo = this.#refersTo(account, operation);
    return refersTo.length === 0 ? waitingOf(operation) : { ...waitingOf(operation), refersTo };
  }

  /** Looks at some more, and at the rest of a group. false: there are none, or enough wait already. */
  async readOn(view: AccountView): Promise<boolean> {
    const before = this.#next;
    let limit = Math.min(LOOKAHEAD - this.#waiting.length, READ_AT_ONCE);
    while (limit > 0) {
      const { operations, next } = await view.untouched(limit, this.#next);
      this.#waiting.push(...operations.map((operation) => this.seen(view, operation)));
      const hasMoved = next > this.#next;
      this.#next = next;
      limit = hasMoved ? (this.#waiting.at(-1)?.to ?? 0) + 1 - next : 0;
    }
    return this.#next > before;
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
