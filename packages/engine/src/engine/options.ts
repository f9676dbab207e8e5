import { type CapabilityLevel, MAX_BATCH_OPERATIONS, MAX_BODY_BYTES, type Ordering } from "@guardian-sync/protocol";
import { NO_TELEMETRY, type Telemetry } from "@guardian-sync/telemetry";
import { type BackoffPolicy, PRESETS, type PresetName } from "../core/backoff.ts";
import { BREAKER_DEFAULTS, type BreakerOptions } from "../core/breaker-options.ts";
import { RATE_LIMIT_DEFAULTS, type RateLimitOptions } from "../core/rate-limit-options.ts";
import type { Clock, Connectivity, Hash, PageLife, Random, StoreAdapter, Transport } from "../ports/index.ts";
import { type AnyEntity, type AnyOperation, Registry } from "./definitions.ts";
import type { SessionSource } from "./session-keeper.ts";

export interface BackendOptions {
  /** Origin and optional base path: `https://api.example.com`. */
  readonly baseUrl: string;
  /** Who is signed in, and their token; null = nobody. `force` asks for a new token. May be async. */
  readonly session?: SessionSource;
  /** With a JWT, `getToken` (and `refreshToken`) are enough: the account is read from its `iss`, `sub` and `tenant`. */
  readonly getToken?: () => string | null | Promise<string | null>;
  readonly refreshToken?: () => string | null | Promise<string | null>;
  /** What a backend without our handshake offers. Default 0. A backend with the handshake is level 4 by itself. */
  readonly level?: Exclude<CapabilityLevel, 4>;
  /** The backend must offer at least this; less pauses the engine instead of weakening its promise. Default 0. */
  readonly minimumLevel?: CapabilityLevel;
  /** Headers for every request, for a backend that wants more than the standard ones. Never a token: that is the session's. */
  readonly headers?: Readonly<Record<string, string>>;
  /** semver, sent as X-App-Version. */
  readonly appVersion?: string;
  /** Deadline of one request. Default 30 000. */
  readonly timeoutMs?: number;
}

export interface EngineOptions {
  readonly store: StoreAdapter;
  readonly backend: BackendOptions;
  readonly entities?: readonly AnyEntity[];
  readonly operations?: readonly AnyOperation[];
  /** Effects in the order of the queue, or in the order of each entity and each lane. Default `global`. */
  readonly ordering?: Ordering;
  /** Requests in flight under entity ordering; under global ordering one at a time. Default 4. */
  readonly concurrency?: number;
  /**
   * Whether edits of one entity that wait next to each other become one before they are sent. `entity` also folds past what is about
   * other entities: then the effects of different entities may change places. Under entity ordering both mean the same. Default true.
   */
  readonly coalesce?: boolean | "entity";
  /** A preset, or numbers of your own. Default `standard`. */
  readonly backoff?: PresetName | Partial<BackoffPolicy>;
  readonly lock?: { readonly heartbeatMs?: number; readonly staleMs?: number };
  readonly breaker?: Partial<BreakerOptions>;
  /** Requests, not operations. */
  readonly rateLimit?: Partial<RateLimitOptions>;
  readonly batch?: { readonly maxOperations?: number; readonly maxBytes?: number };
  /** Enqueue is refused with QUEUE_FULL beyond this many waiting operations. Default: no limit but the disk. */
  readonly maxPending?: number;
  /** Receipts of verdicts are kept this long. Default 30 days. */
  readonly receiptRetentionMs?: number;
  /** Start processing at once. Default true. */
  readonly autoStart?: boolean;
  readonly telemetry?: Telemetry;
}

/** What a platform brings: `guardian-sync` fills it in, simulation and tests bring their own. */
export interface Platform {
  readonly clock: Clock;
  readonly random: Random;
  readonly hash: Hash;
  readonly transport: Transport;
  readonly connectivity?: Connectivity;
  /** Of a page that can be frozen or left. Absent where processes simply run or end. */
  readonly pageLife?: PageLife;
  /** Names this process in the lock row, for people: host and process id. */
  readonly owner: string;
}

/** Options with every default filled in. */
export interface Settings {
  readonly store: StoreAdapter;
  readonly backend: BackendOptions & {
    readonly timeoutMs: number;
    readonly minimumLevel: CapabilityLevel;
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly registry: Registry;
  readonly ordering: Ordering;
  readonly concurrency: number;
  readonly coalesce: boolean | "entity";
  readonly backoff: BackoffPolicy;
  readonly lock: { readonly heartbeatMs: number; readonly staleMs: number };
  readonly breaker: BreakerOptions;
  readonly rateLimit: RateLimitOptions;
  readonly batch: { readonly maxOperations: number; readonly maxBytes: number };
  readonly maxPending: number;
  readonly receiptRetentionMs: number;
  readonly autoStart: boolean;
  readonly telemetry: Telemetry;
}

const DAY_MS = 86_400_000;
/** More only queue up in the browser, or in front of a server that wants to be spared. */
const MAX_CONCURRENCY = 32;

/** Checks every option at once; the error names the option, what it was and what it must be. */
export function settingsOf(options: EngineOptions): Settings {
  if (typeof options !== "object" || options === null) throw new TypeError("createSyncEngine needs an options object");
  if (typeof options.store?.open !== "function")
    throw new TypeError("option store: give a store, such as sqliteStore({ path }) or memoryStore()");
  if (options.ordering !== undefined && options.ordering !== "global" && options.ordering !== "entity")
    throw new RangeError(`option ordering: must be "global" or "entity", got ${JSON.stringify(options.ordering)}`);
  const backend = options.backend;
  if (typeof backend !== "object" || backend === null) throw new TypeError("option backend: give { baseUrl, session }");
  checkUrl(backend.baseUrl);
  if (backend.session === undefined && backend.getToken === undefined) {
    throw new TypeError(
      "option backend.session: give a function that returns { account: { space, principal }, token, expiresAt } or null when signed out",
    );
  }
  oneOf("backend.level", backend.level, [0, 1, 2, 3]);
  oneOf("backend.minimumLevel", backend.minimumLevel, [0, 1, 2, 3, 4]);
  if (![undefined, true, false, "entity"].includes(options.coalesce))
    throw new RangeError(`option coalesce: must be true, false or "entity", got ${JSON.stringify(options.coalesce)}`);
  for (const name of Object.keys(backend.headers ?? {})) {
    if (/^(authorization|cookie|content-type|idempotency-key)$/i.test(name))
      throw new TypeError(`option backend.headers: ${name} is set by the engine`);
  }
  const settings: Settings = {
    store: options.store,
    backend: {
      ...backend,
      timeoutMs: backend.timeoutMs ?? 30_000,
      minimumLevel: backend.minimumLevel ?? 0,
      headers: backend.headers ?? {},
    },
    registry: new Registry(options.entities ?? [], options.operations ?? []),
    ordering: options.ordering ?? "global",
    concurrency: options.concurrency ?? 4,
    coalesce: options.coalesce ?? true,
    backoff: backoffOf(options.backoff),
    lock: { heartbeatMs: 10_000, staleMs: 120_000, ...options.lock },
    breaker: { ...BREAKER_DEFAULTS, ...options.breaker },
    rateLimit: { ...RATE_LIMIT_DEFAULTS, ...options.rateLimit },
    batch: { maxOperations: 50, maxBytes: MAX_BODY_BYTES, ...options.batch },
    maxPending: options.maxPending ?? Number.POSITIVE_INFINITY,
    receiptRetentionMs: options.receiptRetentionMs ?? 30 * DAY_MS,
    autoStart: options.autoStart ?? true,
    telemetry: options.telemetry ?? NO_TELEMETRY,
  };
  atLeast("backend.timeoutMs", settings.backend.timeoutMs, 1);
  atLeast("lock.heartbeatMs", settings.lock.heartbeatMs, 1);
  atLeast("lock.staleMs", settings.lock.staleMs, 2 * settings.lock.heartbeatMs);
  whole("concurrency", settings.concurrency);
  if (settings.concurrency > MAX_CONCURRENCY)
    throw new RangeError(`option concurrency: at most ${MAX_CONCURRENCY}, got ${settings.concurrency}`);
  whole("breaker.failureThreshold", settings.breaker.failureThreshold);
  atLeast("breaker.windowMs", settings.breaker.windowMs, 1);
  atLeast("breaker.cooldownMs", settings.breaker.cooldownMs, 1);
  atLeast("rateLimit.requestsPerSecond", settings.rateLimit.requestsPerSecond, 0.001);
  atLeast("rateLimit.burst", settings.rateLimit.burst, 1);
  whole("batch.maxOperations", settings.batch.maxOperations);
  if (settings.batch.maxOperations > MAX_BATCH_OPERATIONS)
    throw new RangeError(`option batch.maxOperations: at most ${MAX_BATCH_OPERATIONS}, got ${settings.batch.maxOperations}`);
  atLeast("batch.maxBytes", settings.batch.maxBytes, 1024);
  if (settings.maxPending !== Number.POSITIVE_INFINITY) atLeast("maxPending", settings.maxPending, 1);
  atLeast("receiptRetentionMs", settings.receiptRetentionMs, DAY_MS);
  atLeast("backoff.baseMs", settings.backoff.baseMs, 1);
  atLeast("backoff.maxDelayMs", settings.backoff.maxDelayMs, settings.backoff.baseMs);
  whole("backoff.maxAttempts", settings.backoff.maxAttempts);
  return settings;
}

export function backoffOf(option: EngineOptions["backoff"]): BackoffPolicy {
  if (option === undefined) return PRESETS.standard;
  if (typeof option !== "string") return { ...PRESETS.standard, ...option };
  const preset = (PRESETS as Readonly<Record<string, BackoffPolicy>>)[option];
  if (preset === undefined)
    throw new RangeError(
      `option backoff: unknown preset "${option}"; use ${Object.keys(PRESETS).join(", ")}, or { baseMs, maxDelayMs, maxAttempts }`,
    );
  return preset;
}

function atLeast(option: string, value: unknown, least: number): void {
  if (typeof value !== "number" || !Number.isFinite(value) || value < least)
    throw new RangeError(`option ${option}: must be a number >= ${least}, got ${String(value)}`);
}

function whole(option: string, value: unknown): void {
  atLeast(option, value, 1);
  if (!Number.isInteger(value)) throw new RangeError(`option ${option}: must be a whole number, got ${String(value)}`);
}

function oneOf(option: string, value: unknown, allowed: readonly number[]): void {
  if (value !== undefined && !allowed.includes(value as number))
    throw new RangeError(`option ${option}: must be a level from ${allowed[0]} to ${allowed.at(-1)}, got ${String(value)}`);
}

function checkUrl(baseUrl: unknown): asserts baseUrl is string {
  if (typeof baseUrl !== "string" || !/^https?:\/\/[^/\s?#@]+(\/[^\s?#]*)?$/.test(baseUrl)) {
    throw new TypeError(
      "option backend.baseUrl: give an absolute http(s) URL without query, fragment or credentials, such as https://api.example.com",
    );
  }
}
