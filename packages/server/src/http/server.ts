/** The server: options in, one request handler out. Performs nothing by itself; storage, clock and network are given. */
import { type EpochMs, LEDGER_WINDOW_MS, uuidV4 } from "@guardian-sync/protocol";
import { type MetricsRegistry, SILENT_LOGGER } from "@guardian-sync/telemetry";
import { FeedSignal } from "../core/feed-signal.ts";
import { RateLimiter } from "../core/rate-limit.ts";
import { buildRegistry } from "../core/registry.ts";
import type { Storage } from "../core/storage.ts";
import { allSpaces, type UpkeepReport, upkeep } from "../core/upkeep.ts";
import type { Deps } from "./deps.ts";
import { handleFetch } from "./fetch.ts";
import { Handler } from "./handler.ts";
import { ServerMetrics } from "./metrics.ts";
import { nodeHost, nodeWorld } from "./node-world.ts";
import { probeRoutes } from "./probe-routes.ts";
import { restRoutes } from "./rest-routes.ts";
import { Router } from "./route.ts";
import { syncRoutes } from "./sync-routes.ts";
import { tokenRoutes } from "./token-routes.ts";
import { checkOptions, DEFAULT_LIMITS, type SyncServerOptions } from "./options.ts";
import type { PlainRequest, PlainResponse, World } from "../ports.ts";

const MINUTE_MS = 60_000;
const REQUESTS_PER_MINUTE = 6000;

export interface SyncServer {
  /** Never rejects. */
  handle(request: PlainRequest): Promise<PlainResponse>;
  /** The same for the Fetch API. `remoteAddress` is whom to rate limit. */
  fetch(request: Request, from?: { readonly remoteAddress?: string }): Promise<Response>;
  readonly metrics: MetricsRegistry;
  readonly maxBodyBytes: number;
  /**
   * Forgets what is past its window, in bounded batches. Call it every hour or so; `isDone` false: call again soon.
   */
  maintain(options?: { readonly batchSize?: number; readonly maxBatches?: number }): Promise<UpkeepReport>;
  /**
   * After a backup was restored: cursors of before are refused, and the server claims to know nothing of keys sent before now.
   * Without this clients would trust a ledger with holes.
   */
  renewGeneration(): Promise<void>;
  /** Refuses new requests with 503, answers long polls at once and waits for what runs, at most `deadlineMs` (default 10 s). */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/** @throws TypeError that names the option. */
export function createSyncServer(options: SyncServerOptions): SyncServer {
  checkOptions(options);
  return new Server(options);
}

class Server implements SyncServer {
  readonly metrics: MetricsRegistry;
  readonly maxBodyBytes: number;
  readonly #handler: Handler;
  readonly #storage: Storage;
  readonly #deps: Deps;
  #isDraining = false;
  #running = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: SyncServerOptions) {
    const { storage, logger = SILENT_LOGGER, cors, minimumAppVersion, rateLimit = {} } = options;
    const registry = buildRegistry(options.collections, options.operations ?? {});
    const world = worldOf(options);
    const feed = new FeedSignal(world.timer);
    const authenticator = typeof options.authenticate === "function" ? { authenticate: options.authenticate } : options.authenticate;
    const isDraining = (): boolean => this.#isDraining;
    const routes = [...syncRoutes, ...restRoutes(registry), ...tokenRoutes(authenticator.routes ?? []), ...probeRoutes(isDraining)];
    const names = routes.map(({ method, template }) => `${method} ${template}`);
    const metrics = new ServerMetrics(names, () => feed.waiting, options.metrics);
    this.#deps = {
      storage,
      registry,
      world,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      feed,
      metrics,
      logger,
      reportError: options.reportError ?? (() => {}),
      clockSkew: options.clockSkew ?? "report",
      newId: () => uuidV4(world.random),
    };
    const { perPrincipal = REQUESTS_PER_MINUTE, perAddress = REQUESTS_PER_MINUTE } = rateLimit;
    this.#handler = new Handler({
      deps: this.#deps,
      router: new Router(routes),
      authenticate: (request) => authenticator.authenticate(request),
      byAddress: new RateLimiter({ limit: perAddress, windowMs: MINUTE_MS }),
      byPrincipal: new RateLimiter({ limit: perPrincipal, windowMs: MINUTE_MS }),
      cors,
      minimumAppVersion,
      isDraining,
    });
    this.#storage = storage;
    this.metrics = metrics.registry;
    this.maxBodyBytes = this.#deps.limits.maxBodyBytes;
    storage.attach?.(nodeHost);
  }

  handle = async (request: PlainRequest): Promise<PlainResponse> => {
    this.#running += 1;
    try {
      return await this.#handler.handle(request);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) for (const idle of this.#whenIdle.splice(0)) idle();
    }
  };

  fetch = (request: Request, from: { readonly remoteAddress?: string } = {}): Promise<Response> =>
    handleFetch(this.handle, request, this.maxBodyBytes, from.remoteAddress ?? null);

  async maintain({
    batchSize = 500,
    maxBatches = 1000,
  }: {
    readonly batchSize?: number;
    readonly maxBatches?: number;
  } = {}): Promise<UpkeepReport> {
    const now = this.#deps.world.timer.now();
    const report = await upkeep(this.#storage, { now, batchSize, maxBatches });
    this.#deps.metrics.ledger(await this.#storage.read((tx) => tx.countLedger((now - LEDGER_WINDOW_MS) as EpochMs)));
    return report;
  }

  async renewGeneration(): Promise<void> {
    const now = this.#deps.world.timer.now();
    for await (const space of allSpaces(this.#storage)) {
      const generation = this.#deps.newId();
      await this.#storage.write((tx) => tx.renewSpace(space, generation, now));
      this.#deps.feed.notify(space);
    }
  }

  async close({ deadlineMs = 10_000 }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#isDraining = true;
    this.#deps.feed.end();
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.world.timer.schedule(deadlineMs, resolve);
      this.#whenIdle.push(() => {
        cancel();
        resolve();
      });
    });
  }
}

function worldOf({ clock, random, sha256 }: SyncServerOptions): World {
  return { timer: clock ?? nodeWorld.timer, random: random ?? nodeWorld.random, sha256: sha256 ?? nodeWorld.sha256 };
}
