import { statSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { sqliteStore } from "guardian-sync/sqlite";
import { type AccountIdentity, type OperatorQueue, openQueue } from "guardian-sync/operator";
import { CliError, usageError } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import type { QueueOptions } from "./options.ts";

/** A queue file that is open, and the accounts that a command is about. */
export interface OpenFile {
  readonly path: string;
  readonly queue: OperatorQueue;
  readonly accounts: readonly AccountIdentity[];
}

/** Opens the queue file that the options or the environment name, runs `work`, and closes it. Never makes a file. */
export async function withQueue<T>(terminal: Terminal, options: QueueOptions, work: (file: OpenFile) => Promise<T>): Promise<T> {
  const path = queuePath(options, terminal.env);
  const store = sqliteStore({ path, ...encryptionOf(options, terminal.env) });
  mustExist(path);
  const queue = await openQueue({ store, by: operatorName() });
  try {
    return await work({ path, queue, accounts: choose(await queue.accounts(), options.account) });
  } finally {
    await queue.close();
  }
}

export function queuePath({ db }: QueueOptions, env: Terminal["env"]): string {
  const path = db ?? env.GUARDIAN_DB ?? "";
  if (path === "") throw usageError("Which queue? Give its file with --db PATH, or set GUARDIAN_DB.");
  return path;
}

export function encryptionOf({ key }: QueueOptions, env: Terminal["env"]): { readonly encryption?: "none" | { readonly key: string } } {
  const text = (key ?? env.GUARDIAN_KEY ?? "").trim();
  if (text === "") return {};
  if (text === "none") return { encryption: "none" };
  // The text itself is a secret, or nearly one: it is not repeated.
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw usageError("The key must be 64 hex digits (or `none`). What was given is not; see --key and GUARDIAN_KEY.");
  return { encryption: { key: text } };
}

/** The store would make a missing file: here that would hide a typing error behind an empty queue. */
function mustExist(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new CliError(`There is no queue file ${path}. Nothing was made; check --db and GUARDIAN_DB.`, { code: "NOT_FOUND" });
  if (!found.isFile()) throw new CliError(`${path} is no file. Give the queue file itself.`, { code: "NOT_FOUND" });
  if (found.size === 0) throw new CliError(`${path} is empty: no app has made a queue of it yet.`, { code: "NOT_FOUND" });
}

function choose(accounts: readonly AccountIdentity[], wanted: string | undefined): readonly AccountIdentity[] {
  if (wanted === undefined) return accounts;
  const found = accounts.filter((account) => accountName(account) === wanted);
  if (found.length > 0) return found;
  const known = accounts.length === 0 ? "It has none yet." : `It has: ${accounts.map(accountName).join(", ")}.`;
  throw new CliError(`The queue file has no account ${wanted}. ${known}`, { code: "NOT_FOUND" });
}

export function accountName({ space, principal }: AccountIdentity): string {
  return `${space}/${principal}`;
}

/** Written down with what an operator does. */
function operatorName(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user id without a name, as in some containers.
    return `uid ${process.getuid?.() ?? "?"}@${hostname()}`;
  }
}
