import { type EntityDocument, openJson, parseDocument, type RecordPlace } from "../format/index.ts";
import type { EntityRow, EntityTag, KeyRing, QueueStore } from "../ports/index.ts";
import { orNull } from "./or-null.ts";

export function documentPlace(entityTag: EntityTag): RecordPlace {
  return { table: "entities", id: entityTag, field: "body" };
}

/** What the server holds of it, as far as this queue knows. null: nothing is known, or it cannot be read; the next snapshot brings it. */
export function openDocument(store: QueueStore, keys: KeyRing, { entityTag, body }: EntityRow): Promise<EntityDocument | null> {
  if (body === null) return Promise.resolve(null);
  return orNull(async () => parseDocument(await openJson(keys, store.storeId, documentPlace(entityTag), body)));
}
