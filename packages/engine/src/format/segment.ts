import type { AccountTag, EntityTag, KeyRing, MaybePromise, NewSegment, SegmentRow } from "../ports/index.ts";
import { openText, type Place, sealText } from "./authenticated.ts";
import { after } from "./maybe-promise.ts";
import { unreadable } from "./unreadable.ts";

/**
 * Packs the content of operations of one account, one line each (`encodeContent`), into one record, encrypted in one call.
 * A value at once when the key ring is synchronous.
 * @throws TypeError when there is no line, a line contains a line break, or the tags are not one a line.
 */
export function packSegment(
  keys: KeyRing,
  storeId: string,
  segmentId: string,
  account: AccountTag,
  lines: readonly string[],
  ids: { readonly idMin: string; readonly idMax: string },
  entityTags: readonly EntityTag[],
): MaybePromise<NewSegment> {
  const count = lines.length;
  if (count === 0) throw new TypeError("a segment needs at least one operation");
  if (entityTags.length !== count)
    throw new TypeError(`a segment of ${count} operations needs ${count} entity tags, got ${entityTags.length}`);
  const text = lines.join("\n");
  if (lineBreaksIn(text) !== count - 1) throw new TypeError("content must be one line: JSON without raw line breaks");
  const columns = { segmentId, account, count, ...ids, entityTags };
  return after(sealText(keys, placeOf(storeId, columns), text), (body) => ({ ...columns, body }));
}

function lineBreaksIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** The lines of a segment, in order of seq, unparsed. @throws SyncError `UNREADABLE`, or `WRONG_KEY`. */
export function openSegment(keys: KeyRing, storeId: string, row: SegmentRow): MaybePromise<readonly string[]> {
  const { segmentId, count } = row;
  const what = `Segment ${segmentId} (${count} operations)`;
  return after(openText(keys, placeOf(storeId, row), row.body, what), (text) => {
    const lines = text.split("\n");
    if (lines.length !== count) throw unreadable(what);
    return lines;
  });
}

/** All of the plain columns: who reads them may trust them as far as the content. Only where it stands is the store's to say. */
function placeOf(storeId: string, { segmentId, account, count, idMin, idMax, entityTags }: Omit<NewSegment, "body">): Place {
  return [storeId, "segment", segmentId, account, String(count), idMin, idMax, entityTags.join("")];
}
