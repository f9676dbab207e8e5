import type { Capabilities } from "../core/handshake.ts";
import type { AccountTag, Seq } from "../ports/index.ts";
import type { Lease } from "../queue/queue.ts";
import type { EngineContext } from "./context.ts";
import { statusInQueue } from "./outcome-of.ts";
import { finishReleases, release } from "./releasing.ts";
import { whyUnknown } from "./rendering.ts";

const AT_ONCE = 100;

/**
 * Lets operations go again that were parked because nothing said where they go, if something does now: the app registers their
 * definition again, or the backend has learned their collection. What waited behind them goes with them.
 */
export async function comeBack(
  context: EngineContext,
  account: AccountTag,
  capabilities: Pick<Capabilities, "collections">,
  lease?: Lease,
): Promise<void> {
  const { queue, settings, watchers } = context;
  let isUnfinished = false;
  for (let after: Seq | 0 = 0; ; ) {
    const seen = await queue.view(account);
    if (seen.row.counts.parked === 0) break;
    const page = await seen.inPhase(["parked"], after, AT_ONCE);
    for (const { seq, content, detail } of page) {
      if (detail.code !== "UNKNOWN_TYPE" || whyUnknown(settings.registry, content, capabilities) !== undefined) continue;
      const moved = await queue.change(account, lease, async (view, change) => {
        const [operation] = await view.bySeq([seq]);
        if (operation?.phase !== "parked") return;
        const { code: _code, lastError: _error, ...rest } = operation.detail;
        change.move(operation, "restore_definition", { detail: rest });
        isUnfinished = !(await release(view, change, operation)) || isUnfinished;
      });
      const [operation] = moved ? await (await queue.view(account)).bySeq([seq]) : [];
      if (operation !== undefined) watchers.tell(content.id, statusInQueue(operation));
    }
    const last = page.at(-1);
    if (last === undefined || page.length < AT_ONCE) break;
    after = last.seq;
  }
  if (isUnfinished) await finishReleases(context, account);
}
