import { stateOf } from "../core/lifecycle.ts";
import { holdsEntity } from "../core/holds-entity.ts";
import type { AccountTag, EntityTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { DeskContext } from "./context.ts";

/** Entities that were held back are looked at again when their holder has ended: this many of their operations at a time. */
const RELEASE_AT_ONCE = 500;

/**
 * Lets the operations behind `holder` go again, as many as one transaction takes; those behind another one that holds the entity wait
 * for that one. Resolves with whether all of them could be let go; when not, the hold stays, and `finishRelease` goes on.
 */
export async function release(
  view: AccountView,
  change: ChangeSet,
  holder: { readonly seq: Seq; readonly entityTag: EntityTag },
): Promise<boolean> {
  const blocked = await view.blockedBy(holder.seq, RELEASE_AT_ONCE);
  const next = await view.holderOf(holder.entityTag, holder.seq);
  for (const operation of blocked) {
    if (next !== undefined && next < operation.seq) change.touch(operation, { blockedBy: next });
    else change.move(operation, "release");
  }
  if (blocked.length === RELEASE_AT_ONCE) return false;
  const lane = (await view.lanes([holder.entityTag])).get(holder.entityTag);
  if (lane?.blockedBy !== holder.seq) return true;
  if (next === undefined) change.dropLane(holder.entityTag);
  else change.putLane({ ...lane, head: next, blockedBy: next });
  return true;
}

/** Ends holds whose holder has ended: after a long release, and after a crash in the middle of one. */
export async function finishReleases(context: Pick<DeskContext, "queue">, account: AccountTag): Promise<void> {
  const lanes = await context.queue.opened.store.readLanes(account);
  for (const { lane, blockedBy } of lanes) {
    if (lane === "" || blockedBy === 0) continue;
    let isDone = false;
    while (!isDone) {
      await context.queue.change(account, undefined, async (view, change) => {
        const [holder] = await view.bySeq([blockedBy]);
        const stillHolds = holder !== undefined && holder.phase !== "pending" && holdsEntity(stateOf(holder.phase), holder.content.type);
        isDone = stillHolds || (await release(view, change, { seq: blockedBy, entityTag: lane }));
      });
    }
  }
}
