import { stateOf } from "../core/lifecycle.ts";
import { holdsEntity } from "../core/holds-entity.ts";
import type { AccountTag, EntityTag, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { DeskContext } from "./context.ts";

/** Entities that were held back are looked at again when their holder has ended: this many of their operations at a time. */
const RELEASE_AT_ONCE = 500;

/**
 * Lets the operations behind `holder` go again, as many as one transaction takes; those behind another one that holds the entity wait
 * for that one. Dependents, and members of its group, are looked at again, whatever they find. Resolves with whether all of them could
 * be let go; when not, the hold stays, and `finishRelease` goes on.
 */
export async function release(
  view: AccountView,
  change: ChangeSet,
  holder: { readonly seq: Seq; readonly entityTag: EntityTag },
): Promise<boolean> {
  const blocked = await view.blockedBy(holder.seq, RELEASE_AT_ONCE);
  const next = await view.holderOf(holder.entityTag, holder.seq);
  for (const operation of blocked.map((one) => change.after(one))) {
    // It has left already, or goes again: by an earlier decision of the same change.
    if (operation.phase !== "blocked") continue;
    const goesOnWaiting = next !== undefined && next < operation.seq && operation.entityTag === holder.entityTag && !isBound(operation);
    if (goesOnWaiting) change.touch(operation, { blockedBy: next });
    else change.move(operation, "release");
  }
  if (blocked.length === RELEASE_AT_ONCE) return false;
  await freeLanes(view, change, holder.seq, [holder.entityTag, ...blocked.map(({ entityTag }) => entityTag)]);
  return true;
}

/**
 * Something that waits for `root` is about to leave the queue: what waits for the same only because of that is looked at again. What
 * `root` itself holds back goes on waiting.
 */
export async function reconsider(view: AccountView, change: ChangeSet, root: Seq): Promise<void> {
  const [holder] = await view.bySeq([root]);
  const blocked = await view.blockedBy(root, RELEASE_AT_ONCE);
  const others = blocked.filter((operation) => operation.entityTag !== holder?.entityTag || isBound(operation));
  for (const one of others) if (change.after(one).phase === "blocked") change.move(one, "release");
  if (blocked.length === RELEASE_AT_ONCE) return;
  const tags = others.map(({ entityTag }) => entityTag).filter((tag) => tag !== holder?.entityTag);
  await freeLanes(view, change, root, tags);
}

/** It may wait for what does not hold its entity. */
function isBound({ content }: QueuedOperation): boolean {
  return content.groupId !== undefined || content.dependsOn !== undefined;
}

async function freeLanes(view: AccountView, change: ChangeSet, by: Seq, tags: readonly EntityTag[]): Promise<void> {
  for (const [tag, lane] of await view.lanes(tags)) {
    if (lane.blockedBy !== by) continue;
    const next = await holdOn(view, tag, by);
    if (next === undefined) change.dropLane(tag);
    else change.putLane({ ...lane, head: next, blockedBy: next });
  }
}

/** What holds the entity back when `except` does not any more: an operation of its own, or what one of them waits for. */
async function holdOn(view: AccountView, tag: EntityTag, except: Seq): Promise<Seq | undefined> {
  let found = await view.holderOf(tag, except);
  for (let after: Seq | 0 = 0; ; ) {
    const page = await view.blockedOn(tag, after, RELEASE_AT_ONCE);
    for (const { row } of page) {
      const by = row?.blockedBy ?? 0;
      if (by !== 0 && by !== except && by < (found ?? Number.POSITIVE_INFINITY)) found = by;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < RELEASE_AT_ONCE) return found;
    after = last.seq;
  }
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
        isDone = (holder !== undefined && stillHolds(holder, lane)) || (await release(view, change, { seq: blockedBy, entityTag: lane }));
      });
    }
  }
}

/** What is let go too early is looked at, and waits again. */
function stillHolds({ phase, content, entityTag }: QueuedOperation, lane: EntityTag): boolean {
  if (phase === "pending") return false;
  const state = stateOf(phase);
  return holdsEntity(state, content.type) || (entityTag !== lane && state === "failed");
}
