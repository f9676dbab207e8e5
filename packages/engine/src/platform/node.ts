/** `guardian-sync/node`: what the engine needs from a Node process. */
export { systemClock } from "./node-clock.ts";
export { nodeHash } from "./node-hash.ts";
export { systemRandom } from "./node-random.ts";
export { type UndiciTransportOptions, undiciTransport } from "./node-transport.ts";
export { nodePlatform } from "./node-platform.ts";
