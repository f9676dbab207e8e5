import { SyncError } from "@guardian-sync/protocol";

/** What stands for an error in the log: its code or its class, never its words. */
export function codeOf(error: unknown): string {
  return error instanceof SyncError ? error.code : error instanceof Error ? error.name : "UNKNOWN";
}
