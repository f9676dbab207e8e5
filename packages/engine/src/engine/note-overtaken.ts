import { addOvertaken, fieldsSetBy, type Overtaken } from "../core/overtaken.ts";
import type { EntityTag, Phase } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { QueuedOperation } from "../queue/records.ts";

/** Where a person may try it again. */
const KEPT: readonly Phase[] = ["failed", "parked", "archived"];
/** So many of them are read at once and looked through; of more, the first of each entity. */
const AT_ONCE = 100;

/**
 * Writes down, with earlier operations of the same entities that a person may try again, which of their fields were set since. What may
 * have been applied itself is left alone: it goes again as it is, or not at all.
 */
export async function noteOvertaken(view: AccountView, change: ChangeSet, applied: readonly QueuedOperation[]): Promise<void> {
  const { failed, parked, archived } = view.row.counts;
  if (failed + parked + archived === 0 || applied.length === 0) return;
  const by = new Map<EntityTag, QueuedOperation[]>();
  for (const operation of applied) by.set(operation.entityTag, [...(by.get(operation.entityTag) ?? []), operation]);
  const isMany = failed + parked + archived > AT_ONCE;
  const queries = isMany ? [...by.keys()].map((tag) => view.inPhase(KEPT, 0, AT_ONCE, tag)) : [view.inPhase(KEPT, 0, AT_ONCE)];
  for (const kept of (await Promise.all(queries)).flat()) {
    if (kept.row?.packId || !kept.readable) continue;
    const later = (by.get(kept.entityTag) ?? []).filter(({ seq }) => seq > kept.seq);
    const before = kept.detail.overtaken;
    const overtaken = later.reduce<Overtaken | undefined>((all, { content }) => addOvertaken(all, fieldsSetBy(content)), before);
    if (overtaken !== undefined && overtaken.length !== before?.length) change.touch(kept, { detail: { ...kept.detail, overtaken } });
  }
}
