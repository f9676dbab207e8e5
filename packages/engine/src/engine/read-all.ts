import type { EntityDocument } from "../format/index.ts";
import type { EntityTag, Seq } from "../ports/index.ts";
import { type AccountView, isTombstone } from "../queue/account-view.ts";
import type { QueuedOperation } from "../queue/records.ts";

const AT_ONCE = 500;

/** Every document that is known of the account. */
export async function allDocuments(view: AccountView): Promise<ReadonlyMap<EntityTag, EntityDocument>> {
  const all = new Map<EntityTag, EntityDocument>();
  let after: EntityTag | "" = "";
  for (;;) {
    const page: Awaited<ReturnType<AccountView["documentsAfter"]>> = await view.documentsAfter(after, AT_ONCE);
    for (const [tag, document] of page.documents) all.set(tag, document);
    if (page.next === undefined) return all;
    after = page.next;
  }
}

/** Every operation that is still in the queue, in order. */
export async function allOperations(view: AccountView): Promise<readonly QueuedOperation[]> {
  const all: QueuedOperation[] = [];
  let from = 1 as Seq;
  for (;;) {
    const { operations, next } = await view.from(from, AT_ONCE);
    all.push(...operations.filter((operation) => !isTombstone(operation)));
    if (operations.length < AT_ONCE) return all;
    from = next;
  }
}
