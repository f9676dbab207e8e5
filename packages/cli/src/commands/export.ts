import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { ExportedStatus } from "@guardian-sync/protocol";
import { EXIT, type ExitCode, usageError } from "../exit.ts";
import { parseDuration } from "../output/duration.ts";
import { EXPORT_FORMATS, type ExportFormat, exportWriter } from "../output/export-format.ts";
import { redactedRow } from "../output/redacted-row.ts";
import { onEnd } from "../output/signals.ts";
import { openTarget, type Target } from "../output/target.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeLine } from "../output/write.ts";
import { type OpenFile, queuePath, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface ExportOptions extends QueueOptions {
  readonly out: string;
  readonly format?: ExportFormat;
  readonly failedOnly?: boolean;
  readonly includePayload?: boolean;
  readonly olderThan?: string;
}

const FAILED: readonly ExportedStatus[] = ["failed"];
/** What the store keeps beside the queue file; none of it may be overwritten by an export. */
const SIDE_FILES = ["", "-wal", "-shm", ".lock", ".key"];

export function exportCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("export", "what is in the queue, for reading: redacted, as CSV, JSON or JSON lines")
    .option("--out <file>", "where to; - is standard output", "-")
    .addOption(new Option("--format <format>", "default csv; with --json, json").choices(EXPORT_FORMATS))
    .option("--failed-only", "only operations that failed")
    .option("--include-payload", "with payloads, redacted too")
    .option("--older-than <duration>", "only operations enqueued longer ago than this: 30d, 12h, 15m")
    .addHelpText(
      "after",
      `
An export is for reading, never for restoring. E-mail addresses, phone numbers,
card numbers and secrets are taken out.

Examples:
  guardian export --db app.db --out queue.csv
  guardian export --db app.db --failed-only | cut -d, -f2 | sort | uniq -c
  guardian export --db app.db --format json --include-payload --out queue.json`,
    )
    .action(async (options: ExportOptions) => {
      end(await runExport(terminal, options));
    });
}

async function runExport(terminal: Terminal, options: ExportOptions): Promise<ExitCode> {
  const format = options.format ?? (options.json === true ? "json" : "csv");
  const olderThanMs = options.olderThan === undefined ? undefined : parseDuration(options.olderThan);
  const db = resolve(queuePath(options, terminal.env));
  if (options.out !== "-" && SIDE_FILES.some((suffix) => resolve(options.out) === `${db}${suffix}`)) {
    throw usageError(`--out ${options.out} belongs to the queue itself. Give another file.`);
  }
  return withQueue(terminal, options, async (file) => {
    const target = await openTarget(terminal, options.out);
    const off = onEnd(() => target.abandon());
    try {
      const total = await writeAll(target, file, { format, olderThanMs, ...options });
      await target.finish();
      if (options.out !== "-" || terminal.isTty) {
        await writeLine(
          terminal.err,
          `${total} ${total === 1 ? "operation" : "operations"} exported${options.out === "-" ? "" : ` to ${options.out}`}`,
        );
      }
      return EXIT.ok;
    } catch (error) {
      await target.abandon();
      throw error;
    } finally {
      off();
    }
  });
}

async function writeAll(
  target: Target,
  { queue, accounts }: OpenFile,
  {
    format,
    olderThanMs,
    failedOnly,
    includePayload = false,
  }: { readonly format: ExportFormat; readonly olderThanMs: number | undefined } & Pick<ExportOptions, "failedOnly" | "includePayload">,
): Promise<number> {
  const now = Date.now();
  const before = olderThanMs === undefined ? undefined : new Date(now - olderThanMs).toISOString();
  const writer = exportWriter(format, { exportedAt: new Date(now).toISOString(), includePayload });
  let total = 0;
  await target.write(writer.head());
  for (const account of accounts) {
    for await (const page of queue.export(account, failedOnly === true ? { statuses: FAILED } : {})) {
      const rows = page
        .filter(({ enqueued_at }) => before === undefined || enqueued_at < before)
        .map((operation) => redactedRow(operation, { includePayload }));
      if (rows.length === 0) continue;
      total += rows.length;
      await target.write(writer.page(rows));
    }
  }
  await target.write(writer.tail(total));
  return total;
}
