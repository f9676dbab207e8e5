import { SyncError } from "@guardian-sync/protocol";
import type { MaybePromise } from "../ports/index.ts";

/** What `read` gives, or null when its bytes are damaged: one record that cannot be read must not stop all others. */
export async function orNull<T>(read: () => MaybePromise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    return refuse(error);
  }
}

/** The same at once. */
export function orNullNow<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    return refuse(error);
  }
}

function refuse(error: unknown): null {
  if (error instanceof SyncError && error.code === "UNREADABLE") return null;
  throw error;
}
