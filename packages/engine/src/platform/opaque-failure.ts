import type { NetworkFailure } from "../ports/index.ts";
import { startDeadline } from "./deadline.ts";

export interface OpaqueFailureOptions {
  readonly fetch: typeof fetch;
  /** What the system says of its network. It may be wrong in both directions; false is believed. */
  readonly isOnline: () => boolean;
  /** The origin of the page or worker. Absent where there are no pages, and so no CORS. */
  readonly pageOrigin: string | undefined;
  /** Ends probes under way. */
  readonly closing: AbortSignal;
}

/** A probe is a courtesy: the caller waits for it, with its own deadline nearly over. */
const PROBE_MS = 3000;
/** One refusal may be a network that came back between request and probe. */
const REFUSALS_IN_A_ROW = 2;

/**
 * A browser says of a request that failed only that it failed. What it means is told from the outside: the system is offline; or
 * the origin answers a request that asks for no permission while it keeps failing those that do (CORS); or the connection failed.
 * An origin of which this page has ever read the answer to a write permits us: what fails there is the connection.
 */
export class OpaqueFailures {
  readonly #options: OpaqueFailureOptions;
  readonly #readable = new Set<string>();
  readonly #refusals = new Map<string, number>();

  constructor(options: OpaqueFailureOptions) {
    this.#options = options;
  }

  /** An answer could be read. */
  answered(method: string, { origin }: URL): void {
    this.#refusals.delete(origin);
    if (method !== "GET") this.#readable.add(origin);
  }

  async judge({ origin }: URL): Promise<NetworkFailure> {
    const { isOnline, pageOrigin } = this.#options;
    if (!isOnline()) return "offline";
    if (pageOrigin === undefined || pageOrigin === origin || this.#readable.has(origin)) return "reset";
    const refusals = (await this.#isThere(origin)) ? (this.#refusals.get(origin) ?? 0) + 1 : 0;
    this.#refusals.set(origin, refusals);
    return refusals >= REFUSALS_IN_A_ROW ? "cors_suspected" : "reset";
  }

  /** Asks for nothing that needs permission: a GET without headers, whose answer nobody may read. */
  async #isThere(origin: string): Promise<boolean> {
    const deadline = startDeadline(PROBE_MS, [this.#options.closing]);
    const { signal } = deadline;
    try {
      const answer = await Promise.race([
        this.#options.fetch(`${origin}/`, { mode: "no-cors", credentials: "omit", cache: "no-store", signal }),
        deadline.over,
      ]);
      answer.body?.cancel().catch(() => {});
      return true;
    } catch {
      return false;
    } finally {
      deadline.clear();
    }
  }
}
