import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { showsColour, showsUnicode, terminalOf } from "./terminal.ts";

const on = (isTTY: boolean, columns?: number): PassThrough & { isTTY: boolean; columns?: number } =>
  Object.assign(new PassThrough(), { isTTY, ...(columns === undefined ? {} : { columns }) });

test("C2 colour: only where a person looks, never against NO_COLOR", () => {
  expect(showsColour(true, {})).toBe(true);
  expect(showsColour(false, {})).toBe(false);
  expect(showsColour(true, { TERM: "dumb" })).toBe(false);
  expect(showsColour(true, { NO_COLOR: "1", FORCE_COLOR: "1" })).toBe(false);
  expect(showsColour(true, { NO_COLOR: "" })).toBe(true);
  expect(showsColour(false, { FORCE_COLOR: "1" })).toBe(true);
  expect(showsColour(true, { FORCE_COLOR: "0" })).toBe(false);
});

test("box characters: by the locale that programs are told to use", () => {
  expect(showsUnicode({ LANG: "en_GB.UTF-8" }, "linux")).toBe(true);
  expect(showsUnicode({ LANG: "de_DE.utf8" }, "linux")).toBe(true);
  expect(showsUnicode({ LANG: "en_GB.UTF-8", LC_ALL: "C" }, "linux")).toBe(false);
  expect(showsUnicode({ LANG: "en_GB.UTF-8", TERM: "linux" }, "linux")).toBe(false);
  expect(showsUnicode({}, "linux")).toBe(false);
  expect(showsUnicode({}, "darwin")).toBe(true);
  expect(showsUnicode({ LC_ALL: "C" }, "win32")).toBe(true);
});

test("a terminal knows whether a person reads, and whether one can be asked", () => {
  const tty = terminalOf({ out: on(true, 132), err: on(true), in: on(true), env: {} });
  expect([tty.isTty, tty.isInteractive, tty.columns]).toEqual([true, true, 132]);
  expect(tty.paint("red", "x")).toBe("\u001b[31mx\u001b[39m");
  const pipe = terminalOf({ out: on(false), err: on(true), in: on(false), env: {} });
  expect([pipe.isTty, pipe.isInteractive, pipe.columns, pipe.paint("red", "x")]).toEqual([false, false, 80, "x"]);
  // As some test runners and editors say.
  expect(terminalOf({ out: on(true, 0), err: on(true), in: on(true), env: {} }).columns).toBe(80);
});
