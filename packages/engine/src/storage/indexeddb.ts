import { SyncError } from "@guardian-sync/protocol";
import { openTagKey } from "../format/index.ts";
import type { Clock, KeyRing, OpenedStore, Random, StoreAdapter } from "../ports/index.ts";
import { IdbConnection } from "./indexeddb-connection.ts";
import { establish, type Identity, newIdentity, readIdentity } from "./indexeddb-identity.ts";
import { checkEncryption, findKeys, type FoundKeys, type IndexedDbEncryption } from "./indexeddb-keys.ts";
import { openDatabase } from "./indexeddb-open.ts";
import { askToPersist, isEvictable } from "./indexeddb-persistence.ts";
import { IndexedDbStore } from "./indexeddb-store.ts";
import { webKeyRing } from "./key-ring-web.ts";
import { webLock } from "./web-lock.ts";

export type { IndexedDbEncryption, WebKeyProvider } from "./indexeddb-keys.ts";
export type { WebKey } from "./key-ring-web.ts";

export interface IndexedDbStoreOptions {
  /** Of the database; made when absent. Tabs of one site that give the same name share the queue. */
  readonly name: string;
  /** Left out: AES-256-GCM with a key that the browser makes, keeps with the queue, and shows to no script. */
  readonly encryption?: IndexedDbEncryption;
  /** How long opening waits for tabs that keep an older version open, before it fails with `STORAGE_UNAVAILABLE`. */
  readonly openTimeoutMs?: number;
  /**
   * Ask at opening that the browser never deletes the queue by itself. Default false, because Firefox asks the person: an app does
   * better to call `navigator.storage.persist()` when they press something and see why. `status().isEvictable` says how it is.
   */
  readonly persist?: boolean;
}

const OPEN_TIMEOUT_MS = 10_000;

/**
 * A queue in one IndexedDB database (every commit strict). Several tabs and workers of one site may open the same one.
 * @throws TypeError for options that make no sense.
 */
export function indexedDbStore({
  name,
  encryption,
  openTimeoutMs = OPEN_TIMEOUT_MS,
  persist = false,
}: IndexedDbStoreOptions): StoreAdapter {
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`option name: give the database a name, got ${JSON.stringify(name)}`);
  }
  if (!Number.isInteger(openTimeoutMs) || openTimeoutMs < 1) {
    throw new TypeError(`option openTimeoutMs: give a whole number >= 1, got ${openTimeoutMs}`);
  }
  if (typeof persist !== "boolean") throw new TypeError(`option persist: give true or false, got ${JSON.stringify(persist)}`);
  checkEncryption(encryption);
  return {
    description: `indexeddb ${name}`,
    open: async ({ clock, random }) => {
      const opened = await open(name, encryption, openTimeoutMs, clock, random);
      if (persist) void askToPersist();
      return opened;
    },
  };
}

async function open(
  name: string,
  encryption: IndexedDbEncryption | undefined,
  timeoutMs: number,
  clock: Clock,
  random: Random,
): Promise<OpenedStore> {
  const connection = new IdbConnection(await openDatabase(name, timeoutMs, clock), name, clock);
  try {
    const found = await readIdentity(connection);
    const keysFound = await findKeys(name, encryption, found);
    const identity = found ?? (await establish(connection, await newIdentity(keysFound.keys, random, keysFound.made)));
    const keys = await keysOf(identity, keysFound);
    const tagKey = await tagKeyOf(name, keys, identity);
    const store = new IndexedDbStore(connection, identity.storeId);
    const { watch } = connection;
    const fastLock = webLock(`guardian-sync:${name}`);
    return { store, keys, tagKey, fastLock, notices: keysFound.notices, isEvictable, ...(watch === undefined ? {} : { watch }) };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Of two tabs that make the queue at once, one finds the key of the other. */
async function keysOf({ key }: Identity, { keys, made }: FoundKeys): Promise<KeyRing> {
  return made === undefined || key === undefined || key === made ? keys : webKeyRing({ current: key });
}

/** A key ring knows no databases: whoever has several must be told which one the key does not fit. */
async function tagKeyOf(name: string, keys: KeyRing, { storeId, tagKey }: Identity): Promise<Uint8Array> {
  try {
    return await openTagKey(keys, storeId, tagKey);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "WRONG_KEY") throw error;
    throw new SyncError("WRONG_KEY", `${name}: ${error.message}`, { cause: error });
  }
}
