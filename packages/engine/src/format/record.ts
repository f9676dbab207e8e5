import type { Json } from "@guardian-sync/protocol";
import type { KeyRing, MaybePromise } from "../ports/index.ts";
import { openText, type Place, sealText } from "./authenticated.ts";
import { after } from "./maybe-promise.ts";
import { unreadable } from "./unreadable.ts";

/** The one cell that a value belongs to: bytes moved to another one do not open. */
export interface RecordPlace {
  readonly table: string;
  readonly id: string;
  readonly field: string;
}

/** A value at once when the key ring is synchronous. */
export function sealJson(keys: KeyRing, storeId: string, place: RecordPlace, value: Json): MaybePromise<Uint8Array> {
  return sealText(keys, partsOf(storeId, place), JSON.stringify(value));
}

/** @throws SyncError `UNREADABLE`, or `WRONG_KEY`. */
export function openJson(keys: KeyRing, storeId: string, place: RecordPlace, bytes: Uint8Array): MaybePromise<Json> {
  const what = `Field ${place.field} of ${place.table} ${place.id}`;
  return after(openText(keys, partsOf(storeId, place), bytes, what), (text) => {
    try {
      return JSON.parse(text) as Json;
    } catch {
      throw unreadable(what);
    }
  });
}

function partsOf(storeId: string, { table, id, field }: RecordPlace): Place {
  return [storeId, "record", table, id, field];
}
