import { MAX_BATCH_OPERATIONS } from "@guardian-sync/protocol";
import type { Seq } from "../ports/index.ts";
import { type AccountView, isTombstone } from "../queue/account-view.ts";
import type { QueuedOperation } from "../queue/records.ts";

/** Where the members of its group stand in the queue; of one without a group only itself. */
export function placesOf({ seq, content: { groupPlace } }: QueuedOperation): readonly Seq[] {
  if (groupPlace === undefined) return [seq];
  return Array.from({ length: groupPlace.size }, (_, index) => (seq - groupPlace.index + index) as Seq);
}

/** All of its group that are still in the queue, in order, itself included; of one without a group only itself. */
export async function membersOf(view: AccountView, operation: QueuedOperation): Promise<readonly QueuedOperation[]> {
  if (!operation.readable) return membersAround(view, operation);
  if (operation.content.groupPlace === undefined) return [operation];
  return (await view.bySeq(placesOf(operation))).filter((member) => !isTombstone(member));
}

/** What cannot be read does not say to which group it belongs; another member of it does. */
async function membersAround(view: AccountView, operation: QueuedOperation): Promise<readonly QueuedOperation[]> {
  const first = Math.max(1, operation.seq - MAX_BATCH_OPERATIONS);
  const around = Array.from({ length: 2 * MAX_BATCH_OPERATIONS }, (_, index) => (first + index) as Seq);
  const sibling = (await view.bySeq(around)).find((one) => one.content.groupPlace !== undefined && placesOf(one).includes(operation.seq));
  return sibling === undefined ? [operation] : membersOf(view, sibling);
}
