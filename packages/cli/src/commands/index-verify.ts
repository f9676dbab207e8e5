import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { accountName, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

export function indexVerifyCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("verify", "compare the index with what is stored, and check the file; exit code 3 when something is wrong")
    .addHelpText("after", "\nReads the whole file; changes nothing.\n\nExample:\n  guardian index verify --db app.db")
    .action(async (options: QueueOptions) => {
      end(
        await withQueue(terminal, options, async ({ queue, accounts }) => {
          const integrity = await queue.checkIntegrity();
          const reports = [];
          for (const account of accounts) reports.push({ account, ...(await queue.verifyIndex(account)) });
          const isRight = integrity.ok && reports.every(({ differences }) => differences.length === 0);
          if (options.json === true) {
            await writeJson(terminal.out, {
              ok: isRight,
              file: integrity,
              accounts: reports.map(({ account, operations, differences }) => ({ ...account, operations, differences })),
            });
          } else {
            await writeLine(terminal.out, integrity.ok ? "file   intact" : `file   DAMAGED: ${integrity.problems.join("; ")}`);
            for (const { account, operations, differences } of reports) {
              const verdict = differences.length === 0 ? "right" : `WRONG: ${differences.join("; ")}`;
              await writeLine(terminal.out, `index  ${accountName(account)}: ${operations} operations, ${verdict}`);
            }
            if (!isRight && integrity.ok) await writeLine(terminal.err, "`guardian index rebuild` repairs the index.");
          }
          return isRight ? EXIT.ok : EXIT.unhealthy;
        }),
      );
    });
}
