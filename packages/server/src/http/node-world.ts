/** Node's clock, random numbers, hash and event loop, for a server that was given none. */
import { createHash, randomFillSync } from "node:crypto";
import type { EpochMs } from "@guardian-sync/protocol";
import type { StorageHost } from "../core/storage.ts";
import type { World } from "../ports.ts";

/** setTimeout takes a longer delay for none at all. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const nodeWorld: World = {
  timer: {
    now: () => Date.now() as EpochMs,
    schedule: (delayMs, fn) => {
      const timeout = setTimeout(fn, Math.min(delayMs, MAX_DELAY_MS));
      return () => clearTimeout(timeout);
    },
  },
  random: (length) => randomFillSync(new Uint8Array(length)),
  sha256: (text) => createHash("sha256").update(text, "utf8").digest("hex"),
};

export const nodeHost: StorageHost = {
  // After the poll phase: every request that has arrived is in, and shares the next commit.
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
};
