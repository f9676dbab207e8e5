import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject, randomFillSync } from "node:crypto";
import { SyncError } from "@guardian-sync/protocol";
import {
  ALGORITHMS,
  encodeEnvelope,
  hexOf,
  KEY_ID_BYTES,
  NONCE_BYTES,
  parseEnvelope,
  parseHex,
  TAG_BYTES,
  unreadable,
} from "../format/index.ts";
import type { KeyRing } from "../ports/index.ts";

/** 32 bytes, or 64 hex digits. */
export type Key = Uint8Array | string;
export const KEY_BYTES = 32;

export interface NodeKeyRingOptions {
  /** Encrypts from now on. */
  readonly current: Key;
  /** Still decrypt what they encrypted: keys before a rotation. */
  readonly previous?: readonly Key[];
  /** For reproducible vectors only: a nonce that repeats under one key gives the plain text away. */
  readonly nonce?: () => Uint8Array;
}

interface KnownKey {
  readonly id: Uint8Array;
  readonly secret: KeyObject;
}

/** AES-256-GCM by node:crypto: synchronous, so that nothing waits between packing and writing. @throws TypeError for a malformed key. */
export function nodeKeyRing({ current, previous = [], nonce = randomNonce }: NodeKeyRingOptions): KeyRing {
  const now = knownKey(current);
  const known = new Map([now, ...previous.map(knownKey)].map((key) => [hexOf(key.id), key]));
  return {
    currentKeyId: now.id,
    encrypt(plain: Uint8Array, aad: Uint8Array): Uint8Array {
      const iv = nonce();
      const cipher = createCipheriv("aes-256-gcm", now.secret, iv);
      cipher.setAAD(aad);
      const ciphertext = cipher.update(plain);
      // A stream cipher: the end adds nothing but the tag.
      cipher.final();
      return encodeEnvelope({ algorithm: ALGORITHMS.aes256gcm, keyId: now.id, nonce: iv, ciphertext, tag: cipher.getAuthTag() });
    },
    decrypt(bytes: Uint8Array, aad: Uint8Array): Uint8Array {
      const envelope = parseEnvelope(bytes);
      if (envelope === undefined) throw unreadable("A record");
      if (envelope.algorithm === ALGORITHMS.none) {
        throw new SyncError(
          "WRONG_KEY",
          'The queue file is not encrypted, and the store was opened with a key. Open it with encryption: "none".',
        );
      }
      const key = known.get(hexOf(envelope.keyId));
      if (key === undefined) {
        throw new SyncError(
          "WRONG_KEY",
          `The queue file was encrypted with another key (id ${hexOf(envelope.keyId)}). Nothing was changed: open it with that key.`,
        );
      }
      const decipher = createDecipheriv("aes-256-gcm", key.secret, envelope.nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(aad);
      decipher.setAuthTag(envelope.tag);
      const plain = decipher.update(envelope.ciphertext);
      try {
        decipher.final();
      } catch (error) {
        throw unreadable("A record", error);
      }
      return plain;
    },
  };
}

/** The bytes of a key. @throws TypeError, without the key in it, unless they are 32. */
export function keyBytes(key: Key): Uint8Array {
  const bytes = typeof key === "string" ? parseHex(key) : key;
  if (!(bytes instanceof Uint8Array) || bytes.length !== KEY_BYTES) {
    throw new TypeError("an encryption key must be 32 bytes, or 64 hex digits");
  }
  return bytes;
}

/** Names the key in headers without telling anything about it. */
function knownKey(key: Key): KnownKey {
  const bytes = keyBytes(key);
  const digest = createHash("sha256").update("guardian-sync key id\n").update(bytes).digest();
  return { id: new Uint8Array(digest.subarray(0, KEY_ID_BYTES)), secret: createSecretKey(bytes) };
}

// A call per nonce would cost as much as the encryption of a small record.
const POOL_BYTES = NONCE_BYTES * 512;
const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

function randomNonce(): Uint8Array {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  used += NONCE_BYTES;
  return pool.slice(used - NONCE_BYTES, used);
}
