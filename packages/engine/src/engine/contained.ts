import type { SnapshotPage } from "@guardian-sync/protocol";
import type { EntityTag } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import { currentKey, isNumbered } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import type { Gate } from "./gate.ts";
import type { Asked, Errand, Origin } from "./origin.ts";

export type Contained =
  | { readonly kind: "known"; readonly keys: ReadonlySet<string> }
  | { readonly kind: "unknown"; readonly asked?: Asked<unknown> & { readonly ok: false } };

/**
 * The keys without an answer whose effect a page of the snapshot shows already. Under global ordering the page says so by number; under
 * entity ordering the ledger is asked, after the page: what it does not know by then is in no document of the page.
 */
export async function containedIn(
  { queue }: Pick<EngineContext, "queue">,
  { origin, gate }: { readonly origin: Origin; readonly gate: Gate },
  errand: Errand,
  view: AccountView,
  { items }: SnapshotPage,
): Promise<Contained> {
  const keys = new Set<string>();
  if (view.row.counts.sealed === 0 || errand.level < 4) return { kind: "known", keys };
  const seqOf = new Map<EntityTag, number>();
  for (const { entity_type, entity_id, seq } of items) seqOf.set(queue.entityTag(view.account, entity_type, entity_id), seq);
  for (const operation of await view.inPhase(["sealed"], 0, MAX_SEALED)) {
    const seq = seqOf.get(operation.entityTag);
    if (seq === undefined || isNumbered({ operation })) continue;
    if (gate.held() !== undefined) return { kind: "unknown" };
    const key = currentKey(operation);
    const asked = await origin.verdict(errand, key);
    if (!asked.ok) return { kind: "unknown", asked };
    const { verdict, result } = asked.value;
    if (verdict === "applied" && (result?.commit_seq ?? 0) <= seq) keys.add(key);
  }
  return { kind: "known", keys };
}
