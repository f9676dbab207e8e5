/// <reference lib="dom" />
import type { Clock } from "../ports/index.ts";
import { asOpenError, foreignDatabase, newerStore, noIndexedDb, openTookTooLong } from "./indexeddb-errors.ts";
import { FORMAT_VERSION, STORES, upgrade } from "./indexeddb-layout.ts";

/** Opens the database, and brings it to this version's format. One that is refused stays as it is. @throws SyncError */
export async function openDatabase(name: string, timeoutMs: number, clock: Clock): Promise<IDBDatabase> {
  const factory = factoryOf(name);
  try {
    const db = await open(factory, name, timeoutMs, clock);
    if (STORES.every((store) => db.objectStoreNames.contains(store))) return db;
    db.close();
  } catch (error) {
    if ((error as { readonly name?: unknown }).name !== "VersionError") throw asOpenError(error, name);
    throw newerStore(name, await versionOf(factory, name), FORMAT_VERSION);
  }
  throw foreignDatabase(name);
}

function factoryOf(name: string): IDBFactory {
  let factory: IDBFactory | undefined;
  try {
    factory = indexedDB;
  } catch (error) {
    // Frames without storage throw when it is only named; elsewhere there is no such name.
    throw error instanceof ReferenceError ? noIndexedDb(name) : asOpenError(error, name);
  }
  // Null or absent in some private windows.
  if (factory === undefined || factory === null) throw noIndexedDb(name);
  return factory;
}

function open(factory: IDBFactory, name: string, timeoutMs: number, clock: Clock): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let isBlocked = false;
    let isOver = false;
    const request = factory.open(name, FORMAT_VERSION);
    // Without a deadline it would wait for ever: for a tab that does not close, or for a deletion that such a tab holds up.
    const cancel = clock.schedule(timeoutMs, () => {
      isOver = true;
      reject(openTookTooLong(name, isBlocked, timeoutMs));
    });
    request.onblocked = (): void => {
      isBlocked = true;
    };
    request.onupgradeneeded = ({ oldVersion }): void => {
      if (isOver) request.transaction?.abort();
      else upgrade(request.result, oldVersion);
    };
    request.onsuccess = (): void => {
      cancel();
      if (isOver) request.result.close();
      else resolve(request.result);
    };
    request.onerror = (): void => {
      cancel();
      reject(request.error);
    };
  });
}

/** Asked without opening it, because opening what was deleted meanwhile would make it. */
async function versionOf(factory: IDBFactory, name: string): Promise<number | undefined> {
  try {
    return (await factory.databases()).find((found) => found.name === name)?.version;
  } catch {
    return undefined;
  }
}
