/** `guardian-sync/browser`: what the engine needs from a page or a worker. */
export { browserClock } from "./browser-clock.ts";
export { browserHash } from "./browser-hash.ts";
export { browserPlatform } from "./browser-platform.ts";
export { browserRandom } from "./browser-random.ts";
export { type FetchTransportOptions, fetchTransport } from "./fetch-transport.ts";
