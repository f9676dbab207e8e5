import { SyncError } from "@guardian-sync/protocol";
import type { KeyRing } from "../ports/index.ts";
import { crc32 } from "./crc32.ts";
import { ALGORITHMS, encodeEnvelope, KEY_ID_BYTES, NONCE_BYTES, parseEnvelope, TAG_BYTES } from "./envelope.ts";
import { unreadable } from "./unreadable.ts";

/**
 * The key ring of `encryption: "none"`: envelopes with plain text inside. The tag holds a CRC-32 of associated data and text
 * (big-endian, then zeros), so that damaged or misplaced bytes are still noticed.
 */
export const plainKeyRing: KeyRing = {
  currentKeyId: new Uint8Array(KEY_ID_BYTES),
  encrypt(plain: Uint8Array, aad: Uint8Array): Uint8Array {
    const tag = new Uint8Array(TAG_BYTES);
    new DataView(tag.buffer).setUint32(0, crc32(aad, plain));
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
    if (new DataView(tag.buffer, tag.byteOffset).getUint32(0) !== crc32(aad, ciphertext)) throw unreadable("A record");
    return ciphertext;
  },
};
