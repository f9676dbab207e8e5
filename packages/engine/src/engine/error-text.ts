import type { SyncErrorCode } from "@guardian-sync/protocol";
import { redactPii } from "@guardian-sync/telemetry";
import { lastErrorText } from "../core/last-error.ts";

/** `CODE STATUS message`, redacted: what is kept as `lastError`. */
export function errorText(code: SyncErrorCode, status: number | undefined, message: string): string {
  return lastErrorText(code, status, message, redactPii);
}
