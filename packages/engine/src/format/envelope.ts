/**
 * The encryption envelope: every encrypted record is one.
 *
 * byte 0: version of the envelope · byte 1: algorithm · 8 bytes: id of the key · 12 bytes: nonce · ciphertext · 16 bytes: tag
 */
const ENVELOPE_VERSION = 1;
/** `none`: the "ciphertext" is the plain text, the nonce zero, the tag a checksum against damage. */
export const ALGORITHMS = { none: 0, aes256gcm: 1 } as const;
type Algorithm = (typeof ALGORITHMS)[keyof typeof ALGORITHMS];

export const KEY_ID_BYTES = 8;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const HEADER_BYTES = 2 + KEY_ID_BYTES + NONCE_BYTES;
/** What encryption adds to a plain text. */
export const ENVELOPE_OVERHEAD_BYTES: number = HEADER_BYTES + TAG_BYTES;

interface Envelope {
  readonly algorithm: Algorithm;
  readonly keyId: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** @throws RangeError when a part does not have its length. */
export function encodeEnvelope({ algorithm, keyId, nonce, ciphertext, tag }: Envelope): Uint8Array {
  if (keyId.length !== KEY_ID_BYTES || nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) {
    throw new RangeError(
      `an envelope needs a key id of 8, a nonce of 12 and a tag of 16 bytes, got ${keyId.length}, ${nonce.length}, ${tag.length}`,
    );
  }
  const bytes = new Uint8Array(ENVELOPE_OVERHEAD_BYTES + ciphertext.length);
  bytes[0] = ENVELOPE_VERSION;
  bytes[1] = algorithm;
  bytes.set(keyId, 2);
  bytes.set(nonce, 2 + KEY_ID_BYTES);
  bytes.set(ciphertext, HEADER_BYTES);
  bytes.set(tag, HEADER_BYTES + ciphertext.length);
  return bytes;
}

/** The parts, as views into `bytes`; undefined when they are no envelope of this version. Never throws. */
export function parseEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < ENVELOPE_OVERHEAD_BYTES || bytes[0] !== ENVELOPE_VERSION) return undefined;
  const algorithm = bytes[1];
  if (algorithm !== ALGORITHMS.none && algorithm !== ALGORITHMS.aes256gcm) return undefined;
  return {
    algorithm,
    keyId: bytes.subarray(2, 2 + KEY_ID_BYTES),
    nonce: bytes.subarray(2 + KEY_ID_BYTES, HEADER_BYTES),
    ciphertext: bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES),
    tag: bytes.subarray(bytes.length - TAG_BYTES),
  };
}
