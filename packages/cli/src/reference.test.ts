import { readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { terminalOf } from "./output/terminal.ts";
import { EXPORT_COLUMNS } from "./output/redacted-row.ts";
import { programOf } from "./program.ts";

const page = readFileSync(new URL("../../../docs/reference/cli.md", import.meta.url), "utf8");
/** Described once, for all commands. */
const COMMON = new Set(["--db", "--key", "--account", "--json", "--yes", "--dry-run", "--all", "--reason", "--older-than"]);

function leaves(command: Command, path: string): readonly (readonly [string, Command])[] {
  return command.commands.length === 0 ? [[path, command]] : command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`));
}
const stream = (): PassThrough => new PassThrough();
const program = programOf(terminalOf({ out: stream(), err: stream(), in: stream(), env: {} }), "0.0.0", () => {});

test.each(leaves(program, "guardian"))("C2 the reference has `%s` with all of its options", (path, command) => {
  expect(page).toContain(`\`${path}`);
  const group = path.split(" ").slice(0, 2).join(" ");
  const start = page.indexOf(`## \`${group}`);
  const section = page.slice(start, page.indexOf("\n## ", start + 1) < 0 ? undefined : page.indexOf("\n## ", start + 1));
  for (const { long } of command.options) {
    if (long !== undefined && !COMMON.has(long)) expect(section).toContain(long);
  }
});

test("C1 the reference has the exact CSV header", () => expect(page).toContain(`\n${EXPORT_COLUMNS.join(",")}\n`));
