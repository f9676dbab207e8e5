import type { AccountTag, Seq } from "../ports/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { type AsideDesk, park } from "./aside.ts";
import type { EngineContext } from "./context.ts";

const WAITS: ReadonlySet<QueuedOperation["phase"]> = new Set<QueuedOperation["phase"]>(["pending", "ready", "blocked"]);

/**
 * Puts aside an operation whose `apply` threw in the view, whoever looked: a person, or the next version of the app, has to decide. Not
 * what was sealed meanwhile: that may have been applied.
 */
export async function parkBroken(
  context: EngineContext,
  account: AccountTag,
  { seq, error }: { readonly seq: Seq; readonly error: unknown },
): Promise<void> {
  let told: (() => void)[] = [];
  await context.queue.change(account, undefined, async (view, change) => {
    told = [];
    const [operation] = await view.bySeq([seq]);
    if (operation === undefined || !WAITS.has(operation.phase)) return;
    const holds = await view.lanes([operation.entityTag]);
    const hold: AsideDesk["hold"] = (holder) => change.hold(holder, holds.get(holder.entityTag));
    const { type, version } = operation.content;
    const what = error instanceof Error ? error.name : typeof error;
    const problem = `the apply of "${type}" version ${version} threw ${what} on the document as it is now; mend it and retry the operation, or discard it`;
    park(context, { change, hold, later: (tell) => told.push(tell) }, { operation, code: "APPLY_FAILED", problem });
  });
  for (const tell of told) tell();
}
