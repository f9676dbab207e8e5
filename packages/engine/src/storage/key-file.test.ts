import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hexOf } from "../format/index.ts";
import { readOrCreateKeyFile } from "./key-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guardian-key-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("Q3 the first one makes the key, everybody after reads it", () => {
  const path = join(folder, "queue.db");
  const first = readOrCreateKeyFile(path, true);
  expect([first.created, first.key.length]).toEqual([true, 32]);
  expect(readFileSync(`${path}.key`, "utf8")).toBe(`${hexOf(first.key)}\n`);
  const second = readOrCreateKeyFile(path, true);
  expect([second.created, hexOf(second.key)]).toEqual([false, hexOf(first.key)]);
  expect(hexOf(readOrCreateKeyFile(path, false).key)).toBe(hexOf(first.key));
});

test("a key file that cannot be made or read says why, by what the operating system answered", () => {
  expect(() => readOrCreateKeyFile(join(folder, "missing", "queue.db"), true)).toThrow(
    expect.objectContaining({ code: "STORAGE_UNAVAILABLE" }),
  );
  writeFileSync(join(folder, "file"), "");
  expect(() => readOrCreateKeyFile(join(folder, "file", "queue.db"), true)).toThrow(
    expect.objectContaining({ code: "STORAGE_UNAVAILABLE" }),
  );
  mkdirSync(join(folder, "queue.db.key"));
  expect(() => readOrCreateKeyFile(join(folder, "queue.db"), true)).toThrow(expect.objectContaining({ code: "STORAGE_UNAVAILABLE" }));
});
