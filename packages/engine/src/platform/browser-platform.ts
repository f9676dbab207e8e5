import { SyncError } from "@guardian-sync/protocol";
import type { Clock, Connectivity, Hash, PageLife, Random, Transport } from "../ports/index.ts";
import { browserClock } from "./browser-clock.ts";
import { browserConnectivity } from "./browser-connectivity.ts";
import { browserHash } from "./browser-hash.ts";
import { browserPageLife } from "./browser-page-life.ts";
import { browserRandom } from "./browser-random.ts";
import type { BrowserScope } from "./browser-scope.ts";
import { fetchTransport } from "./fetch-transport.ts";

/** The window or the worker. */
declare const self: BrowserScope | undefined;

/**
 * Everything that the engine needs of a page or a worker.
 * @throws SyncError `STORAGE_UNAVAILABLE` where WebCrypto is missing: the page comes over plain http from another machine.
 */
export function browserPlatform(): {
  readonly clock: Clock;
  readonly random: Random;
  readonly hash: Hash;
  readonly transport: Transport;
  readonly connectivity: Connectivity;
  readonly pageLife?: PageLife;
  readonly owner: string;
} {
  if (typeof crypto === "undefined" || (crypto as { readonly subtle?: unknown }).subtle === undefined) {
    throw new SyncError(
      "STORAGE_UNAVAILABLE",
      "This page has no WebCrypto, because it did not come over https. Serve it over https, or from localhost while you develop.",
    );
  }
  const scope = typeof self === "undefined" ? {} : self;
  const random = browserRandom();
  const pageLife = browserPageLife(scope);
  const place = scope.document === undefined ? "worker" : "tab";
  return {
    clock: browserClock(),
    random,
    hash: browserHash,
    transport: fetchTransport(),
    connectivity: browserConnectivity(scope),
    ...(pageLife === undefined ? {} : { pageLife }),
    // Nobody can name a tab; but two of them in the lock's history can be told apart.
    owner: `${place}:${Array.from(random.bytes(4), (byte) => byte.toString(16).padStart(2, "0")).join("")}`,
  };
}
