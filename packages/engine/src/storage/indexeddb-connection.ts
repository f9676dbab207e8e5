/// <reference lib="dom" />
import type { SyncError } from "@guardian-sync/protocol";
import type { Seq } from "../ports/index.ts";
import { asSyncError, closedUnderUs, deletedUnderUs, upgradedUnderUs } from "./indexeddb-errors.ts";
import { FIRST_TAIL, ONLY, type StoreName, type TailRecord } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";
import { closedStore } from "./refusals.ts";

/** What a change did. When nothing changed, other connections are not told. */
export interface Written<T> {
  readonly result: T;
  readonly isChanged: boolean;
  /** The queue's next seq from now on; left out: as before. */
  readonly nextSeq?: Seq;
}
type Effect<T> = (tx: IDBTransaction, tail: Promise<TailRecord>) => Promise<Written<T>>;

/** One connection: transactions that are whole or have not happened, and one reason for all calls after it was lost. */
export class IdbConnection {
  readonly name: string;
  readonly #db: IDBDatabase;
  readonly #channel: BroadcastChannel | undefined;
  readonly #listeners = new Set<() => void>();
  #ownWrites = 0;
  /** Why there are no more transactions. */
  #end: SyncError | undefined;

  constructor(db: IDBDatabase, name: string) {
    this.#db = db;
    this.name = name;
    db.onversionchange = ({ newVersion }): void => {
      this.#lose(newVersion === null ? deletedUnderUs(name) : upgradedUnderUs(name));
    };
    db.onclose = (): void => this.#lose(closedUnderUs(name));
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(`guardian-sync:${name}`);
    this.#channel.onmessage = (): void => this.#tell();
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
  async write<T>(stores: readonly StoreName[], effect: Effect<T>, { relaxed = false }: { readonly relaxed?: boolean } = {}): Promise<T> {
    try {
      const tx = this.#begin([...stores, "tail"], "readwrite", relaxed ? "relaxed" : "strict");
      const { result, isChanged } = await perform(tx, effect);
      if (isChanged) {
        this.#ownWrites += 1;
        // A heartbeat is no news: who waits for the lock looks at it by itself.
        if (!relaxed) this.#channel?.postMessage(null);
      }
      return result;
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** A number that changes when another connection wrote. */
  dataVersion(): Promise<number> {
    return this.read(["tail"], async (tx) => (await readTail(tx)).writes - this.#ownWrites);
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

  #tell(): void {
    for (const listener of Array.from(this.#listeners)) listener();
  }

  #begin(stores: readonly StoreName[], mode: IDBTransactionMode, durability: IDBTransactionDurability = "default"): IDBTransaction {
    if (this.#end !== undefined) throw this.#end;
    return this.#db.transaction(stores as StoreName[], mode, { durability });
  }

  #named(error: unknown): unknown {
    const isEnd = (error as { readonly name?: unknown } | null)?.name === "AbortError" && this.#end !== undefined;
    return isEnd ? this.#end : asSyncError(error, this.name);
  }
}

async function perform<T>(tx: IDBTransaction, effect: Effect<T>): Promise<Written<T>> {
  const ended = new Promise<void>((resolve, reject) => {
    tx.oncomplete = (): void => resolve();
    tx.onabort = (): void => reject(tx.error ?? new DOMException("aborted", "AbortError"));
  });
  ended.catch(() => undefined);
  try {
    const tail = readTail(tx);
    tail.catch(() => undefined);
    const written = await effect(tx, tail);
    if (written.isChanged) {
      const { nextSeq, writes } = await tail;
      tx.objectStore("tail").put({ nextSeq: written.nextSeq ?? nextSeq, writes: writes + 1 } satisfies TailRecord, ONLY);
    }
    tx.commit();
    // Success of a request promises nothing: a full disk shows at the end.
    await ended;
    return written;
  } catch (error) {
    abort(tx);
    await ended.catch(() => undefined);
    // A write that failed says more than the reads that were cut off with it.
    throw tx.error ?? error;
  }
}

async function readTail(tx: IDBTransaction): Promise<TailRecord> {
  return (await answer(tx.objectStore("tail").get(ONLY) as IDBRequest<TailRecord | undefined>)) ?? FIRST_TAIL;
}

function abort(tx: IDBTransaction): void {
  try {
    tx.abort();
  } catch {
    // It has ended already.
  }
}
