import { hostname } from "node:os";
import type { Clock, Hash, Random, Transport } from "../ports/index.ts";
import { systemClock } from "./node-clock.ts";
import { nodeHash } from "./node-hash.ts";
import { systemRandom } from "./node-random.ts";
import { undiciTransport } from "./node-transport.ts";

/** Everything that the engine needs of a Node process. Connectivity is unknown there: requests tell. */
export function nodePlatform(): {
  readonly clock: Clock;
  readonly random: Random;
  readonly hash: Hash;
  readonly transport: Transport;
  readonly owner: string;
} {
  return {
    clock: systemClock(),
    random: systemRandom(),
    hash: nodeHash,
    transport: undiciTransport(),
    owner: `${hostname()}:${process.pid}`,
  };
}
