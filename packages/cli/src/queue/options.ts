import { Command } from "commander";

/** Options of every command that works on a queue file. */
export interface QueueOptions {
  readonly db?: string;
  readonly key?: string;
  readonly account?: string;
  readonly json?: boolean;
}

/** A command on a queue file, with the options that all of them have. */
export function queueCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--db <path>", "the queue file (default: GUARDIAN_DB)")
    .option("--key <hex>", "its key, or `none` for a file without encryption (default: GUARDIAN_KEY, then the key file beside it)")
    .option("--account <space/principal>", "only this account (default: all in the file)")
    .option("--json", "machine-readable output");
}
