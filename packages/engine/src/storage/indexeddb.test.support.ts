/// <reference lib="dom" />
import { SyncError } from "@guardian-sync/protocol";
import { expect } from "vitest";
import type { Clock, OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ContractWorld, STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { type IndexedDbEncryption, indexedDbStore } from "./indexeddb.ts";

const CLOCK: Clock = {
  ...STOPPED_CLOCK,
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

export function open(name: string, encryption?: IndexedDbEncryption, openTimeoutMs = 5000): Promise<OpenedStore> {
  const random = new SeededRandom(crypto.randomUUID());
  return indexedDbStore({ name, openTimeoutMs, ...(encryption === undefined ? {} : { encryption }) }).open({ clock: CLOCK, random });
}

export function newName(): string {
  return `test-${crypto.randomUUID()}`;
}

/** To fill a store with. */
export function worldOf(opened: OpenedStore): ContractWorld {
  return new ContractWorld({ open: () => Promise.resolve(opened) });
}

export async function refusal(promise: Promise<unknown>): Promise<SyncError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SyncError);
  return error as SyncError;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(request.error);
  });
}

export async function deleteDatabase(name: string): Promise<void> {
  await done(indexedDB.deleteDatabase(name));
}

/** The database as another program would open it. */
export function openRaw(name: string, version?: number, upgrade?: (db: IDBDatabase) => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = (): void => upgrade?.(request.result);
  return done(request);
}

/** Changes records behind the store's back. */
export async function tamper(name: string, stores: string[], change: (tx: IDBTransaction) => void): Promise<void> {
  const db = await openRaw(name);
  const tx = db.transaction(stores, "readwrite");
  change(tx);
  await new Promise((resolve) => {
    tx.oncomplete = resolve;
  });
  db.close();
}

/** Every record of every object store, with its key. */
export async function contentsOf(name: string): Promise<Record<string, unknown[]>> {
  const db = await openRaw(name);
  const stores = Array.from(db.objectStoreNames);
  const tx = db.transaction(stores);
  const contents = await Promise.all(
    stores.map(async (store) => {
      const [keys, values] = await Promise.all([done(tx.objectStore(store).getAllKeys()), done(tx.objectStore(store).getAll())]);
      return [store, keys.map((key, i) => [key, values[i] as unknown])] as const;
    }),
  );
  db.close();
  return Object.fromEntries(contents);
}
