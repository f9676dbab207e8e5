/** What goes wrong with a device's queue, in words. The sentences are the engine's; the headings, and what can be done here, are the page's. */
import { SyncError, type SyncErrorCode } from "guardian-sync";

export interface Problem {
  readonly title: string;
  readonly text: string;
  /** What else the person can do, beside what the text says. */
  readonly hint: string | null;
  /** For those who look it up. */
  readonly code: string | null;
}

/** Why a device cannot work with its queue at all. `hasWorked`: it did, until now. */
export function queueProblem(error: unknown, hasWorked: boolean): Problem {
  if (!(error instanceof SyncError)) return { title: "This device did not start", text: wordsOf(error), hint: null, code: null };
  const { code, userMessage = error.message } = error;
  const unavailable = hasWorked ? "The queue was closed" : "There is no place for a queue";
  const title = code === "STORAGE_UNAVAILABLE" ? unavailable : (TITLES[code] ?? "This device could not open its queue");
  const hint = code === "WRONG_KEY" ? "To begin anew without them, clear this site’s data in the browser." : null;
  return { title, text: userMessage, hint, code };
}

const TITLES: Readonly<Partial<Record<SyncErrorCode, string>>> = {
  STORAGE_FULL: "There is no space for a queue",
  STORE_NEWER: "A newer version was here",
  WRONG_KEY: "The key to this queue is missing",
  STORAGE_CORRUPT: "This queue cannot be read",
};

/** Why one edit was not taken. */
export function editProblem(error: unknown): Problem {
  const code = error instanceof SyncError ? error.code : null;
  const hint = code === "STORAGE_FULL" ? "Edits that were taken before are safe, and go on being sent." : null;
  return { title: "That was not done", text: wordsOf(error), hint, code };
}

function wordsOf(error: unknown): string {
  if (error instanceof SyncError) return error.userMessage ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
