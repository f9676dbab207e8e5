/// <reference lib="dom" />
import { uuidV4 } from "@guardian-sync/protocol";
import { sealTagKey, TAG_KEY_BYTES, utf8Decode, utf8Encode } from "../format/index.ts";
import type { KeyRing, Random } from "../ports/index.ts";
import type { IdbConnection } from "./indexeddb-connection.ts";
import { lostIdentity } from "./indexeddb-errors.ts";
import { ONLY } from "./indexeddb-layout.ts";
import { answer } from "./indexeddb-requests.ts";

/** What tells which queue this is, and with which key it is opened. */
export interface Identity {
  readonly storeId: string;
  /** The encrypted key of all tags. */
  readonly tagKey: Uint8Array;
  /** The key that the browser keeps for us; absent when the app brings its own, or none. */
  readonly key: CryptoKey | undefined;
}

/** Undefined: there is no queue yet. @throws SyncError `STORAGE_CORRUPT` */
export function readIdentity(connection: IdbConnection): Promise<Identity | undefined> {
  return connection.read(["meta", "keys", "accounts"], (tx) => identityIn(tx, connection.name));
}

async function identityIn(tx: IDBTransaction, name: string): Promise<Identity | undefined> {
  const meta = tx.objectStore("meta");
  const [storeId, tagKey, key, accounts] = await Promise.all([
    answer(meta.get("store_id") as IDBRequest<Uint8Array | undefined>),
    answer(meta.get("tag_key") as IDBRequest<Uint8Array | undefined>),
    answer(tx.objectStore("keys").get(ONLY) as IDBRequest<CryptoKey | undefined>),
    answer(tx.objectStore("accounts").count()),
  ]);
  if (storeId !== undefined && tagKey !== undefined) return { storeId: utf8Decode(storeId), tagKey, key };
  if (storeId !== undefined || tagKey !== undefined || accounts > 0) throw lostIdentity(name);
  return undefined;
}

export async function newIdentity(keys: KeyRing, random: Random, key: CryptoKey | undefined): Promise<Identity> {
  const storeId = uuidV4((length) => random.bytes(length));
  return { storeId, tagKey: await sealTagKey(keys, storeId, random.bytes(TAG_KEY_BYTES)), key };
}

/** Makes the database a queue, unless another tab was faster. Returns the identity that it has now. */
export function establish(connection: IdbConnection, fresh: Identity): Promise<Identity> {
  return connection.write(["meta", "keys", "accounts"], async (tx) => {
    const found = await identityIn(tx, connection.name);
    if (found !== undefined) return { result: found, isChanged: false };
    tx.objectStore("meta").put(utf8Encode(fresh.storeId), "store_id");
    tx.objectStore("meta").put(fresh.tagKey, "tag_key");
    if (fresh.key !== undefined) tx.objectStore("keys").put(fresh.key, ONLY);
    return { result: fresh, isChanged: true };
  });
}
