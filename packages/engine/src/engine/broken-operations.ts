import type { OperationId } from "@guardian-sync/protocol";
import type { Folded, LiveOperation } from "../core/fold.ts";
import type { AccountTag, Seq } from "../ports/index.ts";

export interface Broken {
  readonly account: AccountTag;
  readonly seq: Seq;
  readonly type: string;
  /** It was never sent, so it can be held back. */
  readonly isWaiting: boolean;
  readonly error: unknown;
}
interface Shown {
  readonly id: OperationId;
  /** Unknown while it is on its way to the disk. */
  readonly seq: Seq | undefined;
  readonly live: LiveOperation;
}

/** Operations that cannot be applied to what a page shows: each is told once, and once more when it waits again. */
export class BrokenOperations {
  /** By operation: whether it waited when it was told. */
  readonly #told = new Map<OperationId, boolean>();
  readonly #report: (error: unknown) => void;
  onBroken: (broken: Broken) => void = () => undefined;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** `shown`: as they were folded; `broken`: what came of it. */
  look(account: AccountTag, shown: readonly Shown[], broken: Folded["broken"]): void {
    if (broken.length + this.#told.size === 0) return;
    const errors = new Map(broken.map(({ index, error }) => [index, error]));
    for (const [index, { id, seq, live }] of shown.entries()) {
      if (!errors.has(index)) this.#told.delete(id);
      else if (seq !== undefined) {
        const { type, state } = live;
        const isWaiting = state === "pending" || state === "blocked";
        const known = this.#told.get(id);
        this.#told.set(id, isWaiting);
        if (known === undefined || (isWaiting && !known)) this.#tell({ account, seq, type, isWaiting, error: errors.get(index) });
      }
    }
  }

  ended(id: OperationId): void {
    this.#told.delete(id);
  }

  clear(): void {
    this.#told.clear();
  }

  #tell(broken: Broken): void {
    try {
      this.onBroken(broken);
    } catch (error) {
      // A logger of the app: a page must go on.
      this.#report(error);
    }
  }
}
