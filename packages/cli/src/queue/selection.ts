import type { AccountIdentity, OperatorQueue, Selection } from "guardian-sync/operator";
import { CliError, usageError } from "../exit.ts";
import { parseDuration } from "../output/duration.ts";

/** How a person says which operations are meant. */
export interface SelectionOptions {
  readonly all?: boolean;
  readonly olderThan?: string;
  readonly reason?: string;
}
export type KeptState = "failed" | "parked" | "archived" | "conflict" | "quarantined";

/** What a command is about, per account: never empty by accident, never everything by accident. */
export function selectionOf(ids: readonly string[], options: SelectionOptions, defaultOlderThan?: string): Selection {
  const { all, reason } = options;
  if (ids.length > 0 && all === true) throw usageError("Give ids or --all, not both.");
  const olderThan = options.olderThan ?? (ids.length === 0 && all !== true ? defaultOlderThan : undefined);
  if (ids.length === 0 && all !== true && olderThan === undefined)
    throw usageError("Say which: one or more ids, --older-than 30d, or --all.");
  return {
    ...(ids.length > 0 ? { ids } : { all: true }),
    ...(olderThan === undefined ? {} : { olderThanMs: parseDuration(olderThan) }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Finds the account of each id. @throws CliError, before anything is changed, when one is not there or in another state. */
export async function byAccount(
  queue: OperatorQueue,
  accounts: readonly AccountIdentity[],
  ids: readonly string[],
  states: readonly KeptState[],
): Promise<ReadonlyMap<AccountIdentity, readonly string[]>> {
  const found = new Map<AccountIdentity, string[]>();
  const problems: string[] = [];
  for (const id of new Set(ids)) {
    let problem = `${id} is not there`;
    for (const account of accounts) {
      const operation = await queue.failed(account).find(id);
      if (operation === undefined) continue;
      problem = states.includes(operation.state) ? "" : `${id} is ${operation.state}`;
      if (problem === "") found.set(account, [...(found.get(account) ?? []), id]);
      break;
    }
    if (problem !== "") problems.push(problem);
  }
  if (problems.length > 0) throw new CliError(`Nothing was changed: ${problems.join(", ")}.`, { code: "NOT_FOUND" });
  return found;
}
