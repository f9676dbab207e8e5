import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { usageError } from "../exit.ts";
import type { Terminal } from "./terminal.ts";

/** Asks before something is changed. Refused where nobody can be asked and nobody said yes. */
export async function confirm(terminal: Terminal, question: string, { yes }: { readonly yes?: boolean | undefined }): Promise<boolean> {
  if (yes === true) return true;
  if (!terminal.isInteractive)
    throw usageError(`${question} Nobody can be asked here: add --yes to do it, or --dry-run to see what it would do.`);
  const lines = createInterface({ input: terminal.in, output: terminal.err });
  try {
    // Ctrl-D and Ctrl-C abort it, the end of the input closes it: that is a no.
    const closed = once(lines, "close").then(() => "");
    const answer = await Promise.race([lines.question(`${question} [y/N] `).catch(() => ""), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
