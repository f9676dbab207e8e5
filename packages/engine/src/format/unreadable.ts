import { SyncError } from "@guardian-sync/protocol";

/** The error for bytes that are not what was written. Names the place, never the content. */
export function unreadable(what: string, cause?: unknown): SyncError {
  return new SyncError(
    "UNREADABLE",
    `${what} cannot be read: its bytes are damaged, or do not belong there. Everything else in the queue file is unaffected.`,
    cause === undefined ? {} : { cause },
  );
}
