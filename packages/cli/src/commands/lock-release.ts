import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit.ts";
import { confirm } from "../output/confirm.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { lockJson, lockLine } from "../queue/lock-text.ts";
import { withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface ReleaseOptions extends QueueOptions {
  readonly reason: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export function lockReleaseCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("release", "take the lock from whoever holds it")
    .requiredOption("--reason <text>", "why; recorded in the queue file")
    .option("--yes", "do not ask")
    .option("--dry-run", "only say what would be done")
    .addHelpText(
      "after",
      `
The holder's next write is refused, and it stops sending; nothing is lost or
done twice. Any app that has the file open takes over. Needed only when a holder
hangs: a dead one is replaced at once, a silent one after 2 minutes.

Example:
  guardian lock release --db app.db --reason "worker 3 hangs"`,
    )
    .action(async (options: ReleaseOptions) => {
      end(
        await withQueue(terminal, options, async ({ queue }) => {
          const lock = await queue.lock();
          const isHeld = lock !== undefined && !lock.released;
          const say = async (released: boolean, text: string): Promise<ExitCode> => {
            if (options.json === true)
              await writeJson(terminal.out, { released, dry_run: options.dryRun === true, was: lockJson(lock, Date.now()) });
            else await writeLine(terminal.out, text);
            return EXIT.ok;
          };
          const line = lockLine(lock, Date.now());
          if (!isHeld) return say(false, `Nothing to release: ${line}.`);
          if (options.dryRun === true) return say(false, `Would be released: ${line}.`);
          if (!(await confirm(terminal, `The lock is ${line}. Take it away?`, options))) return say(false, "Left as it is.");
          await queue.forceReleaseLock(options.reason);
          return say(true, `Released. It was ${line}.`);
        }),
      );
    });
}
