import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { visible } from "../output/visible.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { WHEN_NOTICED } from "../queue/hint.ts";
import { accountName, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

export function resumeCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("resume", "lift a pause, also one that the engine made by itself")
    .addHelpText("after", "\nExample:\n  guardian resume --db app.db")
    .action(async (options: QueueOptions) => {
      await withQueue(terminal, options, async ({ queue, accounts }) => {
        const lifted = [];
        for (const account of accounts) lifted.push({ account, pause: await queue.resume(account) });
        if (options.json === true) {
          await writeJson(
            terminal.out,
            lifted.map(({ account, pause }) => ({ ...account, resumed: pause !== undefined, was: pause ?? null })),
          );
          return;
        }
        for (const { account, pause } of lifted) {
          const text = pause === undefined ? "was not paused" : `goes on; it was paused by ${pause.by}: ${pause.reason}`;
          await writeLine(terminal.out, visible(`${accountName(account)} ${text}`));
        }
        if (lifted.some(({ pause }) => pause !== undefined)) await writeLine(terminal.err, WHEN_NOTICED);
        if (accounts.length === 0) await writeLine(terminal.out, "No account has signed in here yet.");
      });
      end(EXIT.ok);
    });
}
