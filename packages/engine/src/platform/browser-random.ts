import type { Random } from "../ports/index.ts";
import { pooledRandom } from "./random.ts";

/** More in one call is refused (W3C Web Cryptography API, getRandomValues). */
const QUOTA_BYTES = 65_536;

/** Cryptographically strong random numbers of the browser. UUIDs are made of them: Chromium's own take eight times as long. */
export function browserRandom(): Random {
  return pooledRandom({
    fill(bytes) {
      for (let at = 0; at < bytes.length; at += QUOTA_BYTES) crypto.getRandomValues(bytes.subarray(at, at + QUOTA_BYTES));
    },
  });
}
