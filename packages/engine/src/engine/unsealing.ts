import type { OperationVerdict } from "../core/answer.ts";
import type { State } from "../core/lifecycle.ts";
import { MAX_HISTORY, type Edit } from "../format/index.ts";
import type { EntityTag, Seq } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import { type EngineContext, nowOf } from "./context.ts";

/**
 * A definite "not applied": rendered anew under a new key, which names the old one, because a copy of the old may still arrive.
 * One that is to be cancelled goes again, too: only the server's marker stops such a copy.
 */
export function unseal(context: EngineContext, change: ChangeSet, operation: QueuedOperation, merged?: OperationVerdict["edit"]): State {
  const oldKey = currentKey(operation);
  const { delayMs = 0, ...edit } = merged ?? {};
  const { merges = 0 } = operation.detail;
  return change.move(operation, "unseal", {
    firstSendAt: 0,
    ...(delayMs > 0 ? { dueAt: nowOf(context) + delayMs } : {}),
    detail: {
      ...operation.detail,
      ...(merged === undefined ? {} : { edit: edit as Edit, merges: merges + 1 }),
      key: context.queue.newUuid(),
      supersedes: [...(operation.detail.supersedes ?? []), oldKey],
      history: [
        ...(operation.detail.history ?? []),
        { at: nowOf(context), event: merged === undefined ? "unsealed" : "merged", key: oldKey },
      ].slice(-MAX_HISTORY),
    },
  });
}

export interface Opening {
  /** Everything behind: its numbers cannot come up any more. */
  readonly all: boolean;
  /** Their later operations have to wait. */
  readonly entities: Iterable<EntityTag>;
  /** Their dependents have to wait. */
  readonly ids: Iterable<string>;
  readonly except: { has(seq: Seq): boolean };
}

/**
 * Opens what is sealed behind operations that did not take effect, with the groups that it belongs to and with what depends on it in
 * turn. Resolves with what was opened.
 */
export async function openBehind(
  context: EngineContext,
  view: AccountView,
  change: ChangeSet,
  { all, entities, ids, except }: Opening,
): Promise<ReadonlyMap<Seq, State>> {
  const held = new Map<EntityTag, Seq>(Array.from(entities, (tag) => [tag, 0 as Seq]));
  const without = new Set(ids);
  const groups = new Set<string>();
  const opened = new Map<Seq, State>();
  const candidates = (await view.inPhase(["sealed"], 0, MAX_SEALED)).filter(({ seq, row }) => !except.has(seq) && (row?.opNumber ?? 0) > 0);
  let hasGrown = true;
  while (hasGrown) {
    hasGrown = false;
    for (const operation of candidates) {
      const { seq, entityTag, content } = operation;
      if (opened.has(seq)) continue;
      const isHeld = (held.get(entityTag) ?? Number.POSITIVE_INFINITY) < seq;
      const isOfGroup = content.groupId !== undefined && groups.has(content.groupId);
      if (!all && !isHeld && !isOfGroup && content.dependsOn?.some((id) => without.has(id)) !== true) continue;
      opened.set(seq, unseal(context, change, operation));
      held.set(entityTag, Math.min(held.get(entityTag) ?? seq, seq) as Seq);
      without.add(content.id);
      if (content.groupId !== undefined) groups.add(content.groupId);
      hasGrown = true;
    }
  }
  return opened;
}
