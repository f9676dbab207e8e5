/** The options of a server: checked once, at construction, with errors that name the option. */
import {
  MAX_BATCH_OPERATIONS,
  MAX_BODY_BYTES,
  MAX_PAGE_ITEMS,
  MAX_PULL_WAIT_MS,
  type RandomBytes,
  type Sha256Hex,
} from "@guardian-sync/protocol";
import type { ErrorReporter, Logger, MetricsRegistry } from "@guardian-sync/telemetry";
import { z } from "zod";
import { parseVersion } from "../core/app-version.ts";
import type { CollectionDefinition, Handler, OperationDefinition } from "../core/registry.ts";
import type { Storage } from "../core/storage.ts";
import type { CorsOptions } from "./cors.ts";
import type { Limits } from "./deps.ts";
import type { Authenticate, Authenticator, Timer } from "../ports.ts";

export interface SyncServerOptions {
  /** Stays the caller's: `close` does not close it. */
  readonly storage: Storage;
  /** By path below `/api/v1/`: `{ devices: { entityType: "device", schema: Device } }`. */
  readonly collections: Readonly<Record<string, CollectionDefinition>>;
  /** Named operations, by name. */
  readonly operations?: Readonly<Record<string, Handler | OperationDefinition>>;
  /** Who calls: `jwtAuth(…)`, `devTokens(…)`, or a function of your own. */
  readonly authenticate: Authenticate | Authenticator;
  readonly clock?: Timer;
  readonly random?: RandomBytes;
  readonly sha256?: Sha256Hex;
  readonly logger?: Logger;
  readonly reportError?: ErrorReporter;
  /** Give one to export the server's metrics beside your own. */
  readonly metrics?: MetricsRegistry;
  readonly limits?: Partial<Limits>;
  /** Default: no cross-origin access. */
  readonly cors?: CorsOptions;
  /** Older apps get 426. */
  readonly minimumAppVersion?: string;
  /** Requests per minute; default 6000 each. */
  readonly rateLimit?: { readonly perPrincipal?: number; readonly perAddress?: number };
  /** `refuse`: 400 CLOCK_SKEW beyond five minutes. Default `report`: measured only, the ledger prevents replays. */
  readonly clockSkew?: "report" | "refuse";
}

export const DEFAULT_LIMITS: Limits = {
  maxBodyBytes: MAX_BODY_BYTES,
  maxOperations: MAX_BATCH_OPERATIONS,
  pageItems: 500,
  maxPageItems: 1000,
  maxWaitMs: MAX_PULL_WAIT_MS,
};

const fn = z.custom((value) => typeof value === "function", "must be a function");
/** An object, perhaps of a class: looked at by what it can do. */
const withMethods = (...names: readonly string[]): z.ZodType =>
  z.custom(
    (value) => {
      const methods = value as Record<string, unknown> | null | undefined;
      return typeof value === "object" && methods !== null && names.every((name) => typeof methods?.[name] === "function");
    },
    `must be an object with ${names.join(", ")}`,
  );
const count = (max: number): z.ZodType => z.number().int().min(1).max(max).optional();
const origin = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text, "must be an origin such as https://app.example");

const Options = z.strictObject({
  storage: withMethods("read", "write", "close"),
  collections: z.record(
    z.string(),
    z.custom((value) => typeof value === "object" && value !== null, "must be a definition"),
  ),
  operations: z.record(z.string(), z.unknown()).optional(),
  authenticate: z.union([fn, withMethods("authenticate")], "must be a function, or what jwtAuth or devTokens gives"),
  clock: withMethods("now", "schedule").optional(),
  random: fn.optional(),
  sha256: fn.optional(),
  logger: withMethods("debug", "info", "warning", "error").optional(),
  reportError: fn.optional(),
  metrics: withMethods("counter", "gauge", "families").optional(),
  limits: z
    .strictObject({
      // Announced in the handshake: lower than the protocol's, never higher.
      maxBodyBytes: count(MAX_BODY_BYTES),
      maxOperations: count(MAX_BATCH_OPERATIONS),
      pageItems: count(MAX_PAGE_ITEMS),
      maxPageItems: count(MAX_PAGE_ITEMS),
      maxWaitMs: z.number().int().min(0).max(MAX_PULL_WAIT_MS).optional(),
    })
    .optional(),
  cors: z.strictObject({ origins: z.union([z.literal("*"), z.array(origin)], 'must be "*" or a list of origins') }).optional(),
  minimumAppVersion: z
    .string()
    .refine((text) => parseVersion(text) !== undefined, "must be a version such as 2.1.0")
    .optional(),
  rateLimit: z.strictObject({ perPrincipal: count(1e9), perAddress: count(1e9) }).optional(),
  clockSkew: z.enum(["report", "refuse"]).optional(),
});

/** @throws TypeError that names the option and says what it must be. */
export function checkOptions(options: SyncServerOptions): void {
  const parsed = Options.safeParse(options);
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  const name = issue?.path.join(".") ?? "";
  throw new TypeError(`createSyncServer: ${name === "" ? "options" : `option ${name}`}: ${issue?.message ?? "invalid"}`);
}
