/// <reference lib="dom" />
import type { SyncError } from "@guardian-sync/protocol";
import type { Clock } from "../ports/index.ts";
import { ChangeChannel } from "./indexeddb-channel.ts";
import { asSyncError, closedUnderUs, deletedUnderUs, upgradedUnderUs } from "./indexeddb-errors.ts";
import { readTail } from "./indexeddb-accounts.ts";
import { ONLY, type StoreName } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";
import { closedStore } from "./refusals.ts";

/** What a change did. When nothing changed, other connections are not told. */
export interface Written<T> {
  readonly result: T;
  readonly isChanged: boolean;
}

/** One connection: transactions that are whole or have not happened, and one reason for all calls after it was lost. */
export class IdbConnection {
  readonly name: string;
  readonly #db: IDBDatabase;
  readonly #channel: ChangeChannel | undefined;
  readonly #listeners = new Set<() => void>();
  #ownChanges = 0;
  #ownAppended = 0;
  /** Why there are no more transactions. */
  #end: SyncError | undefined;

  constructor(db: IDBDatabase, name: string, clock: Clock) {
    this.#db = db;
    this.name = name;
    db.onversionchange = ({ newVersion }): void => {
      this.#lose(newVersion === null ? deletedUnderUs(name) : upgradedUnderUs(name));
    };
    db.onclose = (): void => this.#lose(closedUnderUs(name));
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new ChangeChannel(name, clock, () => this.#tell());
  }

  /** `value`, unless the connection has ended: for calls that need no transaction. */
  async ifOpen<T>(value: T): Promise<T> {
    if (this.#end !== undefined) throw this.#end;
    return value;
  }

  /** Several reads of one moment. */
  async read<T>(stores: readonly StoreName[], effect: (tx: IDBTransaction) => Promise<T>): Promise<T> {
    try {
      return await effect(this.#begin(stores, "readonly"));
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** On disk when it resolves; nothing has happened when it rejects. `relaxed`: whole, but a power cut may take it back. */
  async write<T>(
    stores: readonly StoreName[],
    effect: (tx: IDBTransaction) => Promise<Written<T>>,
    { relaxed = false }: { readonly relaxed?: boolean } = {},
  ): Promise<T> {
    const { result, isChanged } = await this.#perform([...stores, "changes"], relaxed ? "relaxed" : "strict", async (tx) => {
      const changes = answer(tx.objectStore("changes").get(ONLY) as IDBRequest<number | undefined>);
      const written = await effect(tx);
      if (written.isChanged) tx.objectStore("changes").put(((await changes) ?? 0) + 1, ONLY);
      return written;
    });
    if (isChanged) {
      this.#ownChanges += 1;
      // A heartbeat is no news: who waits for the lock looks at it by itself.
      if (!relaxed) this.#announce();
    }
    return result;
  }

  /** As `write`, for what moves the tail of the queue, which is counted by that. */
  async append<T>(stores: readonly StoreName[], count: number, effect: (tx: IDBTransaction) => Promise<T> | T): Promise<T> {
    const result = await this.#perform(stores, "strict", effect);
    this.#ownAppended += count;
    this.#announce();
    return result;
  }

  /** A number that changes when another connection wrote. */
  dataVersion(): Promise<number> {
    return this.read(["tail", "segments", "changes"], async (tx) => {
      const changes = answer(tx.objectStore("changes").get(ONLY) as IDBRequest<number | undefined>);
      const [nextSeq, changed = 0] = await Promise.all([readTail(tx), changes]);
      return nextSeq - this.#ownAppended + (changed - this.#ownChanges);
    });
  }

  /** Undefined where the browser cannot tell. */
  get watch(): ((listener: () => void) => () => void) | undefined {
    if (this.#channel === undefined) return undefined;
    return (listener) => {
      // Each call is one of its own, also with the same function.
      const told = (): void => listener();
      this.#listeners.add(told);
      return () => void this.#listeners.delete(told);
    };
  }

  /** What is under way ends first. */
  close(): void {
    this.#finish(closedStore(`indexeddb ${this.name}`));
  }

  #lose(reason: SyncError): void {
    if (this.#end !== undefined) return;
    this.#finish(reason);
    // Whoever rests finds out at its next call, so let it make one.
    this.#tell();
  }

  #finish(reason: SyncError): void {
    this.#end ??= reason;
    // At once: a tab that upgrades or deletes the database waits for it.
    this.#db.close();
    this.#channel?.close();
  }

  /** What was under way when the connection ended still completes; the channel is closed by then. */
  #announce(): void {
    if (this.#end === undefined) this.#channel?.announce();
  }

  #tell(): void {
    for (const listener of Array.from(this.#listeners)) listener();
  }

  #begin(stores: readonly StoreName[], mode: IDBTransactionMode, durability: IDBTransactionDurability = "default"): IDBTransaction {
    if (this.#end !== undefined) throw this.#end;
    return this.#db.transaction(stores as StoreName[], mode, { durability });
  }

  async #perform<T>(
    stores: readonly StoreName[],
    durability: IDBTransactionDurability,
    effect: (tx: IDBTransaction) => Promise<T> | T,
  ): Promise<T> {
    try {
      return await perform(this.#begin(stores, "readwrite", durability), effect);
    } catch (error) {
      throw this.#named(error);
    }
  }

  #named(error: unknown): unknown {
    const isEnd = (error as { readonly name?: unknown } | null)?.name === "AbortError" && this.#end !== undefined;
    return isEnd ? this.#end : asSyncError(error, this.name);
  }
}

async function perform<T>(tx: IDBTransaction, effect: (tx: IDBTransaction) => Promise<T> | T): Promise<T> {
  const ended = new Promise<void>((resolve, reject) => {
    tx.oncomplete = (): void => resolve();
    tx.onabort = (): void => reject(tx.error ?? new DOMException("aborted", "AbortError"));
  });
  ended.catch(() => undefined);
  try {
    const result = await effect(tx);
    tx.commit();
    // Success of a request promises nothing: a full disk shows at the end.
    await ended;
    return result;
  } catch (error) {
    abort(tx);
    await ended.catch(() => undefined);
    // A write that failed says more than the reads that were cut off with it.
    throw tx.error ?? error;
  }
}

function abort(tx: IDBTransaction): void {
  try {
    tx.abort();
  } catch {
    // It has ended already.
  }
}
