import { SyncError } from "@guardian-sync/protocol";
import type { KeyRing, MaybePromise } from "../ports/index.ts";
import { parseEnvelope } from "./envelope.ts";
import { hexOf } from "./hex.ts";
import { joined } from "./joined.ts";
import { unreadable } from "./unreadable.ts";
import { utf8Decode, utf8Encode } from "./utf8.ts";

/**
 * Where a record stands: authenticated with it, so that bytes copied to another place do not open there. The first part is
 * the store id, the second the kind of record.
 */
export type Place = readonly string[];

/** Encrypts `text` for one place, in one call of the key ring. */
export function sealText(keys: KeyRing, place: Place, text: string): MaybePromise<Uint8Array> {
  return keys.encrypt(utf8Encode(text), associatedData(place, keys.currentKeyId));
}

/** `what` names the record in errors: "segment 3f…". @throws SyncError `UNREADABLE` or `WRONG_KEY`. */
export function openText(keys: KeyRing, place: Place, bytes: Uint8Array, what: string): MaybePromise<string> {
  const envelope = parseEnvelope(bytes);
  if (envelope === undefined) throw unreadable(what);
  try {
    const plain = keys.decrypt(bytes, associatedData(place, envelope.keyId));
    return plain instanceof Promise ? plain.then(utf8Decode, (error: unknown) => refuse(error, what)) : utf8Decode(plain);
  } catch (error) {
    return refuse(error, what);
  }
}

/** The associated data of AES-GCM: the place, then the id of the key that the header names. */
function associatedData(place: Place, keyId: Uint8Array): Uint8Array {
  return utf8Encode(joined([...place, hexOf(keyId)]));
}

function refuse(error: unknown, what: string): never {
  throw error instanceof SyncError && error.code !== "UNREADABLE" ? error : unreadable(what, error);
}
