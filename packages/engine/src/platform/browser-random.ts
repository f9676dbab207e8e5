import type { Random } from "../ports/index.ts";
import { pooledRandom } from "./random.ts";

/** More in one call is refused (W3C Web Cryptography API, getRandomValues). */
const QUOTA_BYTES = 65_536;

/** Cryptographically strong random numbers of the browser. */
export function browserRandom(): Random {
  return pooledRandom({
    fill(bytes) {
      for (let at = 0; at < bytes.length; at += QUOTA_BYTES) crypto.getRandomValues(bytes.subarray(at, at + QUOTA_BYTES));
    },
    // Only pages from https or this machine have it.
    ...(typeof crypto.randomUUID === "function" ? { uuid: () => crypto.randomUUID() } : {}),
  });
}
