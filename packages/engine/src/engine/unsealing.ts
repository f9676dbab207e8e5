import type { OperationVerdict } from "../core/answer.ts";
import { lanesAheadOf, lanesOf } from "../core/lanes.ts";
import type { State } from "../core/lifecycle.ts";
import { MAX_HISTORY, type Edit } from "../format/index.ts";
import type { Seq } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import { currentKey, isNumbered, type QueuedOperation } from "../queue/records.ts";
import { type EngineContext, nowOf } from "./context.ts";
import { waitingOf } from "./lookahead.ts";

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
  /** Everything that has a number: it cannot come up any more. */
  readonly allNumbered: boolean;
  /** Lanes, and behind whom they are closed. */
  readonly closed: ReadonlyMap<string, Seq>;
  readonly except: { has(seq: Seq): boolean };
}

/**
 * Opens what is sealed behind operations that did not take effect, in any of its lanes, with the groups that it belongs to and with
 * what stands behind that in turn. Resolves with what was opened.
 */
export async function openBehind(
  context: EngineContext,
  view: AccountView,
  change: ChangeSet,
  { allNumbered, closed, except }: Opening,
): Promise<ReadonlyMap<Seq, State>> {
  const closings = new Map(closed);
  const groups = new Set<string>();
  const opened = new Map<Seq, State>();
  const candidates = (await view.inPhase(["sealed"], 0, MAX_SEALED)).filter(({ seq }) => !except.has(seq));
  let hasGrown = true;
  while (hasGrown) {
    hasGrown = false;
    for (const operation of candidates) {
      const { seq, content } = operation;
      if (opened.has(seq)) continue;
      const place = waitingOf(operation);
      const lanes = lanesOf(place);
      const isBehind = [...lanes, ...lanesAheadOf(place)].some((lane) => (closings.get(lane) ?? Number.POSITIVE_INFINITY) < seq);
      const isOfGroup = content.groupId !== undefined && groups.has(content.groupId);
      if (!isBehind && !isOfGroup && !(allNumbered && isNumbered({ operation }))) continue;
      opened.set(seq, unseal(context, change, operation));
      close(closings, lanes, seq);
      if (content.groupId !== undefined) groups.add(content.groupId);
      hasGrown = true;
    }
  }
  return opened;
}

export function close(closings: Map<string, Seq>, lanes: readonly string[], behind: Seq): void {
  for (const lane of lanes) closings.set(lane, Math.min(closings.get(lane) ?? behind, behind) as Seq);
}
