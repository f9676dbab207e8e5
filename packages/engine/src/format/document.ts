import type { Json, JsonObject } from "@guardian-sync/protocol";
import { isJsonObject } from "@guardian-sync/protocol";
import { Fields } from "./fields.ts";

/** What the server is known to hold of one entity. */
export interface EntityDocument {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  /** null: it was deleted; kept until the next snapshot, so that an older change cannot bring it back. */
  readonly data: JsonObject | null;
  /** What the backend calls it, where it makes ids of its own. */
  readonly serverId?: string;
  /** Which snapshot it belongs to: what a newer one did not name is gone. */
  readonly epoch: number;
}

export function encodeDocument({ entityType, entityId, version, data, epoch, serverId }: EntityDocument): Json {
  return { t: entityType, i: entityId, v: version, d: data, e: epoch, ...(serverId === undefined ? {} : { s: serverId }) };
}

/** @throws SyncError `UNREADABLE` when it is not what `encodeDocument` writes. Unknown names are ignored. */
export function parseDocument(value: Json): EntityDocument {
  const fields = new Fields(value, "The document of an entity");
  const data = fields.get("d");
  if (data !== null && !isJsonObject(data)) return fields.fail("d");
  const named = fields.get("s") === undefined ? {} : { serverId: fields.text("s") };
  return {
    entityType: fields.text("t"),
    entityId: fields.text("i"),
    version: fields.number("v"),
    data,
    epoch: fields.number("e"),
    ...named,
  };
}
