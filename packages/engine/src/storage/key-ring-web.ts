/// <reference lib="dom" />
import { SyncError } from "@guardian-sync/protocol";
import {
  ALGORITHMS,
  encodeEnvelope,
  hexOf,
  KEY_ID_BYTES,
  NONCE_BYTES,
  parseEnvelope,
  TAG_BYTES,
  unreadable,
  utf8Encode,
} from "../format/index.ts";
import type { KeyRing } from "../ports/index.ts";

/** An AES-GCM key of 256 bits that may encrypt and decrypt (it need not be extractable), or its 32 bytes. */
export type WebKey = CryptoKey | Uint8Array;

const AES_GCM = "AES-GCM";
const KEY_BYTES = 32;

export interface WebKeyRingOptions {
  /** Encrypts from now on. */
  readonly current: WebKey;
  /** Still decrypt what they encrypted: keys before a rotation. */
  readonly previous?: readonly WebKey[];
}

interface KnownKey {
  readonly id: Uint8Array;
  readonly secret: CryptoKey;
}

/** AES-256-GCM by WebCrypto: one call a record. @throws TypeError for a malformed key, SyncError where there is no WebCrypto. */
export async function webKeyRing({ current, previous = [] }: WebKeyRingOptions): Promise<KeyRing> {
  const subtle = webCrypto();
  const [now, ...older] = await Promise.all([current, ...previous].map((key) => knownKey(subtle, key)));
  if (now === undefined) throw new TypeError("a key ring needs a key");
  const known = new Map([now, ...older].map((key) => [hexOf(key.id), key]));
  return {
    currentKeyId: now.id,
    async encrypt(plain: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const sealed = new Uint8Array(await subtle.encrypt(gcm(nonce, aad), now.secret, source(plain)));
      const end = sealed.length - TAG_BYTES;
      return encodeEnvelope({
        algorithm: ALGORITHMS.aes256gcm,
        keyId: now.id,
        nonce,
        ciphertext: sealed.subarray(0, end),
        tag: sealed.subarray(end),
      });
    },
    async decrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
      const envelope = parseEnvelope(bytes);
      if (envelope === undefined) throw unreadable("A record");
      if (envelope.algorithm === ALGORITHMS.none) {
        throw new SyncError(
          "WRONG_KEY",
          'The queue database is not encrypted, and the store was opened with a key. Open it with encryption: "none".',
        );
      }
      const key = known.get(hexOf(envelope.keyId));
      if (key === undefined) {
        throw new SyncError(
          "WRONG_KEY",
          `The queue database was encrypted with another key (id ${hexOf(envelope.keyId)}). Nothing was changed: open it with that key.`,
        );
      }
      // WebCrypto wants ciphertext and tag in one piece, as they lie in the envelope.
      const sealed = bytes.subarray(bytes.length - envelope.ciphertext.length - TAG_BYTES);
      try {
        return new Uint8Array(await subtle.decrypt(gcm(envelope.nonce, aad), key.secret, source(sealed)));
      } catch (error) {
        throw unreadable("A record", error);
      }
    },
  };
}

/** A key that no script can read, not even ours: it leaves the browser with the browser's profile only. */
export function newWebKey(): Promise<CryptoKey> {
  return webCrypto().generateKey({ name: AES_GCM, length: KEY_BYTES * 8 }, false, ["encrypt", "decrypt"]);
}

/** @throws TypeError, without the key in it. */
export function checkWebKey(key: WebKey): void {
  if (key instanceof Uint8Array ? key.length === KEY_BYTES : isAesKey(key)) return;
  throw new TypeError("an encryption key must be 32 bytes, or an AES-GCM CryptoKey of 256 bits for encrypt and decrypt");
}

function isAesKey(key: unknown): boolean {
  // Not `instanceof`: insecure pages have no such class, and a key may come from another frame.
  const { algorithm, usages = [] } = (key ?? {}) as Partial<CryptoKey>;
  const isAes256 = algorithm?.name === AES_GCM && (algorithm as AesKeyAlgorithm).length === KEY_BYTES * 8;
  return isAes256 && usages.includes("encrypt") && usages.includes("decrypt");
}

async function knownKey(subtle: SubtleCrypto, key: WebKey): Promise<KnownKey> {
  checkWebKey(key);
  const secret = key instanceof Uint8Array ? await subtle.importKey("raw", source(key), AES_GCM, false, ["encrypt", "decrypt"]) : key;
  return { id: await keyIdOf(subtle, secret), secret };
}

/**
 * Names the key in headers without telling anything about it. A key that cannot be read is known by what it does: the hash of
 * the tag that it gives to an empty text. The nonce is fixed, which is safe for this one text whose result nobody sees.
 */
async function keyIdOf(subtle: SubtleCrypto, secret: CryptoKey): Promise<Uint8Array> {
  const tag = await subtle.encrypt(gcm(new Uint8Array(NONCE_BYTES), utf8Encode("guardian-sync key id\n")), secret, new Uint8Array());
  return new Uint8Array(await subtle.digest("SHA-256", tag)).slice(0, KEY_ID_BYTES);
}

function webCrypto(): SubtleCrypto {
  const subtle = typeof crypto === "undefined" ? undefined : (crypto.subtle as SubtleCrypto | undefined);
  if (subtle !== undefined) return subtle;
  throw new SyncError(
    "STORAGE_UNAVAILABLE",
    'The browser offers no encryption to an insecure page. Serve the app over https (or from localhost), or open the store with encryption: "none".',
    { userMessage: "This page is not secure, so nothing that you do here could be kept. Open its address with https." },
  );
}

function gcm(nonce: Uint8Array, aad: Uint8Array): AesGcmParams {
  return { name: AES_GCM, iv: source(nonce), additionalData: source(aad), tagLength: TAG_BYTES * 8 };
}

/** WebCrypto takes no shared memory, and nothing of ours is. */
function source(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
