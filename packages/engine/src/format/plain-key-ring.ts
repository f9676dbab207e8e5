import { SyncError } from "@guardian-sync/protocol";
import type { KeyRing } from "../ports/index.ts";
import { crc32 } from "./crc32.ts";
import { ALGORITHMS, encodeEnvelope, KEY_ID_BYTES, NONCE_BYTES, parseEnvelope, TAG_BYTES } from "./envelope.ts";
import { unreadable } from "./unreadable.ts";

/** As `crc32` of this room, which is the default: 300 KB in 0.7 ms. Platforms that have a faster one pass it. */
export type Crc32 = (bytes: Uint8Array, before: number) => number;

/**
 * The key ring of `encryption: "none"`: envelopes with plain text inside. The tag holds a CRC-32 of associated data and text
 * (big-endian, then zeros), so that damaged or misplaced bytes are still noticed.
 */
export function plainKeyRing(checksum: Crc32 = crc32): KeyRing {
  return {
    currentKeyId: new Uint8Array(KEY_ID_BYTES),
    encrypt(plain: Uint8Array, aad: Uint8Array): Uint8Array {
      const tag = new Uint8Array(TAG_BYTES);
      new DataView(tag.buffer).setUint32(0, checksum(plain, checksum(aad, 0)));
      return encodeEnvelope({
        algorithm: ALGORITHMS.none,
        keyId: new Uint8Array(KEY_ID_BYTES),
        nonce: new Uint8Array(NONCE_BYTES),
        ciphertext: plain,
        tag,
      });
    },
    decrypt(bytes: Uint8Array, aad: Uint8Array): Uint8Array {
      const envelope = parseEnvelope(bytes);
      if (envelope === undefined) throw unreadable("A record");
      if (envelope.algorithm !== ALGORITHMS.none) {
        throw new SyncError(
          "WRONG_KEY",
          "The queue file is encrypted, and the store was opened without a key. Open it with the key that it was made with.",
        );
      }
      const { ciphertext, tag } = envelope;
      const isWhole = new DataView(tag.buffer, tag.byteOffset).getUint32(0) === checksum(ciphertext, checksum(aad, 0));
      if (!isWhole) throw unreadable("A record");
      return ciphertext;
    },
  };
}
