/**
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) in 32-bit halves: BigInt is 50 times slower.
 * A keyed hash: without the key nobody can tell which id a tag stands for, or make two ids meet.
 */
export const SIPHASH_KEY_BYTES = 16;

/** Lowercase hex of the 64-bit hash, most significant digit first. @throws RangeError unless the key has 16 bytes. */
export function sipHashHex(key: Uint8Array, message: Uint8Array): string {
  if (key.length !== SIPHASH_KEY_BYTES) throw new RangeError(`SipHash needs a key of 16 bytes, got ${key.length}`);
  // Four 64-bit words as halves, l the low one: the key, mixed with "somepseudorandomlygeneratedbytes".
  let v0l = word(key, 0) ^ 0x70736575;
  let v0h = word(key, 4) ^ 0x736f6d65;
  let v1l = word(key, 8) ^ 0x6e646f6d;
  let v1h = word(key, 12) ^ 0x646f7261;
  let v2l = word(key, 0) ^ 0x6e657261;
  let v2h = word(key, 4) ^ 0x6c796765;
  let v3l = word(key, 8) ^ 0x79746573;
  let v3h = word(key, 12) ^ 0x74656462;
  let ml = 0;
  let mh = 0;
  let carry = 0;
  let swap = 0;

  // Two rounds for each block of 8 bytes (the last one holds the rest and the length), then four to finish.
  const absorbing = 2 * ((message.length >> 3) + 1);
  for (let r = 0; r < absorbing + 4; r++) {
    if (r === absorbing) v2l ^= 0xff;
    else if (r < absorbing && (r & 1) === 0) {
      const at = r << 2;
      const isLast = r === absorbing - 2;
      ml = isLast ? tail(message, at) : word(message, at);
      mh = isLast ? tail(message, at + 4) | (message.length << 24) : word(message, at + 4);
      v3l ^= ml;
      v3h ^= mh;
    }
    // v0 += v1; v1 <<<= 13; v1 ^= v0; v0 <<<= 32
    carry = (v0l >>> 0) + (v1l >>> 0);
    v0h = (v0h + v1h + (carry > 0xffffffff ? 1 : 0)) | 0;
    v0l = carry | 0;
    swap = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
    v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
    v1l = swap;
    swap = v0l;
    v0l = v0h;
    v0h = swap;
    // v2 += v3; v3 <<<= 16; v3 ^= v2
    carry = (v2l >>> 0) + (v3l >>> 0);
    v2h = (v2h + v3h + (carry > 0xffffffff ? 1 : 0)) | 0;
    v2l = carry | 0;
    swap = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
    v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
    v3l = swap;
    // v0 += v3; v3 <<<= 21; v3 ^= v0
    carry = (v0l >>> 0) + (v3l >>> 0);
    v0h = (v0h + v3h + (carry > 0xffffffff ? 1 : 0)) | 0;
    v0l = carry | 0;
    swap = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
    v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
    v3l = swap;
    // v2 += v1; v1 <<<= 17; v1 ^= v2; v2 <<<= 32
    carry = (v2l >>> 0) + (v1l >>> 0);
    v2h = (v2h + v1h + (carry > 0xffffffff ? 1 : 0)) | 0;
    v2l = carry | 0;
    swap = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
    v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
    v1l = swap;
    swap = v2l;
    v2l = v2h;
    v2h = swap;
    if (r < absorbing && (r & 1) === 1) {
      v0l ^= ml;
      v0h ^= mh;
    }
  }
  return hex32(v0h ^ v1h ^ v2h ^ v3h) + hex32(v0l ^ v1l ^ v2l ^ v3l);
}

/** Little-endian. */
function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** Little-endian, zero where there are no more bytes. */
function tail(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < 4 && at + i < bytes.length; i++) value |= (bytes[at + i] as number) << (8 * i);
  return value;
}

/** Two hex digits a byte: `toString(16)` with padding takes five times as long. */
const HEX: readonly string[] = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hex32(value: number): string {
  return `${HEX[value >>> 24]}${HEX[(value >>> 16) & 0xff]}${HEX[(value >>> 8) & 0xff]}${HEX[value & 0xff]}`;
}
