import { SyncError } from "@guardian-sync/protocol";
import type { KeyRing, MaybePromise } from "../ports/index.ts";
import { hexOf, parseHex } from "./hex.ts";
import { openJson, type RecordPlace, sealJson } from "./record.ts";
import { SIPHASH_KEY_BYTES } from "./siphash.ts";

/** Where the key of all tags is kept, encrypted: reading it is how a store finds out that it was given the right key. */
const PLACE: RecordPlace = { table: "meta", id: "tag_key", field: "value" };

export const TAG_KEY_BYTES: number = SIPHASH_KEY_BYTES;

export function sealTagKey(keys: KeyRing, storeId: string, tagKey: Uint8Array): MaybePromise<Uint8Array> {
  return sealJson(keys, storeId, PLACE, hexOf(tagKey));
}

/** @throws SyncError `WRONG_KEY` when the file was written with another key, `STORAGE_CORRUPT` when the record is damaged. */
export function openTagKey(keys: KeyRing, storeId: string, bytes: Uint8Array): MaybePromise<Uint8Array> {
  try {
    const opened = openJson(keys, storeId, PLACE, bytes);
    return opened instanceof Promise ? opened.then(tagKeyOf, damaged) : tagKeyOf(opened);
  } catch (error) {
    return damaged(error);
  }
}

function tagKeyOf(value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? parseHex(value) : undefined;
  if (bytes?.length !== TAG_KEY_BYTES) return damaged(undefined);
  return bytes;
}

function damaged(cause: unknown): never {
  if (cause instanceof SyncError && cause.code !== "UNREADABLE") throw cause;
  throw new SyncError(
    "STORAGE_CORRUPT",
    "The key check of the queue file is damaged, so nothing in the file can be trusted. Nothing was changed: keep the file, and restore a backup beside it.",
    { cause },
  );
}
