import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { accountName, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface RebuildOptions extends QueueOptions {
  readonly dryRun?: boolean;
}

export function indexRebuildCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("rebuild", "recompute the index from what is stored, and repair what differs")
    .option("--dry-run", "only say what would be repaired")
    .addHelpText(
      "after",
      "\nNo operation is touched: only counts and the order of lanes are computed again.\n\nExample:\n  guardian index rebuild --db app.db",
    )
    .action(async (options: RebuildOptions) => {
      end(
        await withQueue(terminal, options, async ({ queue, accounts }) => {
          const reports = [];
          for (const account of accounts) {
            const report = options.dryRun === true ? await queue.verifyIndex(account) : await queue.rebuildIndex(account);
            if (report.changed) await queue.note("index rebuild", account, { detail: `${report.differences.length} differences` });
            reports.push({ account, ...report });
          }
          if (options.json === true) {
            await writeJson(
              terminal.out,
              reports.map(({ account, ...report }) => ({ ...account, ...report })),
            );
          } else {
            for (const { account, changed, differences, operations } of reports) {
              const done = changed
                ? "repaired"
                : differences.length === 0
                  ? "was right"
                  : options.dryRun === true
                    ? "would be repaired"
                    : "NOT repaired";
              await writeLine(terminal.out, `${accountName(account)}: ${operations} operations, ${done}`);
              for (const difference of differences) await writeLine(terminal.out, `  ${difference}`);
            }
          }
          const isLeft = options.dryRun !== true && reports.some(({ changed, differences }) => !changed && differences.length > 0);
          return isLeft ? EXIT.failure : EXIT.ok;
        }),
      );
    });
}
