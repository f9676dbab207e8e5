import { uuidV4Of } from "@guardian-sync/protocol";
import type { Random } from "../ports/index.ts";

/** One system call serves 256 UUIDs; asked one by one they cost 30 times as much. */
const POOL_BYTES = 4096;
const UUID_BYTES = 16;

export interface RandomSource {
  /** Overwrites all of `bytes`, of any length. */
  readonly fill: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Where the platform makes UUIDs faster than they are made of `fill`. */
  readonly uuid?: () => string;
}

/** Random numbers as strong as their source, drawn from it in pieces. */
export function pooledRandom({ fill, uuid }: RandomSource): Random {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;

  function take(length: number): Uint8Array {
    if (length > POOL_BYTES / 4) {
      const own = new Uint8Array(length);
      fill(own);
      return own;
    }
    if (used + length > POOL_BYTES) {
      fill(pool);
      used = 0;
    }
    const bytes = pool.slice(used, used + length);
    // What was handed out may be a key: no copy of it stays behind.
    pool.fill(0, used, used + length);
    used += length;
    return bytes;
  }

  /** Without bytes of its own: several are made for each operation. */
  function ownUuid(): string {
    if (used + UUID_BYTES > POOL_BYTES) {
      fill(pool);
      used = 0;
    }
    const text = uuidV4Of(pool, used);
    pool.fill(0, used, used + UUID_BYTES);
    used += UUID_BYTES;
    return text;
  }

  return {
    fraction() {
      const bytes = take(7);
      let value = (bytes[0] as number) & 0x1f;
      for (let i = 1; i < 7; i++) value = value * 256 + (bytes[i] as number);
      return value / 2 ** 53;
    },
    bytes: take,
    uuid: uuid ?? ownUuid,
  };
}
