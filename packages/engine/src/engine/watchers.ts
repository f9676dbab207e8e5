import type { OperationId } from "@guardian-sync/protocol";
import type { OperationStatus, Settled } from "./operation.ts";

interface Waiting {
  readonly promise: Promise<Settled>;
  readonly resolve: (settled: Settled) => void;
}

/** Who waits for the fate of which operation. Only what somebody asked for is kept: nothing per pending operation. */
export class Watchers {
  readonly #settled = new Map<OperationId, Waiting>();
  readonly #listeners = new Map<OperationId, Set<(status: OperationStatus) => void>>();
  readonly #onHandlerError: (error: unknown) => void;

  constructor(onHandlerError: (error: unknown) => void) {
    this.#onHandlerError = onHandlerError;
  }

  /** The same promise for everybody who asks; `isNew` tells the caller to look whether it has already ended. */
  settled(id: OperationId): { readonly promise: Promise<Settled>; readonly isNew: boolean } {
    const known = this.#settled.get(id);
    if (known !== undefined) return { promise: known.promise, isNew: false };
    let resolve: (settled: Settled) => void = () => {};
    const promise = new Promise<Settled>((done) => {
      resolve = done;
    });
    this.#settled.set(id, { promise, resolve });
    return { promise, isNew: true };
  }

  watch(id: OperationId, listener: (status: OperationStatus) => void): () => void {
    const set = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, set);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.#listeners.delete(id);
    };
  }

  isWatched(id: OperationId): boolean {
    return this.#settled.has(id) || this.#listeners.has(id);
  }

  get watched(): readonly OperationId[] {
    return [...new Set([...this.#settled.keys(), ...this.#listeners.keys()])];
  }

  tell(id: OperationId, status: OperationStatus): void {
    for (const listener of Array.from(this.#listeners.get(id) ?? [])) {
      try {
        listener(status);
      } catch (error) {
        this.#onHandlerError(error);
      }
    }
    if (status.settled === null) return;
    this.#settled.get(id)?.resolve(status.settled);
    this.#settled.delete(id);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
