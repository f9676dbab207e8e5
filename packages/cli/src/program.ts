import { Command, CommanderError } from "commander";
import { SyncError } from "@guardian-sync/protocol";
import { demoCommand } from "./commands/demo.ts";
import { exportCommand } from "./commands/export.ts";
import { failedArchive } from "./commands/failed-archive.ts";
import { failedChangeCommand } from "./commands/failed-change.ts";
import { failedClear } from "./commands/failed-clear.ts";
import { failedListCommand } from "./commands/failed-list.ts";
import { failedRestore } from "./commands/failed-restore.ts";
import { failedRetry } from "./commands/failed-retry.ts";
import { failedShowCommand } from "./commands/failed-show.ts";
import { indexRebuildCommand } from "./commands/index-rebuild.ts";
import { indexVerifyCommand } from "./commands/index-verify.ts";
import { lockReleaseCommand } from "./commands/lock-release.ts";
import { lockShowCommand } from "./commands/lock-show.ts";
import { pauseCommand } from "./commands/pause.ts";
import { resumeCommand } from "./commands/resume.ts";
import { serveCommand } from "./commands/serve.ts";
import { statusCommand } from "./commands/status.ts";
import { CliError, EXIT, type ExitCode } from "./exit.ts";
import type { Terminal } from "./output/terminal.ts";
import { write } from "./output/write.ts";

/** Runs one command line. Resolves with the exit code; everything that goes wrong has been told by then. */
export async function run(args: readonly string[], terminal: Terminal, version: string): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = programOf(terminal, version, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    return tell(error, terminal, args.includes("--json"));
  }
}

export function programOf(terminal: Terminal, version: string, end: (code: ExitCode) => void): Command {
  const group = (name: string, description: string, ...commands: readonly Command[]): Command => {
    const parent = new Command(name).description(description);
    for (const command of commands) parent.addCommand(command);
    return parent;
  };
  const changes = [failedRetry, failedArchive, failedClear, failedRestore].map((change) => failedChangeCommand(change, terminal, end));
  const program = group(
    "guardian",
    "Inspect, export and repair a Guardian Sync queue; run the reference server.",
    serveCommand(terminal, end),
    demoCommand(terminal, end),
    statusCommand(terminal, end),
    exportCommand(terminal, end),
    group("failed", "operations that failed", failedListCommand(terminal, end), failedShowCommand(terminal, end), ...changes),
    group("lock", "the processing lock", lockShowCommand(terminal, end), lockReleaseCommand(terminal, end)),
    group("index", "counts and lanes of a queue", indexVerifyCommand(terminal, end), indexRebuildCommand(terminal, end)),
    pauseCommand(terminal, end),
    resumeCommand(terminal, end),
  );
  program.version(version).addHelpText("after", HELP);
  settle(program, terminal);
  return program;
}

const HELP = `
Examples:
  guardian status --db app.db
  guardian export --db app.db --failed-only --out failed.csv
  guardian serve --dev --port 8080

A queue file is named by --db or GUARDIAN_DB, its key by --key, GUARDIAN_KEY or
the key file beside it. Commands work while an app has the file open.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the queue is unhealthy.`;

/** Commander ends the process and writes to it by itself unless told otherwise; settings do not reach commands that were added. */
function settle(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void terminal.out.write(text),
    writeErr: (text) => void terminal.err.write(text),
    outputError: () => {},
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) settle(child, terminal);
}

async function tell(error: unknown, terminal: Terminal, isJson: boolean): Promise<ExitCode> {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
  const { message, code, exitCode } = read(error);
  if (message !== "") {
    await write(terminal.err, isJson ? `${JSON.stringify({ error: { code, message } })}\n` : `guardian: ${message}\n`);
  }
  if ((terminal.env.GUARDIAN_DEBUG ?? "") !== "" && error instanceof Error) await write(terminal.err, `${error.stack}\n`);
  return exitCode;
}

function read(error: unknown): { readonly message: string; readonly code: string; readonly exitCode: ExitCode } {
  if (error instanceof CliError) return error;
  if (error instanceof SyncError) return { message: error.message, code: error.code, exitCode: EXIT.failure };
  if (error instanceof CommanderError) {
    // A group without its command has printed its help.
    const message = error.code === "commander.help" ? "" : error.message.replace(/^error: /, "");
    return {
      message: message === "" ? "" : `${message}\nSee \`guardian --help\`, or --help after a command.`,
      code: "USAGE",
      exitCode: EXIT.usage,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message: `unexpected: ${message} (GUARDIAN_DEBUG=1 shows where)`, code: "INTERNAL_ERROR", exitCode: EXIT.failure };
}
