/** One optimistic change of an app that keeps its own state: what it was, and how to put it back. */
export interface OptimisticChange<State = unknown> {
  /** Names the change; an operation's `txnToken`, or any other string. */
  readonly txnToken: string;
  readonly originalState: State;
  /** Puts the original state back. */
  readonly rollback: (originalState: State) => void;
  readonly onSuccess?: () => void;
  readonly onError?: (reason: string) => void;
}

/** Bounds what an app that never ends its changes can hold on to. */
const MAX_OPEN = 10_000;

/**
 * Transaction tokens for any UI: register before showing, then commit or roll back, once each. What the app's functions throw is
 * reported and harms nothing.
 */
export class OptimisticTokens {
  readonly #open = new Map<string, OptimisticChange<never>>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @throws RangeError for a token that is open already, or when 10,000 are. */
  register<State>(change: OptimisticChange<State>): void {
    const { txnToken } = change;
    if (typeof txnToken !== "string" || txnToken === "") throw new TypeError("register needs a txnToken: a string that names the change");
    if (this.#open.has(txnToken)) throw new RangeError(`the change ${txnToken} is registered already; commit it or roll it back first`);
    if (this.#open.size >= MAX_OPEN)
      throw new RangeError(`${MAX_OPEN} changes are open; commit them or roll them back when their operations have settled`);
    this.#open.set(txnToken, change as unknown as OptimisticChange<never>);
  }

  /** false: it was not open. */
  commit(txnToken: string): boolean {
    const change = this.#take(txnToken);
    if (change?.onSuccess !== undefined) this.#call(change.onSuccess);
    return change !== undefined;
  }

  /** false: it was not open. */
  rollback(txnToken: string, reason = "rolled back"): boolean {
    const change = this.#take(txnToken);
    if (change === undefined) return false;
    this.#call(() => change.rollback(change.originalState));
    const { onError } = change;
    if (onError !== undefined) this.#call(() => onError(reason));
    return true;
  }

  /** The last one first, as they were made on top of each other. Returns how many. */
  rollbackAll(reason = "rolled back"): number {
    const tokens = [...this.#open.keys()].reverse();
    for (const token of tokens) this.rollback(token, reason);
    return tokens.length;
  }

  #take(txnToken: string): OptimisticChange<never> | undefined {
    const change = this.#open.get(txnToken);
    this.#open.delete(txnToken);
    return change;
  }

  #call(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#report(error);
    }
  }
}
