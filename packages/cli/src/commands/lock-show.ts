import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { visible } from "../output/visible.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { lockJson, lockLine } from "../queue/lock-text.ts";
import { withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

export function lockShowCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("show", "who processes this queue")
    .addHelpText("after", "\nExample:\n  guardian lock show --db app.db")
    .action(async (options: QueueOptions) => {
      await withQueue(terminal, options, async ({ queue }) => {
        const [lock, now] = [await queue.lock(), Date.now()];
        const forced = (await queue.actions()).findLast(({ action }) => action === "lock release");
        if (options.json === true) {
          const last = forced === undefined ? null : { ...forced, at: new Date(forced.at).toISOString() };
          await writeJson(terminal.out, { ...lockJson(lock, now), last_forced_release: last });
          return;
        }
        await writeLine(terminal.out, lockLine(lock, now));
        if (forced !== undefined) {
          await writeLine(
            terminal.out,
            visible(`last forced free ${new Date(forced.at).toISOString()} by ${forced.by}: ${forced.reason ?? ""}`),
          );
        }
      });
      end(EXIT.ok);
    });
}
