import type { Command } from "commander";
import { CliError, EXIT, type ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { visible } from "../output/visible.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { keptJson } from "../queue/kept-json.ts";
import { accountName, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface ShowOptions extends QueueOptions {
  readonly includePayload?: boolean;
}

export function failedShowCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("show", "everything about one failed or archived operation")
    .argument("<id>", "of the operation")
    .option("--include-payload", "with its payload, redacted")
    .addHelpText("after", "\nExample:\n  guardian failed show 019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01 --db app.db")
    .action(async (id: string, options: ShowOptions) => {
      await withQueue(terminal, options, async ({ queue, accounts }) => {
        for (const account of accounts) {
          const operation = await queue.failed(account).find(id);
          if (operation === undefined) continue;
          const json = { ...keptJson(operation, options), account: accountName(account) };
          if (options.json === true) return writeJson(terminal.out, json);
          for (const [name, value] of Object.entries(json)) {
            const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "-");
            await writeLine(terminal.out, `${name.padEnd(16)}${visible(text)}`);
          }
          return;
        }
        throw new CliError(`No failed or archived operation has the id ${visible(id)}.`, { code: "NOT_FOUND" });
      });
      end(EXIT.ok);
    });
}
