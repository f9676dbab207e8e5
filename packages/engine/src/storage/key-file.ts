import { randomBytes } from "node:crypto";
import { closeSync, constants, copyFileSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { SyncError } from "@guardian-sync/protocol";
import { hexOf } from "../format/index.ts";
import { KEY_BYTES, keyBytes } from "./key-ring-node.ts";

export function keyFileOf(path: string): string {
  return `${path}.key`;
}

/**
 * The key in `<path>.key`: 64 hex digits, readable by its owner only. Made when there is none and `mayCreate`; when two
 * processes make it at once, both get the one that was there first. Never overwritten.
 * @throws SyncError `WRONG_KEY` when there is none and the queue file was written with one.
 */
export function readOrCreateKeyFile(path: string, mayCreate: boolean): { readonly key: Uint8Array; readonly created: boolean } {
  const file = keyFileOf(path);
  const found = readKeyFile(file);
  if (found !== undefined) return { key: found, created: false };
  if (!mayCreate) {
    throw new SyncError(
      "WRONG_KEY",
      `The key file ${file} is missing, and the queue file ${path} was written with the key in it. Nothing was changed: put the key file back, or give the key as encryption: { key }.`,
    );
  }
  const created = createKeyFile(file);
  const key = readKeyFile(file);
  if (key === undefined)
    throw new SyncError("STORAGE_UNAVAILABLE", `The key file ${file} was removed while it was being made. Try again.`, { retryable: true });
  return { key, created };
}

function readKeyFile(file: string): Uint8Array | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw asStorageError(error, file, "read");
  }
  try {
    return keyBytes(text);
  } catch (cause) {
    throw new SyncError(
      "WRONG_KEY",
      `The key file ${file} does not hold a key (64 hex digits). Nothing was changed: restore the key file from where you keep it.`,
      { cause },
    );
  }
}

/** Whole or not at all, whoever comes first: written aside, synced, then linked to its name, which fails when the name is taken. */
function createKeyFile(file: string): boolean {
  const aside = `${file}.${hexOf(randomBytes(6))}`;
  try {
    const handle = openSync(aside, "wx", 0o600);
    try {
      writeSync(handle, `${hexOf(randomBytes(KEY_BYTES))}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    try {
      give(aside, file);
      syncFolder(dirname(file));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      unlinkSync(aside);
    }
  } catch (error) {
    throw asStorageError(error, file, "made");
  }
}

function give(aside: string, file: string): void {
  try {
    linkSync(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    // FAT and some network file systems have no links; the copy is still refused when the name is taken.
    copyFileSync(aside, file, constants.COPYFILE_EXCL);
  }
}

/** Without this a power cut may leave the database and lose the name of its key. Windows has no such call, and no such need. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function asStorageError(cause: unknown, file: string, what: string): SyncError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new SyncError(
      "STORAGE_FULL",
      `The key file ${file} cannot be ${what}: the disk is full. Nothing was written; free some space and try again.`,
      { retryable: true, cause },
    );
  }
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return new SyncError(
      "STORAGE_READ_ONLY",
      `The key file ${file} cannot be ${what}: permission denied (${code}). Give this process access to it and its folder.`,
      { cause },
    );
  }
  return new SyncError("STORAGE_UNAVAILABLE", `The key file ${file} cannot be ${what} (${String(code)}). Check that its folder exists.`, {
    cause,
  });
}
