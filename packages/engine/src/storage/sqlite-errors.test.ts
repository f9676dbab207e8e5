import { SyncError } from "@guardian-sync/protocol";
import { expect, test } from "vitest";
import { asSyncError } from "./sqlite-errors.ts";

function mapped(errcode: number): { readonly code: string; readonly retryable: boolean } {
  const error = Object.assign(new Error("disk I/O error near 'secret'"), { code: "ERR_SQLITE_ERROR", errcode });
  const result = asSyncError(error, "/data/queue.db") as SyncError;
  expect(result).toBeInstanceOf(SyncError);
  expect(result.message).toContain("/data/queue.db");
  expect(result.message).not.toContain("secret");
  expect(result.cause).toBe(error);
  expect(result.details).toEqual({ sqlite: errcode });
  return { code: result.code, retryable: result.retryable };
}

// https://www.sqlite.org/rescode.html
const CASES: readonly (readonly [name: string, errcode: number, code: string, retryable: boolean])[] = [
  ["FULL", 13, "STORAGE_FULL", true],
  ["IOERR_SHMSIZE", 4874, "STORAGE_FULL", true],
  ["READONLY", 8, "STORAGE_READ_ONLY", false],
  ["READONLY_DIRECTORY", 1544, "STORAGE_READ_ONLY", false],
  ["READONLY_DBMOVED", 1032, "STORAGE_UNAVAILABLE", false],
  ["PERM", 3, "STORAGE_READ_ONLY", false],
  ["CANTOPEN", 14, "STORAGE_UNAVAILABLE", false],
  ["CORRUPT", 11, "STORAGE_CORRUPT", false],
  ["CORRUPT_INDEX", 779, "STORAGE_CORRUPT", false],
  ["NOTADB", 26, "STORAGE_CORRUPT", false],
  ["CONSTRAINT_PRIMARYKEY", 1555, "STORAGE_CORRUPT", false],
  ["BUSY", 5, "STORAGE_UNAVAILABLE", true],
  ["BUSY_SNAPSHOT", 517, "STORAGE_UNAVAILABLE", true],
  ["LOCKED", 6, "STORAGE_UNAVAILABLE", true],
  ["PROTOCOL", 15, "STORAGE_UNAVAILABLE", true],
  ["IOERR_WRITE", 778, "STORAGE_UNAVAILABLE", true],
  ["IOERR_FSYNC", 1034, "STORAGE_UNAVAILABLE", true],
  ["NOMEM", 7, "STORAGE_UNAVAILABLE", true],
  ["a code of a later SQLite", 99, "STORAGE_UNAVAILABLE", true],
];

test.each(CASES)("SQLITE_%s (%i) is %s, decided by its number", (_, errcode, code, retryable) => {
  expect(mapped(errcode)).toEqual({ code, retryable });
});

test("errors of the program, and errors that are already named, stay what they are", () => {
  for (const error of [new TypeError("x"), new SyncError("STALE_LOCK", "x"), "text", undefined])
    expect(asSyncError(error, "p")).toBe(error);
  const outOfRange = Object.assign(new RangeError("x"), { code: "ERR_OUT_OF_RANGE" });
  expect((asSyncError(outOfRange, "p") as SyncError).code).toBe("STORAGE_CORRUPT");
});
