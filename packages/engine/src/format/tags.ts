import type { AccountTag, EntityTag } from "../ports/index.ts";
import { joined } from "./joined.ts";
import { sipHashHex } from "./siphash.ts";
import { utf8Encode } from "./utf8.ts";

/** Which part of the queue an account owns. `tagKey` is the store's, 16 bytes: the same account has other tags elsewhere. */
export function accountTag(tagKey: Uint8Array, account: { readonly space: string; readonly principal: string }): AccountTag {
  return sipHashHex(tagKey, utf8Encode(joined(["account", account.space, account.principal]))) as AccountTag;
}

/** Stands for an entity wherever its id must not be readable. */
export function entityTag(tagKey: Uint8Array, account: AccountTag, entityType: string, entityId: string): EntityTag {
  return sipHashHex(tagKey, utf8Encode(joined(["entity", account, entityType, entityId]))) as EntityTag;
}
