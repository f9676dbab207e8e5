import { crc32 } from "node:zlib";
import { ALGORITHMS, parseEnvelope, plainKeyRing } from "../format/index.ts";
import type { KeyRing, MaybePromise, StoreNotice } from "../ports/index.ts";
import { keyFileOf, readOrCreateKeyFile } from "./key-file.ts";
import { type Key, keyBytes, nodeKeyRing } from "./key-ring-node.ts";
import type { FileIdentity } from "./sqlite-probe.ts";

/** Where keys come from: the environment, a keychain of the operating system, a service. Asked once, when the store opens. */
export interface KeyProvider {
  /** `previous`: keys before a rotation, still needed to read what they wrote. */
  keys(): MaybePromise<{ readonly current: Key; readonly previous?: readonly Key[] }>;
}

/** Left out: a key file beside the database, made when there is none. */
export type SqliteEncryption = { readonly key: Key } | { readonly provider: KeyProvider } | "none";

export interface FoundKeys {
  readonly keys: KeyRing;
  readonly notices: readonly StoreNotice[];
}

/** @throws TypeError for an option that is none. */
export function checkEncryption(encryption: SqliteEncryption | undefined): void {
  if (encryption === undefined || encryption === "none") return;
  if (typeof encryption === "object" && encryption !== null) {
    if ("key" in encryption) return void keyBytes(encryption.key);
    if ("provider" in encryption && typeof encryption.provider?.keys === "function") return;
  }
  throw new TypeError('option encryption: give { key }, { provider } or "none", or leave it out for a key file');
}

/** The key ring for a file, new when it has no `identity`. @throws SyncError */
export async function findKeys(
  path: string,
  encryption: SqliteEncryption | undefined,
  identity: FileIdentity | undefined,
): Promise<FoundKeys> {
  if (encryption === "none") {
    const message = `The queue file ${path} is not encrypted: whoever can read it reads everything in it. Leave the option out, or give a key, for a new file.`;
    return { keys: plainKeyRing(crc32), notices: [{ code: "UNENCRYPTED", message }] };
  }
  if (encryption !== undefined) {
    const found = "key" in encryption ? { current: encryption.key } : await encryption.provider.keys();
    return { keys: nodeKeyRing(found), notices: [] };
  }
  const isPlain = identity !== undefined && parseEnvelope(identity.tagKey)?.algorithm === ALGORITHMS.none;
  // No key would help: let any be refused with the reason.
  if (isPlain) return { keys: nodeKeyRing({ current: new Uint8Array(32) }), notices: [] };
  const { key, created } = readOrCreateKeyFile(path, identity === undefined);
  const message = `The queue file ${path} is encrypted with the key in ${keyFileOf(path)}, made just now. Without that file nobody can read the queue: back it up, apart from the database.`;
  return { keys: nodeKeyRing({ current: key }), notices: created ? [{ code: "KEY_FILE_CREATED", message }] : [] };
}
