import { type Command, InvalidArgumentError } from "commander";
import type { AccountIdentity, KeptOperation, OperatorQueue } from "guardian-sync/operator";
import { redactPii } from "@guardian-sync/telemetry";
import { EXIT, type ExitCode } from "../exit.ts";
import { formatDuration } from "../output/duration.ts";
import { table } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import { write, writeLine } from "../output/write.ts";
import { keptJson } from "../queue/kept-json.ts";
import { type OpenFile, withQueue } from "../queue/open-file.ts";
import { queueCommand, type QueueOptions } from "../queue/options.ts";

interface ListOptions extends QueueOptions {
  readonly archived?: boolean;
  readonly limit?: number;
}

const PAGE = 500;
const SHOWN = 50;

export function failedListCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return queueCommand("list", "operations that failed, the oldest first")
    .option("--archived", "those in the archive instead")
    .option("--limit <count>", `at most this many (default: ${SHOWN}; with --json, all)`, count)
    .addHelpText(
      "after",
      `
Examples:
  guardian failed list --db app.db
  guardian failed list --db app.db --json | jq -r '.[].code' | sort | uniq -c`,
    )
    .action(async (options: ListOptions) => {
      await withQueue(terminal, options, (file) =>
        options.json === true ? listJson(terminal, file, options) : listText(terminal, file, options),
      );
      end(EXIT.ok);
    });
}

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("It must be a whole number, at least 1.");
  return Number(text);
}

/** A JSON array, written page by page. */
async function listJson(terminal: Terminal, { queue, accounts }: OpenFile, options: ListOptions): Promise<void> {
  let written = 0;
  for (const account of accounts) {
    for await (const page of pages(queue, account, options)) {
      for (const operation of page.slice(0, (options.limit ?? Number.POSITIVE_INFINITY) - written)) {
        await write(terminal.out, `${written === 0 ? "[\n" : ",\n"}${JSON.stringify(keptJson(operation))}`);
        written += 1;
      }
    }
  }
  await write(terminal.out, written === 0 ? "[]\n" : "\n]\n");
}

async function listText(terminal: Terminal, { queue, accounts }: OpenFile, options: ListOptions): Promise<void> {
  const limit = options.limit ?? SHOWN;
  const rows: KeptOperation[] = [];
  let isMore = false;
  for (const account of accounts) {
    for await (const page of pages(queue, account, options)) {
      const left = limit - rows.length;
      rows.push(...page.slice(0, left));
      isMore ||= page.length > left;
      if (isMore) break;
    }
  }
  if (rows.length === 0) return writeLine(terminal.out, options.archived === true ? "The archive is empty." : "Nothing failed.");
  const text = terminal.isTty && terminal.columns < WIDE_COLUMNS ? narrowTable(terminal, rows) : wideTable(terminal, rows);
  await writeLine(terminal.out, text);
  if (isMore) await writeLine(terminal.err, `There are more than ${limit}: see --limit, or \`guardian export --failed-only\`.`);
}

/** From here on every column has room. */
const WIDE_COLUMNS = 130;

function wideTable(terminal: Terminal, rows: readonly KeptOperation[]): string {
  const columns = [
    { title: "ID" },
    { title: "OPERATION" },
    { title: "ENTITY" },
    { title: "STATE" },
    { title: "SINCE", align: "right" as const },
    { title: "ERROR", isElastic: true },
  ];
  return table(
    terminal,
    columns,
    rows.map((row) => [row.id, redactPii(row.type), entityOf(row), row.state, since(row), errorOf(row)]),
  );
}

function narrowTable(terminal: Terminal, rows: readonly KeptOperation[]): string {
  const columns = [{ title: "ID" }, { title: "SINCE", align: "right" as const }, { title: "WHAT FAILED, AND WHY", isElastic: true }];
  return table(
    terminal,
    columns,
    rows.map((row) => [row.id, since(row), `${entityOf(row)}: ${errorOf(row)}`]),
  );
}

function entityOf({ entityType, entityId }: KeptOperation): string {
  return redactPii(`${entityType}/${entityId}`);
}
function since({ changedAt }: KeptOperation): string {
  return formatDuration(Date.now() - Date.parse(changedAt)).replace(" ", "");
}
function errorOf({ lastError, code }: KeptOperation): string {
  return redactPii(lastError ?? code ?? "");
}

async function* pages(
  queue: OperatorQueue,
  account: AccountIdentity,
  { archived }: ListOptions,
): AsyncGenerator<readonly KeptOperation[], void, undefined> {
  const list = queue.failed(account);
  for (let after = 0; ; ) {
    const page = await list.list({ after, limit: PAGE }, archived === true ? ["archived"] : ["failed", "parked"]);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = last.seq;
  }
}
