/** One exchange with an origin. A transport performs; it judges nothing: statuses are data, and so are failures on the way. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignalLike;
}
interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** `abort`: cancelled by the engine. `offline`: no interface is up. */
export type NetworkFailure =
  | "offline"
  | "dns_failed"
  | "connection_refused"
  | "unreachable"
  | "timeout"
  | "reset"
  | "abort"
  | "tls_failed"
  | "pin_mismatch"
  | "cors_suspected"
  | "login_required";

export type Exchange =
  | {
      readonly kind: "answer";
      readonly status: number;
      /** Lower-case names. */
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
      /** The answer came after a redirect to another origin, which was not followed. */
      readonly crossOrigin?: boolean;
      readonly elapsedMs: number;
    }
  | { readonly kind: "failure"; readonly failure: NetworkFailure; readonly detail: string; readonly elapsedMs: number };

/** Never rejects. Follows 307 and 308 within the origin only; never sends credentials to another one. */
export interface Transport {
  exchange(request: HttpRequest): Promise<Exchange>;
  close(): Promise<void>;
}
