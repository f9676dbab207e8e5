import { SyncError } from "@guardian-sync/protocol";
import { ALGORITHMS, parseEnvelope, plainKeyRing } from "../format/index.ts";
import type { KeyRing, MaybePromise, StoreNotice } from "../ports/index.ts";
import type { Identity } from "./indexeddb-identity.ts";
import { checkWebKey, newWebKey, type WebKey, webKeyRing } from "./key-ring-web.ts";

/** Where keys come from: a key wrapped by a password, a service. Asked once, when the store opens. */
export interface WebKeyProvider {
  /** `previous`: keys before a rotation, still needed to read what they wrote. */
  keys(): MaybePromise<{ readonly current: WebKey; readonly previous?: readonly WebKey[] }>;
}

/** Left out: a key that the browser makes and keeps, and that no script can read. */
export type IndexedDbEncryption = { readonly key: WebKey } | { readonly provider: WebKeyProvider } | "none";

export interface FoundKeys {
  readonly keys: KeyRing;
  readonly notices: readonly StoreNotice[];
  /** A new key, to be kept with the new queue. */
  readonly made?: CryptoKey;
}

/** @throws TypeError for an option that is none. */
export function checkEncryption(encryption: IndexedDbEncryption | undefined): void {
  if (encryption === undefined || encryption === "none") return;
  if (typeof encryption === "object" && encryption !== null) {
    if ("key" in encryption) {
      checkWebKey(encryption.key);
      return;
    }
    if ("provider" in encryption && typeof encryption.provider?.keys === "function") return;
  }
  throw new TypeError('option encryption: give { key }, { provider } or "none", or leave it out for a key that the browser keeps');
}

/** The key ring for a database, new when it has no `identity`. @throws SyncError */
export async function findKeys(
  name: string,
  encryption: IndexedDbEncryption | undefined,
  identity: Identity | undefined,
): Promise<FoundKeys> {
  if (encryption === "none") {
    const message = `The queue database ${name} is not encrypted: whoever can read the browser's profile reads everything in it. Leave the option out, or give a key, for a new database.`;
    return { keys: plainKeyRing(), notices: [{ code: "UNENCRYPTED", message }] };
  }
  if (encryption !== undefined) {
    const found = "key" in encryption ? { current: encryption.key } : await encryption.provider.keys();
    return { keys: await webKeyRing(found), notices: [] };
  }
  if (identity === undefined) {
    const made = await newWebKey();
    return { keys: await webKeyRing({ current: made }), notices: [], made };
  }
  const { key, tagKey } = identity;
  if (key !== undefined) return { keys: await webKeyRing({ current: key }), notices: [] };
  if (parseEnvelope(tagKey)?.algorithm === ALGORITHMS.none) {
    throw new SyncError(
      "WRONG_KEY",
      `The queue database ${name} is not encrypted, and the store was opened with a key. Nothing was changed: open it with encryption: "none".`,
    );
  }
  throw new SyncError(
    "WRONG_KEY",
    `The queue database ${name} is encrypted, and its key is not in this browser: the app gave it (encryption: { key }), or it was cleared. Nothing was changed. Open the store with that key; if it is lost, nobody can read what is queued: keep the database for the case that it turns up, and start another one.`,
    { userMessage: "The changes kept on this device cannot be read, because their key is missing. Nothing was deleted." },
  );
}
