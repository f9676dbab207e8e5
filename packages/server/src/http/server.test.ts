import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { memoryStorage } from "../storage/memory.ts";
import { sqliteStorage } from "../storage/sqlite.ts";
import { serverContract } from "../testing/server-contract.ts";

const folder = mkdtempSync(join(tmpdir(), "guardian-server-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

describe("a server on memory", () => {
  for (const { title, run } of serverContract) test(title, () => run(() => memoryStorage()));
});
describe("a server on SQLite", () => {
  for (const { title, run } of serverContract) test(title, () => run(() => sqliteStorage({ path: join(folder, `${files++}.db`) })));
});
