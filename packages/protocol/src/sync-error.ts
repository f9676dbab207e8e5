import type { SyncErrorCode } from "./codes.ts";
import type { JsonObject } from "./json.ts";

export interface SyncErrorFacts {
  readonly status?: number;
  readonly traceId?: string;
  /** Whether the same call may succeed later without a change of its input. */
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly details?: JsonObject;
  /** A sentence that an app may show to its user. Holds no personal data. */
  readonly userMessage?: string;
  readonly cause?: unknown;
}

/**
 * The one error of the engine. Decide by `code` (a closed list), never by `message`.
 * The message is for a tired person: what happened, to which thing, what to do next. It holds no payload and no secret.
 */
export class SyncError extends Error {
  override readonly name = "SyncError";
  readonly code: SyncErrorCode;
  readonly status: number | undefined;
  readonly traceId: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: JsonObject | undefined;
  readonly userMessage: string | undefined;

  constructor(code: SyncErrorCode, message: string, facts: SyncErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status;
    this.traceId = facts.traceId;
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs;
    this.details = facts.details;
    this.userMessage = facts.userMessage;
  }
}
