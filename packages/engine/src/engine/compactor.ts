import type { Capabilities } from "../core/handshake.ts";
import type { AccountTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { type EngineContext, nowOf } from "./context.ts";
import { annihilate, folded, putMembers } from "./folding.ts";
import { planNext } from "./planning.ts";

/** So many new operations are worth a look. */
const LOOK_AFTER = 50;
const WINDOW = 1000;
/** In one go: the loop that sends has other things to look at. */
const MAX_WINDOWS = 100;
/** Of a backend that was never met: what it does with a patch is not known. */
const UNMET = { level: 0, namedOperations: [], collections: {} } as const satisfies Pick<
  Capabilities,
  "level" | "namedOperations" | "collections"
>;

/** Folds long runs while nothing can be sent, so that less waits on the disk and in the view. Looks at each window once, until new ones come. */
export class Compactor {
  readonly #context: EngineContext;
  #account: AccountTag | undefined;
  /** Where the next look begins: at the last operation that can still take others in. */
  #from = 0 as Seq;
  /** How many had been enqueued when everything had been looked at. */
  #lookedAt = 0;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  hasWork({ account, row: { counts } }: AccountView): boolean {
    if (this.#context.settings.coalesce === false || counts.pending < LOOK_AFTER) return false;
    return account !== this.#account || counts.enqueued - this.#lookedAt >= LOOK_AFTER;
  }

  async run({ account, row, global }: AccountView, lease: Lease, isStopping: () => boolean): Promise<void> {
    if (account !== this.#account) this.#from = global.head;
    this.#account = account;
    for (let windows = 0; windows < MAX_WINDOWS && !isStopping(); windows++) {
      if (await this.#window(account, lease)) continue;
      this.#lookedAt = row.counts.enqueued;
      return;
    }
  }

  /** Whether there is more behind it. */
  async #window(account: AccountTag, lease: Lease): Promise<boolean> {
    let told: (() => void)[] = [];
    let next = this.#from;
    let isFull = false;
    await this.#context.queue.change(account, lease, async (view, change) => {
      told = [];
      const { head } = view.global;
      // What it looked at last may have been sent since.
      const [last] = this.#from < head ? await view.bySeq([this.#from]) : [];
      const from = this.#from < head && last?.phase !== "ready" ? head : this.#from;
      const window = await view.fresh(WINDOW, from);
      isFull = window.length === WINDOW;
      next = (await this.#fold(view, change, window, (tell) => told.push(tell))) ?? from;
    });
    for (const tell of told) tell();
    this.#from = next;
    return isFull;
  }

  /** The last one of the window that still waits. */
  async #fold(
    view: AccountView,
    change: ChangeSet,
    waiting: readonly QueuedOperation[],
    later: (tell: () => void) => void,
  ): Promise<Seq | undefined> {
    const known = (view.detail.handshake as Capabilities | undefined) ?? UNMET;
    const { ordering } = this.#context.settings;
    const { window, plan, folding } = await planNext(this.#context, view, waiting, known, ordering, nowOf(this.#context));
    const { steps } = plan;
    const { units, survivorOf } = folding;
    const at = (index: number): QueuedOperation => window[index] as QueuedOperation;
    const waits = steps.filter(
      ({ do: what, index }) => what === "send" && !survivorOf.has(index) && units.get(index)?.becomes !== "nothing",
    );
    const isWhole = steps.length === window.length && steps.every(({ do: what }) => what === "send" || what === "forget");
    if (survivorOf.size * 2 >= window.length && units.size > 0 && isWhole && this.#from <= view.global.head) {
      // Where most of it has gone, the rest is put in order, too: nobody has to pass what was folded again.
      change.putGlobalLane({ ...view.global, head: (at(window.length - 1).seq + 1) as Seq });
      for (const { index } of waits) if (!units.has(index) && at(index).row === null) change.move(at(index), "release");
    }
    for (const [index, { members, becomes }] of units) {
      const joined = members.map(at);
      if (becomes === "nothing") {
        annihilate(this.#context, change, [at(index), ...joined], later);
        continue;
      }
      const survivor = folded(this.#context, at(index), becomes, joined.length);
      // It waits as before, with a row of its own.
      if (survivor.row === null) change.move(survivor, "release", { detail: survivor.detail });
      else change.touch(survivor, { detail: survivor.detail });
      putMembers(this.#context, change, survivor, joined, later);
    }
    const last = waits.at(-1);
    return last === undefined ? undefined : at(last.index).seq;
  }
}
