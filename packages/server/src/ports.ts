/** What the server needs from the world besides a database. Everything is injectable; a simulation gives virtual ones. */
import type { EpochMs, Json, RandomBytes, Sha256Hex } from "@guardian-sync/protocol";

export interface Timer {
  now(): EpochMs;
  /** Calls `fn` once after `delayMs`; the returned function cancels. */
  schedule(delayMs: number, fn: () => void): () => void;
}

export interface World {
  readonly timer: Timer;
  readonly random: RandomBytes;
  readonly sha256: Sha256Hex;
}

/** A request, whatever brought it. */
export interface PlainRequest {
  readonly method: string;
  /** Without the query, still percent-encoded. */
  readonly path: string;
  readonly query: { readonly [name: string]: string };
  /** Names in lower case. */
  readonly headers: { readonly [name: string]: string };
  readonly body: Uint8Array;
  readonly remoteAddress: string | null;
  /** Aborted when the caller has gone: a long poll then ends. */
  readonly signal?: AbortSignal;
}
export interface PlainResponse {
  readonly status: number;
  /** Names in their usual spelling. */
  readonly headers: { readonly [name: string]: string };
  /** JSON or plain text; empty for 204 and 304. */
  readonly body: string;
}

/** Who calls, as the authenticator sees it. Everything that is read or written is scoped by it. */
export interface Session {
  readonly principal: string;
  /** The unit of order and permission, one per tenant by default. */
  readonly space: string;
  readonly roles: readonly string[];
}

/** Null, or a throw, is 401: why is told to the log, not to the caller. */
export type Authenticate = (request: PlainRequest) => Session | null | Promise<Session | null>;

/** A call that hands out tokens and therefore needs none. */
export interface TokenRoute {
  readonly method: "POST";
  readonly path: string;
  /** The envelope's payload in, its data out; throws `RequestRefused` to say no. */
  handle(payload: Json, request: PlainRequest): Promise<Json>;
}
export interface Authenticator {
  readonly authenticate: Authenticate;
  readonly routes?: readonly TokenRoute[];
}
