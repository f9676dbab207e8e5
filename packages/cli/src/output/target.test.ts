import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { temporaryFolder, written } from "../guardian.test.support.ts";
import { openTarget } from "./target.ts";
import { terminalOf } from "./terminal.ts";

const out = new PassThrough();
const terminal = terminalOf({ out, err: new PassThrough(), in: new PassThrough(), env: {} });

test("C1 a file appears only when it is complete, readable by its owner alone", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "out.csv");
  const target = await openTarget(terminal, path);
  await target.write("a\n");
  await target.write("b\n");
  expect(existsSync(path)).toBe(false);
  await target.finish();
  expect(readFileSync(path, "utf8")).toBe("a\nb\n");
  if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder.path)).toEqual(["out.csv"]);
});

test("C1 abandoned, it leaves nothing, and what was there before stays", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "out.csv");
  writeFileSync(path, "before");
  const target = await openTarget(terminal, path);
  await target.write("half");
  await target.abandon();
  await target.abandon();
  expect(readdirSync(folder.path)).toEqual(["out.csv"]);
  expect(readFileSync(path, "utf8")).toBe("before");
});

test("a link is followed, not replaced", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "real.csv"), "before");
  symlinkSync("real.csv", join(folder.path, "link.csv"));
  const target = await openTarget(terminal, join(folder.path, "link.csv"));
  await target.write("after");
  await target.finish();
  expect(readFileSync(join(folder.path, "real.csv"), "utf8")).toBe("after");
});

test.skipIf(process.platform === "win32")("a device is written to, not replaced", async () => {
  const target = await openTarget(terminal, "/dev/null");
  await target.write("gone");
  await target.finish();
  expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
});

test("- is standard output", async () => {
  const target = await openTarget(terminal, "-");
  await target.write("hello");
  await target.finish();
  expect(written(out)).toBe("hello");
});

test("C2 a folder, or a file in no folder, is told in words", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "sub"));
  await expect(openTarget(terminal, join(folder.path, "sub"))).rejects.toThrow(/is a folder/);
  await expect(openTarget(terminal, join(folder.path, "none", "out.csv"))).rejects.toThrow(/folder does not exist/);
});
