import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { storageContract } from "../testing/storage-contract.ts";
import { memoryStorage } from "./memory.ts";
import { sqliteStorage } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "guardian-storage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

describe("memory storage", () => {
  for (const { title, run } of storageContract) test(title, () => run(() => memoryStorage()));
});
describe("SQLite storage", () => {
  for (const { title, run } of storageContract) test(title, () => run(() => sqliteStorage({ path: join(folder, `${files++}.db`) })));
});
