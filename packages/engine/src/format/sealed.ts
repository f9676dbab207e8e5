import type { KeyRing, MaybePromise, PackRow } from "../ports/index.ts";
import { openText, type Place, sealText } from "./authenticated.ts";
import { after } from "./maybe-promise.ts";
import { unreadable } from "./unreadable.ts";

/**
 * Packs the sealed texts of one request into one record, encrypted in one call. Inside: the lengths of the texts in UTF-16
 * units, separated by commas, a line break, the texts. Texts may contain anything.
 */
export function packSealed(keys: KeyRing, storeId: string, packId: string, texts: readonly string[]): MaybePromise<PackRow> {
  if (texts.length === 0) throw new TypeError("a pack needs at least one text");
  const text = `${texts.map((one) => one.length).join(",")}\n${texts.join("")}`;
  return after(sealText(keys, placeOf(storeId, packId), text), (body) => ({ packId, live: texts.length, body }));
}

/** The texts, by pack index. @throws SyncError `UNREADABLE`, or `WRONG_KEY`. */
export function openSealed(keys: KeyRing, storeId: string, row: PackRow): MaybePromise<readonly string[]> {
  const what = `Pack ${row.packId} of sealed operations`;
  return after(openText(keys, placeOf(storeId, row.packId), row.body, what), (text) => {
    const end = text.indexOf("\n");
    const lengths = text.slice(0, Math.max(end, 0)).split(",").map(Number);
    let from = end + 1;
    const texts = lengths.map((length) => {
      from += length;
      return text.slice(from - length, from);
    });
    if (end < 1 || from !== text.length) throw unreadable(what);
    return texts;
  });
}

function placeOf(storeId: string, packId: string): Place {
  return [storeId, "pack", packId];
}
