import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { written } from "../guardian.test.support.ts";
import { confirm } from "./confirm.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

function asked(answer: string, isTTY = true): { readonly terminal: Terminal; readonly err: PassThrough } {
  const stream = (): PassThrough & { isTTY: boolean } => Object.assign(new PassThrough(), { isTTY });
  const [input, err] = [stream(), stream()];
  input.write(answer);
  return { terminal: terminalOf({ out: stream(), err, in: input, env: {} }), err };
}

test.each([
  ["y\n", true],
  ["Yes\n", true],
  [" y \n", true],
  ["n\n", false],
  ["\n", false],
  ["yep\n", false],
])("C2 the answer %o means %o", async (answer, expected) => {
  const { terminal, err } = asked(answer);
  expect(await confirm(terminal, "Do it?", {})).toBe(expected);
  expect(written(err)).toContain("Do it? [y/N]");
});

test("C2 no answer at all means no", async () => {
  const { terminal } = asked("");
  const answer = confirm(terminal, "Do it?", {});
  terminal.in.push(null);
  expect(await answer).toBe(false);
});

test("C2 --yes is not asked, and where nobody can be asked, it is wrong usage", async () => {
  expect(await confirm(asked("", false).terminal, "Do it?", { yes: true })).toBe(true);
  await expect(confirm(asked("y\n", false).terminal, "Do it?", {})).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("--yes"),
  });
});
