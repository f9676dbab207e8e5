import { randomFillSync, randomUUID } from "node:crypto";
import type { Random } from "../ports/index.ts";
import { pooledRandom } from "./random.ts";

/** Cryptographically strong random numbers of the system. */
export function systemRandom(): Random {
  return pooledRandom({ fill: (bytes) => void randomFillSync(bytes), uuid: () => randomUUID() });
}
