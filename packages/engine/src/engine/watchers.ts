import type { OperationId } from "@guardian-sync/protocol";
import type { OperationStatus, Settled } from "./operation.ts";

interface Waiting {
  readonly promise: Promise<Settled>;
  readonly resolve: (settled: Settled) => void;
}

/** Who waits for the fate of which operation. Only what somebody asked for is kept: nothing per pending operation. */
export class Watchers {
  readonly #settled = new Map<OperationId, Waiting>();
  /** By listener: what it was told last, as text. */
  readonly #listeners = new Map<OperationId, Map<(status: OperationStatus) => void, string>>();
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
    const own = (status: OperationStatus): void => listener(status);
    const all = this.#listeners.get(id) ?? new Map();
    this.#listeners.set(id, all);
    all.set(own, "");
    return () => {
      all.delete(own);
      if (all.size === 0 && this.#listeners.get(id) === all) this.#listeners.delete(id);
    };
  }

  get isEmpty(): boolean {
    return this.#settled.size + this.#listeners.size === 0;
  }

  isWatched(id: OperationId): boolean {
    return this.#settled.has(id) || this.#listeners.has(id);
  }

  get watched(): readonly OperationId[] {
    return [...new Set([...this.#settled.keys(), ...this.#listeners.keys()])];
  }

  /** Listeners hear of a status once, however many ways it comes. */
  tell(id: OperationId, status: OperationStatus): void {
    const all = this.#listeners.get(id);
    const text = all === undefined ? "" : JSON.stringify(status);
    for (const [listener, last] of Array.from(all ?? [])) {
      if (last === text) continue;
      all?.set(listener, text);
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
