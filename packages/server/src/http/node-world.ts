/** Node's clock, random numbers, hash and event loop, for a server that was given none. */
import { createHash, randomFillSync } from "node:crypto";
import type { EpochMs, RandomBytes } from "@guardian-sync/protocol";
import type { StorageHost } from "../core/storage.ts";
import type { World } from "../ports.ts";

/** setTimeout takes a longer delay for none at all. */
const MAX_DELAY_MS = 2 ** 31 - 1;

const POOL_BYTES = 8192;

export const nodeWorld: World = {
  timer: {
    now: () => Date.now() as EpochMs,
    schedule: (delayMs, fn) => {
      const timeout = setTimeout(fn, Math.min(delayMs, MAX_DELAY_MS));
      return () => clearTimeout(timeout);
    },
  },
  random: pooled(),
  sha256: (text) => createHash("sha256").update(text, "utf8").digest("hex"),
};

export const nodeHost: StorageHost = {
  // After the poll phase: every request that has arrived is in, and shares the next commit.
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Random bytes from a pool: asking the kernel for sixteen of them costs as much as for thousands. */
function pooled(): RandomBytes {
  let pool = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (used + length > pool.length) {
      pool = randomFillSync(new Uint8Array(Math.max(POOL_BYTES, length)));
      used = 0;
    }
    used += length;
    // A copy: the caller may write into it.
    return pool.slice(used - length, used);
  };
}
