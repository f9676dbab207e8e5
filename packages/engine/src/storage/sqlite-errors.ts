import { SyncError, type SyncErrorCode } from "@guardian-sync/protocol";

// Primary result codes (https://www.sqlite.org/rescode.html); an extended code has its primary one in the lowest 8 bits.
const SQLITE = {
  ERROR: 1,
  PERM: 3,
  BUSY: 5,
  LOCKED: 6,
  NOMEM: 7,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  PROTOCOL: 15,
  CONSTRAINT: 19,
  MISMATCH: 20,
  AUTH: 23,
  FORMAT: 24,
  RANGE: 25,
  NOTADB: 26,
} as const;
/** Growing the shared-memory file failed: with a full disk this comes before the WAL can report it. */
const IOERR_SHMSIZE = 4874;
/** The file was moved or deleted while it was open. */
const READONLY_DBMOVED = 1032;

type Meaning = readonly [code: SyncErrorCode, retryable: boolean, what: string, whatToDo: string];

const FULL: Meaning = [
  "STORAGE_FULL",
  true,
  "the disk is full",
  "Nothing was written. Free some space and try again; what is queued is safe.",
];
const READ_ONLY: Meaning = [
  "STORAGE_READ_ONLY",
  false,
  "the file or its folder may not be written",
  "Nothing was written. Give this process write access to the file and its folder.",
];
const DAMAGED: Meaning = [
  "STORAGE_CORRUPT",
  false,
  "the file is damaged, or is no database",
  "Nothing was written. Keep the file and its -wal, check the disk, and restore a backup.",
];
const BUSY: Meaning = [
  "STORAGE_UNAVAILABLE",
  true,
  "another process kept it locked for too long",
  "Nothing was written. Try again; if it stays so, look for a process that holds a transaction open.",
];
const FAILED: Meaning = [
  "STORAGE_UNAVAILABLE",
  true,
  "the operating system could not read or write it",
  "Nothing was written. Check the disk and its mount, and try again.",
];
const MOVED: Meaning = [
  "STORAGE_UNAVAILABLE",
  false,
  "it was moved or deleted while it was open",
  "Nothing was written. Put the file back, with its -wal, and open the store again.",
];
const CANNOT_OPEN: Meaning = [
  "STORAGE_UNAVAILABLE",
  false,
  "it cannot be opened",
  "Check that its folder exists, and that this process may read and write there.",
];
const NO_MEMORY: Meaning = [
  "STORAGE_UNAVAILABLE",
  true,
  "the process is out of memory",
  "Nothing was written. Try again with more memory.",
];

const MEANINGS: Readonly<Record<number, Meaning>> = {
  [SQLITE.ERROR]: DAMAGED, // a table or column of the format is missing
  [SQLITE.PERM]: READ_ONLY,
  [SQLITE.BUSY]: BUSY,
  [SQLITE.LOCKED]: BUSY,
  [SQLITE.NOMEM]: NO_MEMORY,
  [SQLITE.READONLY]: READ_ONLY,
  [SQLITE.IOERR]: FAILED,
  [SQLITE.CORRUPT]: DAMAGED,
  [SQLITE.FULL]: FULL,
  [SQLITE.CANTOPEN]: CANNOT_OPEN,
  [SQLITE.PROTOCOL]: BUSY,
  [SQLITE.CONSTRAINT]: DAMAGED, // rows that contradict the format's own constraints
  [SQLITE.MISMATCH]: DAMAGED,
  [SQLITE.AUTH]: READ_ONLY,
  [SQLITE.FORMAT]: DAMAGED,
  [SQLITE.RANGE]: DAMAGED,
  [SQLITE.NOTADB]: DAMAGED,
  [IOERR_SHMSIZE]: FULL,
  [READONLY_DBMOVED]: MOVED,
};

/** What an error of node:sqlite means for a queue, by its number. Errors of the program (TypeError, …) stay what they are. */
export function asSyncError(error: unknown, path: string): unknown {
  if (error instanceof SyncError || !(error instanceof Error)) return error;
  // A number that no double holds: nothing of ours writes one.
  if ((error as { code?: unknown }).code === "ERR_OUT_OF_RANGE") return syncError(DAMAGED, path, error);
  const errcode = errcodeOf(error);
  if (errcode === undefined) return error;
  return syncError(MEANINGS[errcode] ?? MEANINGS[errcode & 0xff] ?? FAILED, path, error, errcode);
}

/** The number of a node:sqlite error; undefined for other errors. */
function errcodeOf(error: unknown): number | undefined {
  const { errcode } = error as { readonly errcode?: unknown };
  return typeof errcode === "number" ? errcode : undefined;
}

export function isCannotOpen(error: unknown): boolean {
  return ((errcodeOf(error) ?? 0) & 0xff) === SQLITE.CANTOPEN;
}

export function readOnlyStorage(path: string, cause: unknown): SyncError {
  return syncError(READ_ONLY, path, cause, errcodeOf(cause));
}

function syncError([code, retryable, what, whatToDo]: Meaning, path: string, cause: unknown, errcode?: number): SyncError {
  return new SyncError(code, `The queue file ${path} cannot be used: ${what}. ${whatToDo}`, {
    retryable,
    cause,
    ...(errcode === undefined ? {} : { details: { sqlite: errcode } }),
  });
}
