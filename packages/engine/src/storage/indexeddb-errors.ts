/// <reference lib="dom" />
import { SyncError, type SyncErrorCode } from "@guardian-sync/protocol";

interface Meaning {
  readonly code: SyncErrorCode;
  readonly retryable: boolean;
  readonly what: string;
  readonly whatToDo: string;
  readonly userMessage?: string;
}

const UNREADABLE_TO_USER = "What this app keeps in your browser is damaged and cannot be read. Nothing was deleted: please report it.";

const ENDED: Meaning = {
  code: "STORAGE_UNAVAILABLE",
  retryable: false,
  what: "the browser ended the transaction, because the database was deleted or closed under the running app",
  whatToDo: "Nothing of this call was written. Open the store again, or reload the page.",
  userMessage: "The data that this app keeps in your browser became unavailable. Reload the page.",
};
const FAILED: Meaning = {
  code: "STORAGE_UNAVAILABLE",
  retryable: true,
  what: "the browser could not read or write it",
  whatToDo: "Nothing was written. Check the disk, and try again.",
  userMessage:
    "The browser could not read or write what this app keeps in it. Reload the page; if that does not help, restart the browser.",
};
const REFUSED: Meaning = {
  code: "STORAGE_UNAVAILABLE",
  retryable: false,
  what: "the browser refuses storage to this page (a private window, blocked site data, or a sandboxed frame)",
  whatToDo: "Nothing was written. Allow this site to store data, or use a normal window.",
  userMessage:
    "Your browser does not let this site store data, so nothing that you do here could be kept. Allow it in the browser's settings, or use a normal window.",
};
const DAMAGED: Meaning = {
  code: "STORAGE_CORRUPT",
  retryable: false,
  what: "records are damaged, or do not have the shape of a queue",
  whatToDo: "Nothing was written. Export what can be read, then delete the database.",
  userMessage: UNREADABLE_TO_USER,
};

/** By the name of a DOMException (https://www.w3.org/TR/IndexedDB/#exceptions). */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  QuotaExceededError: {
    code: "STORAGE_FULL",
    retryable: true,
    what: "the browser has no space left for this site",
    whatToDo: "Nothing was written. Free some space and try again; what is queued is safe.",
    userMessage: "There is no space left to save this on your device. Free some space, then try again.",
  },
  AbortError: ENDED,
  InvalidStateError: ENDED,
  TransactionInactiveError: FAILED,
  TimeoutError: FAILED,
  UnknownError: FAILED,
  OperationError: FAILED,
  SecurityError: REFUSED,
  NotAllowedError: REFUSED,
  ConstraintError: DAMAGED,
  DataError: DAMAGED,
  NotFoundError: DAMAGED,
  NotReadableError: DAMAGED,
  EncodingError: DAMAGED,
};

/** Private windows of older browsers have an IndexedDB that opens nothing. */
const OPEN_MEANINGS: Readonly<Record<string, Meaning>> = { ...MEANINGS, InvalidStateError: REFUSED, AbortError: FAILED };

/** What an error of IndexedDB means for a queue, by its name. Errors of the program (TypeError, …) stay what they are. */
export function asSyncError(error: unknown, name: string): unknown {
  return named(MEANINGS, error, name);
}
export function asOpenError(error: unknown, name: string): unknown {
  return named(isStorageDenied() ? { ...OPEN_MEANINGS, UnknownError: REFUSED } : OPEN_MEANINGS, error, name);
}

/**
 * Where a user blocks a site's data, Chromium opens no database, with the same `UnknownError` as on a broken disk; but there the name
 * alone of the other storage throws. It is null in a WebView without storage, and absent in workers.
 */
function isStorageDenied(): boolean {
  try {
    return typeof localStorage === "object" && localStorage === null;
  } catch {
    return true;
  }
}

function named(meanings: Readonly<Record<string, Meaning>>, error: unknown, name: string): unknown {
  if (error instanceof SyncError || !isDomException(error)) return error;
  const { code, retryable, what, whatToDo, userMessage } = meanings[error.name] ?? FAILED;
  return new SyncError(code, `The queue database ${name} cannot be used: ${what}. ${whatToDo}`, {
    retryable,
    cause: error,
    details: { indexedDb: error.name },
    ...(userMessage === undefined ? {} : { userMessage }),
  });
}

function isDomException(error: unknown): error is { readonly name: string } {
  return typeof DOMException !== "undefined" && error instanceof DOMException;
}

function unavailable(message: string, userMessage?: string, retryable = false): SyncError {
  return new SyncError("STORAGE_UNAVAILABLE", message, { retryable, ...(userMessage === undefined ? {} : { userMessage }) });
}

export function noIndexedDb(name: string): SyncError {
  return unavailable(
    `The queue database ${name} cannot be made: there is no IndexedDB here. Use a browser that has it, or another store.`,
    "This browser cannot store data for this site, so nothing that you do here could be kept. Use a normal window, or another browser.",
  );
}
export function openTookTooLong(name: string, isBlocked: boolean, timeoutMs: number): SyncError {
  return isBlocked
    ? unavailable(
        `The queue database ${name} could not be upgraded within ${timeoutMs} ms: another tab has it open with an older version of the app, and does not close it. Nothing was changed: close the other tabs of this site, then try again.`,
        "This app was updated. Close its other tabs, then reload this one.",
        true,
      )
    : unavailable(
        `The queue database ${name} did not open within ${timeoutMs} ms. Nothing was changed: try again.`,
        "What this app keeps in your browser did not open in time. Nothing was changed: reload the page.",
        true,
      );
}

export function deletedUnderUs(name: string): SyncError {
  return unavailable(
    `The queue database ${name} was deleted under the running app: by another tab, or by clearing the site's data. What had not been sent is gone with it. Open the store again (reload the page): that makes a new one.`,
    "What this app kept in your browser was removed, with the changes that had not been sent. Reload the page to begin anew.",
  );
}
export function closedUnderUs(name: string): SyncError {
  return unavailable(
    `The queue database ${name} was closed under the running app: the browser cleared the site's data, or lost its storage. Open the store again (reload the page).`,
    "The browser closed what this app keeps in it, perhaps because the site's data was cleared. Reload the page.",
  );
}
export function upgradedUnderUs(name: string): SyncError {
  return unavailable(
    `The queue database ${name} is being upgraded by a tab with a newer version of the app, so it was closed here. Nothing is lost: reload the page, which opens the store again.`,
    "This app was updated in another tab. Nothing is lost. Reload the page.",
  );
}
export function newerStore(name: string, found: number | undefined, known: number): SyncError {
  const format = found === undefined ? "a newer format" : `format ${found}`;
  return new SyncError(
    "STORE_NEWER",
    `The queue database ${name} has ${format}; this version of guardian-sync reads up to ${known}. Nothing was changed: update guardian-sync, and what is queued will be sent.`,
    {
      userMessage:
        "A newer version of this app has been used in this browser. Nothing is lost. Reload the page, or close all its tabs and open it again.",
    },
  );
}
export function foreignDatabase(name: string): SyncError {
  return new SyncError(
    "STORAGE_CORRUPT",
    `The database ${name} belongs to another program, or is damaged: it is no queue. Nothing was changed: give the queue a name of its own.`,
    { userMessage: UNREADABLE_TO_USER },
  );
}
export function lostIdentity(name: string): SyncError {
  return new SyncError(
    "STORAGE_CORRUPT",
    `The queue database ${name} has lost its identity. Nothing was changed: keep the database, and export what can be read.`,
    { userMessage: UNREADABLE_TO_USER },
  );
}
