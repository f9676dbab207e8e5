import type { Command } from "commander";
import { EXIT, type ExitCode, usageError } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { accountName, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface PauseOptions extends QueueOptions {
  readonly reason: string;
}

export function pauseCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("pause", "hold a queue back until it is resumed, across restarts of the app")
    .requiredOption("--reason <text>", "why; shown to whoever wonders why nothing is sent")
    .addHelpText(
      "after",
      '\nThe app goes on enqueueing; a request under way is finished.\n\nExample:\n  guardian pause --db app.db --reason "server maintenance until 14:00"',
    )
    .action(async (options: PauseOptions) => {
      if (options.reason.trim() === "") throw usageError("--reason is empty. Say why: it is shown to whoever wonders why nothing is sent.");
      await withQueue(terminal, options, async ({ queue, accounts }) => {
        for (const account of accounts) await queue.pause(account, options.reason);
        if (options.json === true)
          await writeJson(
            terminal.out,
            accounts.map((account) => ({ ...account, paused: true })),
          );
        else for (const account of accounts) await writeLine(terminal.out, `${accountName(account)} is paused.`);
        if (options.json !== true && accounts.length === 0)
          await writeLine(terminal.out, "No account has signed in here yet: nothing to pause.");
      });
      end(EXIT.ok);
    });
}
