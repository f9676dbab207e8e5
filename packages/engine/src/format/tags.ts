import type { AccountTag, EntityTag } from "../ports/index.ts";
import { joined } from "./joined.ts";
import { sipHashHex } from "./siphash.ts";
import { utf8Encode } from "./utf8.ts";

/** Which part of the queue an account owns. `tagKey` is the store's, 16 bytes: the same account has other tags elsewhere. */
export function accountTag(tagKey: Uint8Array, account: { readonly space: string; readonly principal: string }): AccountTag {
  return tagOf(tagKey, ["account", account.space, account.principal]) as AccountTag;
}

/** Stands for an entity wherever its id must not be readable. */
export function entityTag(tagKey: Uint8Array, account: AccountTag, entityType: string, entityId: string): EntityTag {
  return tagOf(tagKey, ["entity", account, entityType, entityId]) as EntityTag;
}

function tagOf(tagKey: Uint8Array, parts: readonly string[]): string {
  const length = putAscii(parts);
  return sipHashHex(tagKey, length === undefined ? utf8Encode(joined(parts)) : scratch.subarray(0, length));
}

// One tag per enqueued operation: the platform's encoder costs more for so few bytes than the hash itself.
const scratch = new Uint8Array(512);

/** Writes the UTF-8 of `joined(parts)` into `scratch` and returns its length; undefined when other characters are in it. */
function putAscii(parts: readonly string[]): number | undefined {
  let at = 0;
  for (const part of parts) {
    const { length } = part;
    if (at + length + 6 > scratch.length) return undefined;
    if (length >= 100) scratch[at++] = ZERO + Math.floor(length / 100);
    if (length >= 10) scratch[at++] = ZERO + (Math.floor(length / 10) % 10);
    scratch[at++] = ZERO + (length % 10);
    scratch[at++] = COLON;
    for (let i = 0; i < length; i++) {
      const code = part.charCodeAt(i);
      if (code >= 0x80) return undefined;
      scratch[at++] = code;
    }
  }
  return at;
}

const ZERO = 0x30;
const COLON = 0x3a;
