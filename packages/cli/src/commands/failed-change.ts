import { Argument, type Command } from "commander";
import type { FailedList, Selection } from "guardian-sync/operator";
import { EXIT, type ExitCode } from "../exit.ts";
import { confirm } from "../output/confirm.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeJson, writeLine } from "../output/write.ts";
import { type OpenFile, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";
import { byAccount, type KeptState, type SelectionOptions, selectionOf } from "../queue/selection.ts";

interface ChangeOptions extends QueueOptions, SelectionOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** One of the commands that move operations of the failed list. They differ in words only. */
export interface FailedChange {
  readonly name: "retry" | "archive" | "clear" | "restore";
  readonly description: string;
  /** After "N operations": `would be tried again`, `will be tried again`. */
  readonly will: string;
  readonly done: string;
  readonly from: readonly KeptState[];
  readonly defaultOlderThan?: string;
  readonly help: string;
  readonly hint?: string;
  run(list: FailedList, selection: Selection): Promise<number>;
}

export function failedChangeCommand(change: FailedChange, terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand(change.name, change.description)
    .addArgument(new Argument("[ids...]", "of the operations"))
    .option("--all", "all of them")
    .option(
      "--older-than <duration>",
      `only those that ${change.name === "restore" ? "were archived" : "failed"} longer ago than this: 30d, 12h`,
    )
    .option("--reason <text>", "why; recorded with each operation")
    .option("--yes", "do not ask")
    .option("--dry-run", "only say how many it would be")
    .addHelpText("after", `\n${change.help}`)
    .action(async (ids: string[], options: ChangeOptions) => {
      const selection = selectionOf(ids, options, change.defaultOlderThan);
      end(await withQueue(terminal, options, (file) => runChange(change, terminal, file, selection, options)));
    });
}

async function runChange(
  change: FailedChange,
  terminal: Terminal,
  { queue, accounts }: OpenFile,
  selection: Selection,
  options: ChangeOptions,
): Promise<ExitCode> {
  const { ids, ...rest } = selection;
  const parts =
    ids === undefined
      ? accounts.map((account) => ({ account, selection }))
      : [...(await byAccount(queue, accounts, ids, change.from))].map(([account, own]) => ({ account, selection: { ...rest, ids: own } }));
  const phases = change.name === "restore" ? (["archived"] as const) : undefined;
  let matched = 0;
  for (const part of parts) matched += await queue.failed(part.account).count(part.selection, phases);
  const say = async (changed: number, text: string): Promise<ExitCode> => {
    if (options.json === true) await writeJson(terminal.out, { action: change.name, matched, changed, dry_run: options.dryRun === true });
    else await writeLine(terminal.out, text);
    return EXIT.ok;
  };
  if (matched === 0) return say(0, "There are none.");
  if (options.dryRun === true) return say(0, `${operations(matched)} would be ${change.will}.`);
  if (!(await confirm(terminal, `${operations(matched)} will be ${change.will}.`, options))) return say(0, "Left as they are.");
  let changed = 0;
  for (const part of parts) {
    const moved = await change.run(queue.failed(part.account), part.selection);
    if (moved > 0) await queue.note(`failed ${change.name}`, part.account, { reason: options.reason, detail: operations(moved) });
    changed += moved;
  }
  if (change.hint !== undefined && changed > 0 && options.json !== true) await writeLine(terminal.err, change.hint);
  return say(changed, `${operations(changed)} ${changed === 1 ? "was" : "were"} ${change.done}.`);
}

function operations(count: number): string {
  return count === 1 ? "1 operation" : `${count} operations`;
}
